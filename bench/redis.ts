// SPDX-License-Identifier: MIT
// Locks on a Redis server of its own, against the plainest lock that there is on one (SET NX PX, and a script that deletes), and other libraries.

import type { LockSpace } from 'holdfast'
import { startRedis } from '../test/redis/server.ts'
import {
  type Case,
  type Distribution,
  distribution,
  type Effort,
  machine,
  type Outcome,
  rounded,
  type Suite,
  Timings,
  time,
} from './harness.ts'
import { Line, unwarned } from './line.ts'
import { versionOf } from './peers.ts'
import { BARE_PUSH, contend, RedisClientProcess, type Round, typical } from './redis-contention.ts'
import { type Clients, connectBoth, holdfast, type Library, lockSpace, type RedisLock, redisPeers, setnx } from './redis-peers.ts'

const IN_FLIGHT = 100
const OTHERS = 100_000
const WAITERS = 10_000
const SPREAD = 256
const PROCESSES = 8
const LIBRARIES: readonly Library[] = ['node-redis', 'ioredis']
const PATHS = { flat: '/x', 'depth 3': '/studies/mouse-7/session-3' } as const

export const redis: Suite = {
  name: 'redis',
  targets: {
    flat_vs_setnx_seq: { atLeast: 0.9 },
    depth3_vs_setnx_seq: { atLeast: 0.8 },
    depth3_vs_setnx_100: { atLeast: 0.35 },
    held_1e5_vs_0: { atMost: 1.1 },
    queue_1e4_vs_0: { atMost: 1.3 },
    handoff_p50_ms: { atMost: 0.4 },
    handoff_p99_ms: { atMost: 6 },
    longest_run: { atMost: 5 },
  },
  async run(smoke) {
    const server = await startRedis()
    try {
      const clients = await connectBoth(server.port)
      try {
        return await measure(server.port, clients, smoke)
      } finally {
        await clients.close()
      }
    } finally {
      await server.stop()
    }
  },
}

async function measure(port: number, clients: Clients, smoke: boolean): Promise<Outcome> {
  const effort: Effort = { rounds: 41, sliceMs: 25, smoke }
  const timings = new Timings()
  const plain = await setnx(clients)
  const own = await Promise.all(LIBRARIES.map(async (library) => holdfast(await lockSpace(clients, library, 'alone'), library)))
  const peers = redisPeers(clients)
  const one = [
    ...[...plain, ...peers].map((lock) => sequential(lock, '/x')),
    ...own.flatMap((lock) => [sequential(lock, PATHS.flat, ', flat'), sequential(lock, PATHS['depth 3'], ', depth 3')]),
  ]
  await time(one, effort, timings)
  await time([...plain, ...peers, ...own].map(inFlight), { ...effort, sliceMs: 50 }, timings)
  await amongOthers(port, clients, smoke ? 100 : OTHERS, effort, timings)
  await unwarned(() => besideWaiters(clients, smoke ? 100 : WAITERS, effort, timings))
  const server = await serverCosts(clients, one, smoke ? 2 : 1_000)
  const contenders = [BARE_PUSH, ...[...own, ...peers].map(labelled)]
  const contention = await contend(port, contenders, { processes: smoke ? 3 : PROCESSES, rounds: smoke ? 1 : 7, ms: smoke ? 100 : 700 })
  const ours = contention.get('Holdfast, node-redis')!
  const vs = (library: Library, name: string, kind = ''): number => timings.ratio(`SET NX, ${library}${kind}`, `${name}, ${library}${kind}`)
  return {
    figures: {
      flat_vs_setnx_seq: timings.ratio('SET NX, node-redis', 'Holdfast, node-redis, flat'),
      depth3_vs_setnx_seq: timings.ratio('SET NX, node-redis', 'Holdfast, node-redis, depth 3'),
      depth3_vs_setnx_100: vs('node-redis', 'Holdfast', `, ${IN_FLIGHT} in flight`),
      held_1e5_vs_0: timings.ratio('many paths, others held', 'many paths, none held'),
      queue_1e4_vs_0: timings.ratio('a path, others wait', 'a path, nobody waits'),
      queue_1e4_turn_vs_2: timings.ratio('a turn, long line', 'a turn, two in line'),
      handoff_p50_ms: typical(ours, 'handoffs', 0.5),
      handoff_p99_ms: typical(ours, 'handoffs', 0.99),
      handoff_vs_bare_push: typical(ours, 'handoffs', 0.5) / typical(contention.get(BARE_PUSH)!, 'handoffs', 0.5),
      longest_run: longestRun(ours),
      ioredis_flat_vs_setnx_seq: timings.ratio('SET NX, ioredis', 'Holdfast, ioredis, flat'),
      ioredis_depth3_vs_setnx_seq: timings.ratio('SET NX, ioredis', 'Holdfast, ioredis, depth 3'),
      ioredis_depth3_vs_setnx_100: vs('ioredis', 'Holdfast', `, ${IN_FLIGHT} in flight`),
      ...Object.fromEntries(
        peers.flatMap(({ name, library }) => [
          [`${identifier(name)}_vs_setnx_seq`, vs(library, name)],
          [`${identifier(name)}_vs_setnx_100`, vs(library, name, `, ${IN_FLIGHT} in flight`)],
        ]),
      ),
    },
    notes: {
      machine: machine(),
      node: process.version,
      redis_server: await serverVersion(clients),
      peers: versions('redis', 'ioredis', 'redlock', 'redis-semaphore', 'simple-redis-mutex'),
      median_ns: timings.medians(),
      spread: timings.spreads(),
      server_us_per_pair: server,
      contention: Object.fromEntries([...contention].map(([lock, rounds]) => [lock, summary(rounds)])),
      distributions: Object.fromEntries([...contention].flatMap(([lock, rounds]) => handoffs(lock, rounds))),
      remarks: [],
    },
  }
}

