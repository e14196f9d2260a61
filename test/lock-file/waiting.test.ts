// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { LockFile } from '../../src/compat/lock-file.ts'
import { failure, until } from '../support/file-agent.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { Agent, blockedOn, helpersOf, openersOf, ticksOf } from './agent.ts'
import { type PythonProgram, python } from './foreign.ts'

/** Whoever is not told looks after a second, of which a part may be over. */
const TOLD_MS = 500
const ROUNDS = 5

let path: string
let file: LockFile
let seed: number
let random: (below: number) => number

beforeEach(() => {
  path = join(temporaryFolder(), 'file.lock')
  file = new LockFile(path)
  seed = freshSeed()
  const next = generator(seed)
  random = (below) => next() % below
})

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.trunc(values.length / 2)]!
}

/** A foreigner that holds the file alone. */
async function heldBy(kind: 'flock' | 'lockf'): Promise<PythonProgram> {
  writeFileSync(path, '')
  const them = python(kind)
  expect(await them.take(path, 'write')).toBe(true)
  return them
}

/** By then whoever waits does not look any more of himself, but for once a second. */
const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400))

const inTheKernel = (): Promise<void> => until(() => blockedOn(path) === 1, 10_000)

describe.each(['flock', 'lockf'] as const)('A wait for a program that takes %s alone', (kind) => {
  test('ends at once when it unlocks and keeps the file open, of which the kernel tells nobody', async () => {
    const them = await heldBy(kind)
    const waits: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const granted = round % 2 === 0 ? file.write() : file.read()
      await inTheKernel()
      const began = performance.now()
      await them.unlock()
      const lease = await granted
      waits.push(performance.now() - began)
      await lease.release()
      expect(await them.take(path, 'write')).toBe(true)
    }
    console.log(`unlocked: ${median(waits).toFixed(1)} ms`)
    expect(median(waits)).toBeLessThan(TOLD_MS)
  })

  test('ends at once when it is killed', async () => {
    const them = await heldBy(kind)
    const granted = file.write()
    await inTheKernel()
    const began = performance.now()
    them.kill()
    const lease = await granted
    expect(performance.now() - began).toBeLessThan(TOLD_MS)
    await lease.release()
  })

  test('holds nothing in the meantime that keeps others from the lock that is free', async () => {
    const them = await heldBy(kind)
    const granted = file.write()
    await inTheKernel()
    const other = python(kind === 'flock' ? 'lockf' : 'flock')
    expect(await other.take(path, 'write')).toBe(true)
    await them.give()
    // Now it waits for the other one.
    await inTheKernel()
    expect(await them.take(path, 'write')).toBe(true)
    await them.give()
    await other.unlock()
    await (await granted).release()
  })

  test('leaves nothing behind when its time is up, and says who was in the way', async () => {
    const them = await heldBy(kind)
    const error = await failure(file.write({ timeout: 600 }))
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ owner: { pid: them.pid }, write: [path], token: null }] })
    expect(error.message).toMatch(/python3/)
    expect([helpersOf(), openersOf(path), blockedOn(path), file.waiting]).toEqual([[], [them.pid], 0, 0])
  })

  test(
    'leaves nothing behind when it is aborted at the very moment of the grant',
    async () => {
      const them = await heldBy(kind)
      let aborted = 0
      for (let round = 0; round < scaled(12); round++) {
        const abort = new AbortController()
        const granted = file.write({ signal: abort.signal }).catch((reason) => reason)
        await inTheKernel()
        const given = them.unlock()
        const delay = random(4)
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay - 1))
        abort.abort('changed my mind')
        const lease = await granted
        await given
        if (lease === 'changed my mind') aborted++
        else await lease.release()
        // Nobody waits any more: whoever tries now must succeed.
        expect(await them.take(path, 'write'), `seed ${seed}`).toBe(true)
      }
      await until(() => helpersOf().length === 0)
      expect(aborted).toBeGreaterThan(0)
    },
    patience(30_000),
  )
})

