// SPDX-License-Identifier: MIT
// The suite can fail: for each promise there is a backend that breaks it, and the test that is meant to catch it does.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryBackend, type Supports } from 'holdfast'
import { type ConformanceOptions, conformance, localClients, processClients } from 'holdfast/conformance'
import { describe, expect, test } from 'vitest'
import { FAULTS } from './broken-backends.ts'

/** Long enough for a healthy backend in memory, short enough to wait for what never happens. */
const IMPATIENT_MS = 400

type Registered = Map<string, () => Promise<void>>

function collect(options: Pick<ConformanceOptions, 'open' | 'supports' | 'clients' | 'patience'>): Registered {
  const tests: Registered = new Map()
  conformance({ name: 'broken', test: (title, body) => tests.set(title, body), patience: IMPATIENT_MS, ...options })
  return tests
}

/** Runs the tests whose title matches; answers the messages of those that failed. */
async function failures(tests: Registered, title: RegExp): Promise<string[]> {
  const chosen = [...tests].filter(([name]) => title.test(name))
  expect(chosen, `tests that match ${title}`).not.toEqual([])
  const messages: string[] = []
  for (const [, body] of chosen) {
    await body().catch((error: unknown) => {
      messages.push(String(error))
    })
  }
  return messages
}

const { supports } = memoryBackend()

describe.concurrent('the suite catches a backend that', () => {
  test.each(FAULTS)('$what', async ({ caughtBy, open }) => {
    const broken = collect({ supports, open: ({ prefer }) => localClients(() => open(prefer)) })
    expect(await failures(broken, caughtBy)).not.toEqual([])
    const healthy = collect({ supports, open: ({ prefer }) => localClients(() => memoryBackend({ prefer })) })
    expect(await failures(healthy, caughtBy)).toEqual([])
  })

  test('starts its tokens anew, and says that they are durable', async () => {
    const claimed: Supports = { ...supports, scope: 'machine', durableTokens: true }
    const tests = collect({ supports: claimed, open: () => localClients(() => ({ ...plain(), supports: claimed })) })
    expect(await failures(tests, /7\. Tokens go on rising/)).not.toEqual([])
  })

  test('does not lock across processes, and says that it does', async () => {
    expect(await failures(inProcesses('apart'), /1\. A holder of X/)).not.toEqual([])
  })

  test('leaves the locks of the dead where they are', async () => {
    expect(await failures(inProcesses('never-freed'), /5\. A holder that dies/)).not.toEqual([])
  })

  test('keeps the processor busy while somebody waits', async () => {
    expect(await failures(inProcesses('spinning'), /10\. Waiting burns no processor time/)).not.toEqual([])
  })
})

test('the suite registers every test under the name that it was given, and no two under one title', () => {
  const titles: string[] = []
  conformance({ name: 'memory', test: (title) => titles.push(title), supports, open: () => localClients(() => memoryBackend()) })
  expect(new Set(titles).size).toBe(titles.length)
  expect(titles.filter((title) => !title.startsWith('memory: '))).toEqual([])
  for (const promise of [1, 2, 3, 4, 6, 7, 9, 10, 12]) expect(titles.some((title) => title.startsWith(`memory: ${promise}. `))).toBe(true)
})

function plain() {
  const engine = memoryBackend()
  return {
    name: engine.name,
    prefer: engine.prefer,
    leases: engine.leases,
    tryAcquire: engine.tryAcquire.bind(engine),
    acquire: engine.acquire.bind(engine),
    inspect: engine.inspect.bind(engine),
    close: engine.close.bind(engine),
  }
}

function inProcesses(fault: 'apart' | 'never-freed' | 'spinning'): Registered {
  const claimed: Supports = { ...supports, scope: 'machine', deadHolder: 'at-once' }
  const module = new URL('../../build/test/programs/conformance-broken.js', import.meta.url)
  return collect({
    supports: claimed,
    clients: 'processes',
    patience: 1_500,
    open() {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-broken-'))
      const room = join(folder, 'room')
      return processClients(module, { fault, supports: claimed, room }, () => rmSync(folder, { recursive: true }))
    },
  })
}
