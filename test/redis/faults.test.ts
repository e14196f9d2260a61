// SPDX-License-Identifier: MIT
// Everything that can go wrong goes wrong, at random and at once, while an oracle watches.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { bootNow } from '../../src/native/clock.ts'
import { TcpProxy } from '../support/proxy.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { messageOf } from './messages.ts'
import { judge, judgeText } from './oracle.ts'
import { type RedisServer, startRedis } from './server.ts'
import { openSpace, operator } from './spaces.ts'

const PROGRAM = new URL('../../build/test/programs/redis-worker.js', import.meta.url).pathname
const WORKERS = 5
const LEASE_MS = 700
const SECONDS = scaled(20, 4)
/** Time to finish, for those who still wait. */
const LAST_MS = 30_000

const seed = freshSeed()
const random = generator(seed)
const upTo = (most: number): number => random() % most
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** Shorter than the lease, or longer. */
const aWhile = (): number => (upTo(2) === 0 ? 50 + upTo(LEASE_MS / 2) : LEASE_MS + upTo(LEASE_MS))

/** A worker with its proxy, started anew when it was killed. */
class Worker {
  /** Processes that ended by themselves before they were told to. */
  readonly deaths: string[] = []
  readonly proxy: TcpProxy
  private readonly args: readonly string[]
  private child!: ChildProcess
  private opened!: Promise<unknown>
  private replacing: Promise<void> | null = null

  private constructor(proxy: TcpProxy, args: readonly string[]) {
    this.proxy = proxy
    this.args = args
    this.start()
  }

  static async on(port: number, space: string, log: string, library: string): Promise<Worker> {
    const proxy = await TcpProxy.to(port)
    return new Worker(proxy, [PROGRAM, String(proxy.port), space, String(LEASE_MS), log, '', library])
  }

  start(): void {
    const args = [...this.args.slice(0, 5), String(upTo(2 ** 31)), ...this.args.slice(6)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.on('exit', (code, signal) => {
      if (signal !== 'SIGKILL' && code !== 0) this.deaths.push(`process ${child.pid} ended by itself, with ${code ?? signal}`)
    })
    this.opened = Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
    this.opened.catch(() => {})
    this.child = child
  }

  open(): Promise<unknown> {
    return this.opened
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** Kills it, and starts another. */
  replace(): Promise<void> {
    this.replacing ??= this.ended(() => this.signal('SIGKILL')).then(() => {
      this.replacing = null
      this.start()
    })
    return this.replacing
  }

  /** Resolves to true when it has given back all that it had, and gone. */
  async finish(): Promise<boolean> {
    const timer = setTimeout(() => this.signal('SIGKILL'), LAST_MS)
    // One that has only just been started does not listen yet.
    await this.opened
    await this.ended(() => this.signal('SIGTERM'))
    clearTimeout(timer)
    return this.child.exitCode === 0
  }

  private async ended(how: () => void): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    how()
    await gone
  }
}

type Fault = (server: RedisServer, workers: readonly Worker[], operator: Redis) => Promise<void>

const someone = (workers: readonly Worker[]): Worker => workers[upTo(workers.length)]!

/** Each with how often it comes. One takes as long as the fault lasts. */
const FAULTS: Readonly<Record<string, readonly [number, Fault]>> = {
  'a process is killed': [
    4,
    async (_, workers) => {
      await someone(workers).replace()
    },
  ],
  'a process is stopped': [
    4,
    async (_, workers) => {
      const worker = someone(workers)
      worker.signal('SIGSTOP')
      await pause(aWhile())
      worker.signal('SIGCONT')
    },
  ],
  'a connection is cut': [6, async (_, workers) => someone(workers).proxy.cut()],
  'a process cannot connect': [
    3,
    async (_, workers) => {
      const { proxy } = someone(workers)
      proxy.refuse()
      await pause(aWhile())
      proxy.accept()
    },
  ],
  'a connection hangs': [
    4,
    async (_, workers) => {
      const { proxy } = someone(workers)
      proxy.freeze()
      await pause(aWhile())
      if (upTo(3) === 0) proxy.cut()
      proxy.thaw()
    },
  ],
  'a message is lost': [4, async (_, workers) => void someone(workers).proxy.swallow(messageOf('holdfast'))],
  'scripts are forgotten': [3, async (_, __, operator) => void (await operator.script('FLUSH'))],
  'clients are thrown out': [2, async (_, __, operator) => void (await operator.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))],
  'listeners are thrown out': [
    2,
    async (_, __, operator) => void (await operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes')),
  ],
  'the server stands still': [
    2,
    async (server) => {
      const { pid } = server
      process.kill(pid, 'SIGSTOP')
      await pause(aWhile())
      process.kill(pid, 'SIGCONT')
    },
  ],
  'the server is started anew': [1, (server) => server.restart()],
  'the server is killed': [
    1,
    async (server) => {
      await server.kill()
      await pause(upTo(LEASE_MS / 2))
      await server.restart()
    },
  ],
}

const LOT = Object.entries(FAULTS).flatMap(([name, [times]]) => Array.from({ length: times }, () => name))
/** These are about the server, and come one at a time. */
const ALONE = /the server|scripts|thrown out/

test(
  'whatever happens to processes, connections and the server, no two incompatible leases are ever valid at once, and nothing is left locked',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-faults-'))
    const log = join(folder, 'log')
    writeFileSync(log, '')
    const dir = join(folder, 'redis')
    mkdirSync(dir)
    const server = await startRedis({ dir, args: ['--appendonly', 'yes', '--appendfsync', 'always', '--aof-timestamp-enabled', 'yes'] })
    onTestFinished(() => server.stop())
    const harm = await operator(server.port)
    const space = 'faults'
    const workers: Worker[] = []
    let failed = true
    try {
      for (let i = 0; i < WORKERS; i++) workers.push(await Worker.on(server.port, space, log, i % 2 === 0 ? 'redis' : 'ioredis'))
      await Promise.all(workers.map((worker) => worker.open()))
      const counts = new Map<string, number>()
      const underWay = new Set<Promise<void>>()
      const end = performance.now() + SECONDS * 1000
      while (performance.now() < end) {
        await pause(20 + upTo(200))
        const name = LOT[upTo(LOT.length)]!
        counts.set(name, (counts.get(name) ?? 0) + 1)
        appendFileSync(log, `\n${JSON.stringify({ word: 'FAULT', pid: 0, at: String(bootNow()), what: name })}\n`)
        const fault = FAULTS[name]![1](server, workers, harm)
        if (ALONE.test(name)) await fault
        else {
          underWay.add(fault)
          void fault.finally(() => underWay.delete(fault))
        }
      }
      await Promise.all(underWay)
      const finished = await Promise.all(workers.map((worker) => worker.finish()))
      const verdict = judge(log)
      const faults = [...counts.values()].reduce((sum, count) => sum + count, 0)
      const { grants, lost, weakened, orphans, violations } = verdict
      console.log(
        `${faults} faults, ${grants} grants, ${lost} lost, ${weakened} weakened, ${orphans} left by the dead, ` +
          `${violations.length} violations; seed ${seed}`,
        Object.fromEntries(counts),
        Object.fromEntries(verdict.errors),
      )
      expect(violations.slice(0, 10)).toEqual([])
      expect(workers.flatMap(({ deaths }) => deaths)).toEqual([])
      expect(finished).toEqual(workers.map(() => true))
      expect(grants).toBeGreaterThan(10 * SECONDS)
      await nothingLeft(server.port, harm, space)
      failed = false
    } finally {
      for (const worker of workers) {
        worker.signal('SIGKILL')
        await worker.proxy.close()
      }
      if (failed) console.log(`The log is kept, and beside it what the server has written: ${log}`)
      else rmSync(folder, { recursive: true, force: true })
    }
  },
  SECONDS * 1000 + LAST_MS + 30_000,
)