describe('A waiting request', () => {
  test('costs nothing while it waits', async () => {
    await heldBy('flock')
    const abort = new AbortController()
    const granted = file.write({ signal: abort.signal }).catch(() => null)
    await inTheKernel()
    const [helper] = helpersOf()
    const before = { ours: process.cpuUsage(), theirs: ticksOf(helper!) }
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const { user, system } = process.cpuUsage(before.ours)
    expect(user + system).toBeLessThan(50_000)
    expect(ticksOf(helper!) - before.theirs).toBeLessThanOrEqual(1)
    abort.abort()
    await granted
  })

  test('is granted in the order in which the requests of a process came', async () => {
    const first = await file.write()
    const order: string[] = []
    const others = new LockFile(path)
    const waiting = ['write a', 'read b', 'read c', 'write d', 'read e'].map(async (what, i) => {
      const from = i % 2 === 0 ? file : others
      const lease = await (what.startsWith('read') ? from.read() : from.write())
      order.push(what)
      await new Promise((resolve) => setImmediate(resolve))
      await lease.release()
    })
    expect([file.waiting, others.waiting]).toEqual([3, 2])
    await first.release()
    await Promise.all(waiting)
    expect(order.indexOf('write a')).toBe(0)
    expect(order.slice(1, 3).sort()).toEqual(['read b', 'read c'])
    expect(order.slice(3)).toEqual(['write d', 'read e'])
  })

  test('keeps its process alive, which a lease does not', async () => {
    const lease = await file.write()
    const program = `
      import { LockFile } from 'holdfast/lock-file'
      const granted = new LockFile(${JSON.stringify(path)}).write()
      console.log('waiting')
      console.log((await granted).state)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: new URL('../..', import.meta.url),
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('waiting')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await lease.release()
    expect((await lines.next()).value).toBe('held')
    expect(await ended).toEqual([0, null])
    expect(await file.tryWrite().then((next) => next?.release())).toBeUndefined()
  })

  test('hears when another Holdfast lets go or is killed, without a helper', async () => {
    const agent = await Agent.start()
    const waits: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      agent.tell('write', path)
      await agent.says('granted')
      const granted = file.write()
      await quiet()
      expect(helpersOf()).toEqual([])
      const began = performance.now()
      if (round === ROUNDS - 1) await agent.kill()
      else agent.tell('release')
      const lease = await granted
      waits.push(performance.now() - began)
      await lease.release()
      if (round < ROUNDS - 1) await agent.says('released')
    }
    console.log(`released: ${median(waits).toFixed(1)} ms, killed: ${waits.at(-1)!.toFixed(1)} ms`)
    expect(Math.max(...waits)).toBeLessThan(TOLD_MS)
  })

  test('hears of a downgrade in another process', async () => {
    const lease = await file.write()
    const agent = await Agent.start()
    agent.tell('read', path)
    await agent.says('waiting')
    await quiet()
    const began = performance.now()
    await lease.downgrade()
    await agent.says('granted')
    expect(performance.now() - began).toBeLessThan(TOLD_MS)
    expect([lease.read, lease.write, await file.tryWrite()]).toEqual([[path], [], null])
    await lease.release()
  })

  test('of a process that is killed goes with it, and so does its helper', async () => {
    const them = await heldBy('flock')
    const agent = await Agent.start()
    agent.tell('write', path)
    await agent.says('waiting')
    await inTheKernel()
    expect(helpersOf(agent.pid)).toHaveLength(1)
    await agent.kill()
    await until(() => blockedOn(path) === 0 && openersOf(path).length === 1)
    await them.unlock()
    const lease = await file.tryWrite()
    expect(lease).not.toBeNull()
    await lease?.release()
  })

  test('of a worker thread ends as others do, and goes with the thread when that is terminated', async () => {
    const them = await heldBy('lockf')
    const agent = await Agent.start({ worker: true })
    for (const end of ['granted', 'terminated'] as const) {
      agent.tell('write', path)
      await agent.says('waiting')
      await inTheKernel()
      if (end === 'terminated') agent.tell('terminate')
      else await them.unlock()
      await agent.says(end)
      if (end === 'terminated') break
      agent.tell('release')
      await agent.says('released')
      expect(await them.take(path, 'write')).toBe(true)
    }
    await until(() => blockedOn(path) === 0 && helpersOf(agent.pid).length === 0)
    expect(openersOf(path)).toEqual([them.pid])
  })

  test('goes on when its helper is killed by somebody', async () => {
    const them = await heldBy('flock')
    const granted = file.write()
    await inTheKernel()
    process.kill(helpersOf()[0]!, 'SIGKILL')
    await until(() => helpersOf().length === 0)
    await them.unlock()
    await (await granted).release()
  })

  test.each(['nowhere/node', 'application'])('looks from time to time where no helper can be started, as in %s', async (program) => {
    const them = await heldBy('flock')
    const { execPath } = process
    const mark = join(path, '..', 'started')
    process.execPath = join(path, '..', program)
    if (program === 'application') writeFileSync(process.execPath, `#!/bin/sh\n: >${mark}\n`, { mode: 0o755 })
    try {
      const granted = file.write()
      await new Promise((resolve) => setTimeout(resolve, 200))
      const began = performance.now()
      await them.unlock()
      const lease = await granted
      expect(performance.now() - began).toBeLessThan(TOLD_MS)
      await lease.release()
      expect(existsSync(mark)).toBe(false)
    } finally {
      process.execPath = execPath
    }
  })

  test('has a helper where nothing can be heard, as this user has no inotify instance left', async () => {
    writeFileSync(path, '', { mode: 0o666 })
    chmodSync(path, 0o666)
    const uid = 200_000 + Math.trunc(Math.random() * 1_000_000_000)
    const blind = await Agent.start({ uid })
    blind.tell('blind')
    await blind.says(/^blind after [1-9]/)
    const lease = await file.write()
    blind.tell('write', path)
    await blind.says('waiting')
    await inTheKernel()
    await lease.release()
    await blind.says('granted')
    expect(await file.tryRead()).toBeNull()
    blind.tell('release')
    await blind.says('released')
  })
})

