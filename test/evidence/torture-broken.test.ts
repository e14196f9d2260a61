// SPDX-License-Identifier: MIT
// The torture can fail: engines that break one promise each are found out by the check that is there for it, and the time around it is drawn.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PromiseName, TortureReport } from '../../src/evidence/torture/report.ts'
import type * as Torture from '../../src/evidence/torture/run.ts'
import type { Argument, FileFault, MemoryFault } from '../programs/torture-broken.ts'
import { temporaryFolder } from '../support/file-folders.ts'

// The built one, whose workers are built, too.
const { torture } = (await import(new URL('../../dist/evidence/torture/run.js', import.meta.url).href)) as typeof Torture
const module = new URL('../../build/test/programs/torture-broken.js', import.meta.url).href

interface Tortured {
  readonly report: TortureReport
  readonly drawing: string | null
}

async function tortured(argument: Argument, options: Torture.TortureOptions): Promise<Tortured> {
  const timeline = join(temporaryFolder(), 'timeline.svg')
  const report = await torture({ opening: { module, argument }, seed: 1, timeline, ...options })
  return { report, drawing: report.timeline === null ? null : readFileSync(report.timeline, 'utf8') }
}

/** Which judge finds it, and in which words; of several, whichever has what it needs first: the run ends there. */
type Expected = Readonly<Partial<Record<PromiseName, RegExp>>>

/** Whoever is in beside another has the larger token, and the other's writes are refused. */
const BESIDE: Expected = { exclusion: /ms before the end of p\d lease \d+/, fence: /was good, and its write was refused/ }

function found({ report, drawing }: Tortured, expected: Expected): void {
  const finders = report.promises.filter(({ promise, outcome, found }) => outcome === 'failed' && expected[promise]?.test(found))
  expect(finders, JSON.stringify(report.promises)).not.toEqual([])
  expect(report).toMatchObject({ verdict: 'failed', sentence: expect.stringMatching(/^Broken: /) })
  expect(drawing).toMatch(/^<svg xmlns.*seed 1: /s)
}

test.each<[MemoryFault, Expected]>([
  ['lets somebody in beside', BESIDE],
  ['takes a token again', { tokens: /which is not smaller/ }],
  ['forgets to wake somebody', { waiting: /waits, and nobody is let in any more/ }],
  ['serves in any order', { order: /was let in before p1 request \d+ .*which had its place/ }],
  ['keeps what was given up', { waiting: /nobody is let in any more/ }],
  ['shows who is gone', { left: /held: write holdfast-torture:1/ }],
  ['keeps the first lease', { left: /still counts 1 held/ }],
  ['fails for no reason', { workers: /The dog ate it/ }],
])('an engine that %s is found out', async (memory, expected) => {
  found(await tortured({ memory }, { seconds: 3 }), expected)
})

test.each<[MemoryFault, Expected]>([
  ['lets somebody in beside', BESIDE],
  ['serves in any order', { order: /was let in before p1 request \d+ .*which had its place/ }],
])('an engine that %s is found out in several trees, too', async (memory, expected) => {
  found(await tortured({ memory }, { seconds: 5, trees: 8, tasks: 8 }), expected)
})

test.each<[FileFault, Torture.TortureOptions, Expected]>([
  ['apart', { faults: [] }, BESIDE],
  ['the dead keep', { faults: ['kill'] }, { waiting: /nobody is let in any more|has waited for/ }],
])(
  'processes with the fault “%s” are found out',
  async (file, options, expected) => {
    found(await tortured({ file, directory: temporaryFolder() }, { seconds: 3, processes: 3, ...options }), expected)
  },
  60_000,
)

test.each<[string, () => Argument]>([
  ['in memory', () => ({ memory: 'none' })],
  ['on files', () => ({ file: 'none', directory: temporaryFolder() })],
])('an engine without a fault passes, %s, and nothing is drawn', async (_, argument) => {
  const { report, drawing } = await tortured(argument(), { seconds: 2 })
  expect(report.promises.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect(report).toMatchObject({ verdict: 'ok', timeline: null, grants: expect.any(Number) })
  expect(report.grants).toBeGreaterThan(100)
  expect(drawing).toBeNull()
})