/** A lock taken and given back, one pair after the other. */
function sequential(lock: RedisLock, path: string, kind = ''): Case {
  return {
    name: labelled(lock) + kind,
    async run(times) {
      for (let i = 0; i < times; i++) {
        const release = await lock.take(path)
        await release()
      }
    },
  }
}

/** The same by many tasks of this process at once, on paths of their own. */
function inFlight(lock: RedisLock): Case {
  const work = async (path: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const release = await lock.take(path)
      await release()
    }
  }
  return {
    name: `${labelled(lock)}, ${IN_FLIGHT} in flight`,
    size: IN_FLIGHT,
    async run(times) {
      await Promise.all(Array.from({ length: IN_FLIGHT }, (_, task) => work(`/studies/mouse-7/session-${task}`, times)))
    },
  }
}

async function amongOthers(port: number, clients: Clients, count: number, effort: Effort, timings: Timings): Promise<void> {
  const path = (i: number, kind: string): string => `/group-${i % 100}/part-${i % 7}/${kind}-${i}`
  const free = Array.from({ length: SPREAD }, (_, i) => path(i, 'free'))
  const holder = await RedisClientProcess.start(port)
  try {
    await holder.tell({ do: 'hold', space: 'held', paths: Array.from({ length: count }, (_, i) => path(i, 'held')) })
    const inTurn = async (name: string, space: string): Promise<Case> => {
      const locks = await lockSpace(clients, 'node-redis', space)
      return {
        name,
        async run(times) {
          for (let i = 0; i < times; i++) {
            const lease = await locks.write(free[i % SPREAD]!)
            await lease.release()
          }
        },
      }
    }
    // A small difference between two cases: many rounds.
    const cases = [await inTurn('many paths, none held', 'none-held'), await inTurn('many paths, others held', 'held')]
    await time(cases, { ...effort, rounds: 101 }, timings)
  } finally {
    await holder.end()
  }
}

async function besideWaiters(clients: Clients, waiters: number, effort: Effort, timings: Timings): Promise<void> {
  const spaces = await Promise.all(['short-line', 'long-line', 'no-line'].map((space) => lockSpace(clients, 'node-redis', space)))
  const [short, long, none] = spaces as [LockSpace, LockSpace, LockSpace]
  try {
    const two = await Line.form(short, '/studies/mouse-7/busy', 2)
    const many = await Line.form(long, '/studies/mouse-7/busy', waiters)
    const free = (name: string, space: LockSpace): Case => sequential({ ...holdfast(space, 'node-redis'), name }, PATHS['depth 3'])
    const cases = [
      { ...free('free', none), name: 'a path, nobody waits' },
      { ...free('free', long), name: 'a path, others wait' },
      { name: 'a turn, two in line', run: (times: number) => two.turns(times) },
      { name: 'a turn, long line', run: (times: number) => many.turns(times) },
    ]
    await time(cases, effort, timings)
  } finally {
    await Promise.all(spaces.map((space) => space.close({ timeout: 0 })))
  }
}

/** Processor time of the server for one pair, in microseconds. */
async function serverCosts({ ioredis }: Clients, cases: readonly Case[], times: number): Promise<Record<string, unknown>> {
  const costs: Record<string, unknown> = {}
  for (const { name, run } of cases) {
    await ioredis.config('RESETSTAT')
    const before = await serverTime(ioredis)
    await run(times)
    const after = await serverTime(ioredis)
    costs[name] = { all: rounded((after.all - before.all) / times), commands: rounded((after.commands - before.commands) / times) }
  }
  return costs
}

async function serverTime(client: Clients['ioredis']): Promise<{ all: number; commands: number }> {
  const [cpu, stats] = await Promise.all([client.info('cpu'), client.info('commandstats')])
  const sum = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0)
  // What a script calls is part of the script's own time, but for SET, which only the plain lock sends, no script of ours or of the peers.
  return {
    all: 1e6 * sum(cpu, /^used_cpu_(?:sys|user)_main_thread:([\d.]+)/gm),
    commands: sum(stats, /^cmdstat_(?:set|incr|evalsha|eval):calls=\d+,usec=(\d+)/gm),
  }
}

async function serverVersion({ ioredis }: Clients): Promise<string> {
  return /^redis_version:(.*)$/m.exec(await ioredis.info('server'))?.[1]?.trim() ?? 'unknown'
}

function summary(rounds: readonly Round[]): Record<string, number> {
  return {
    turns: rounds.reduce((sum, { waits }) => sum + waits.length, 0),
    handoff_p50_ms: rounded(typical(rounds, 'handoffs', 0.5)),
    handoff_p99_ms: rounded(typical(rounds, 'handoffs', 0.99)),
    longest_run: longestRun(rounds),
    wait_p50_ms: rounded(typical(rounds, 'waits', 0.5)),
    longest_wait_ms: rounded(Math.max(...rounds.flatMap(({ waits }) => waits))),
  }
}

/** None where it never went from one process to another. */
function handoffs(lock: string, rounds: readonly Round[]): [string, Distribution][] {
  const all = rounds.flatMap((round) => round.handoffs.map((ms) => ms * 1e6))
  return all.length === 0 ? [] : [[lock, distribution(all)]]
}

function longestRun(rounds: readonly Round[]): number {
  return Math.max(...rounds.map((round) => round.longestRun))
}

function labelled({ name, library }: Pick<RedisLock, 'name' | 'library'>): string {
  return `${name}, ${library}`
}

function identifier(name: string): string {
  return name.replace(/\W+/g, '_')
}

function versions(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]))
}