describe('A file that is replaced or removed while somebody waits', () => {
  test.each([true, false])('is followed to the one that stands at the path (%s: another was put there)', async (replaced) => {
    const them = await heldBy('flock')
    const granted = file.write()
    await inTheKernel()
    if (replaced) {
      writeFileSync(`${path}.new`, 'new')
      renameSync(`${path}.new`, path)
    } else rmSync(path)
    const lease = await granted
    expect(lease.valid).toBe(true)
    expect(helpersOf()).toEqual([])
    // They have the old one still.
    const other = python('flock')
    expect(await other.take(path, 'write')).toBe(false)
    await lease.release()
    expect(await other.take(path, 'write')).toBe(true)
    await them.give()
  })

  test('by a holder that removes it when it lets go, as lockmgr does, is never granted under its old name', async () => {
    const them = await heldBy('flock')
    const granted = file.write()
    const vanished = them.vanish()
    // Whatever this thread hears of it, it hears when all is over, and after the timer by which it looks again.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    const lease = await granted
    expect([lease.valid, existsSync(path)]).toEqual([true, true])
    await vanished
    await lease.release()
  })

  test('is followed while its folder is removed and made again, or the request fails and says why', async () => {
    const folder = join(path, '..', 'sub')
    mkdirSync(folder)
    const inner = new LockFile(join(folder, 'a.lock'))
    const lease = await inner.write()
    const granted = failure(new LockFile(inner.path).write())
    const agent = await Agent.start()
    agent.tell('write', inner.path)
    await agent.says('waiting')
    rmSync(folder, { recursive: true })
    await agent.says('LOCK_INVALID')
    expect(lease.valid).toBe(false)
    expect((await granted).code).toBe('LOCK_INVALID')
    await lease.release()
    expect(readdirSync(join(path, '..'))).toEqual([])
  })
})