/** Whoever comes next clears up what the dead have left; then only the space's policy and its last stamp are there. */
async function nothingLeft(port: number, look: Redis, space: string): Promise<void> {
  const locks = await openSpace(port, 'ioredis', { space, lease: LEASE_MS })
  await (await locks.write('/', { timeout: 5_000 })).release()
  const key = `holdfast:{${space}}`
  const giveUpAt = performance.now() + 10 * LEASE_MS
  while ((await look.zcard(`${key}:sessions`)) > 1) {
    if (performance.now() > giveUpAt) throw new Error('A session is left, and nobody takes it away.')
    await locks.withWrite('/', () => {})
  }
  await locks.close()
  expect((await look.hkeys(key)).sort()).toEqual(['#t', '#v'])
  expect(await look.keys('*')).toEqual([key])
}

test('The oracle finds overlapping leases, and tokens that do not rise', () => {
  const line = (word: string, pid: number, at: number, more: object = {}): string =>
    JSON.stringify({ word, pid, id: 1, at: `${at}`, ...more })
  const granted = (pid: number, at: number, token: number, mode: string, deadline = 1_000): string =>
    line('GRANTED', pid, at, { token: `${token}`, deadline: `${deadline}`, claims: [{ key: '/', mode }] })
  const faults = (...lines: readonly string[]): readonly string[] => judgeText(lines.join('\n')).violations
  const [one, other] = [granted(1, 10, 1, 'X'), granted(2, 20, 2, 'S')]
  expect(faults(one, line('RELEASED', 1, 19), other)).toEqual([])
  expect(faults(one, other, line('RELEASED', 1, 21))).toEqual([expect.stringContaining('before the end of 1 lease 1')])
  expect(faults(one, other)).toHaveLength(1)
  expect(faults(granted(1, 10, 1, 'X', 15), other, line('RELEASED', 1, 21))).toEqual([])
  expect(faults(one, line('VALID', 1, 12, { deadline: '2000' }), other, line('LOST', 1, 21))).toEqual([])
  expect(faults(one, line('VALID', 1, 22, { deadline: '2000' }), other, line('LOST', 1, 23))).toHaveLength(1)
  expect(faults(one, line('WEAKENED', 1, 19), other)).toEqual([])
  expect(faults(one, line('WEAKENED', 1, 19), granted(2, 20, 2, 'X'))).toHaveLength(1)
  expect(faults(granted(1, 10, 2, 'X'), line('RELEASED', 1, 19), other)).toEqual([expect.stringContaining('not smaller')])
  expect(faults(granted(1, 10, 2, 'S'), line('RELEASED', 1, 19), other)).toEqual([])
  expect(faults(line('FAILED', 1, 1, { what: 'stranded' }))).toEqual(['1: stranded'])
})
