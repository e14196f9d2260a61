// SPDX-License-Identifier: MIT
// What a lock costs against the depth of its path on every engine, against the locks that others hold, and against those that wait.
import { join } from 'node:path'
import { LockSpace } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import { startRedis } from '../test/redis/server.ts'
import { startZooKeeper } from '../test/zookeeper/server.ts'
import { Client, closeAll, open, temporaryFolder } from './clients.ts'
import { type Case, type Effort, machine, type Outcome, type Suite, Timings, time } from './harness.ts'
import { Line, unwarned } from './line.ts'
import { BESIDE_LINE, type Curve, curvesIn, IN_LINE, pointOf } from './pages/curves.ts'
import { connectBoth, lockSpace } from './redis-peers.ts'

const DEPTHS = [1, 2, 3, 5, 8, 13, 20]
const HELD_IN_MEMORY = [1, 10, 100, 1_000, 10_000, 100_000]
const HELD_IN_FILES = [1, 10, 100, 1_000, 10_000]
const WAITING = [1, 10, 100, 1_000, 10_000]
/** Largest number in a run that only sees whether it runs. */
const SMOKE_MOST = 100
/** Free paths that are taken in turn beside others. */
const SPREAD = 64

/** By figure, the line of a curve: what it costs at its end over what it costs at its beginning. */
const ENDS: Readonly<Record<string, readonly [Curve, string]>> = {
  memory_depth_20_vs_1: ['depth', 'memory'],
  file_depth_20_vs_1: ['depth', 'file'],
  redis_depth_20_vs_1: ['depth', 'redis'],
  zookeeper_depth_20_vs_1: ['depth', 'zookeeper'],
  memory_held_1e5_vs_1: ['held', 'memory'],
  file_held_1e4_vs_1: ['held', 'file'],
  memory_waiters_1e4_vs_1: ['waiters', BESIDE_LINE],
  memory_turn_1e4_vs_1: ['waiters', IN_LINE],
}

export const curves: Suite = {
  name: 'curves',
  targets: {},
  async run(smoke) {
    try {
      return await measure(smoke)
    } finally {
      await closeAll()
    }
  },
}

async function measure(smoke: boolean): Promise<Outcome> {
  const effort: Effort = { rounds: 31, sliceMs: 8, smoke }
  const server: Effort = { rounds: 15, sliceMs: 40, smoke }
  const most = smoke ? SMOKE_MOST : Number.POSITIVE_INFINITY
  const upTo = (numbers: readonly number[]): readonly number[] => numbers.filter((number) => number <= most)
  const timings = new Timings()
  await time(atDepths('memory', new LockSpace()), effort, timings)
  await time(besideHeldInMemory(upTo(HELD_IN_MEMORY)), effort, timings)
  await unwarned(() => besideWaiters(upTo(WAITING), effort, timings))
  const folder = temporaryFolder()
  await time(atDepths('file', open(join(folder, 'depths'))), effort, timings)
  await besideHeldInFiles(folder, upTo(HELD_IN_FILES), effort, timings)
  await onRedis(server, timings)
  await onZooKeeper(server, timings)
  return outcome(timings)
}

function atDepths(engine: string, space: LockSpace): Case[] {
  const path = (depth: number): string => Array.from({ length: depth }, (_, i) => `/level-${i}`).join('')
  return DEPTHS.map((depth) => pairs(pointOf('depth', engine, depth), space, [path(depth)]))
}

/** Half of the others are readers. */
function besideHeldInMemory(counts: readonly number[]): Case[] {
  return counts.map((count) => {
    const space = new LockSpace()
    for (const [i, path] of others(count).entries()) {
      const lease = i % 2 === 0 ? space.tryReadSync(path) : space.tryWriteSync(path)
      if (lease === null) throw new Error(`${path} was busy.`)
    }
    return pairs(pointOf('held', 'memory', count), space, others(SPREAD, 'free'))
  })
}

async function besideHeldInFiles(folder: string, counts: readonly number[], effort: Effort, timings: Timings): Promise<void> {
  const holders: Client[] = []
  try {
    const cases: Case[] = []
    for (const count of counts) {
      const directory = join(folder, `held-${count}`)
      const holder = await Client.start(directory)
      holders.push(holder)
      await holder.tell({ do: 'hold', paths: others(count) })
      cases.push(pairs(pointOf('held', 'file', count), open(directory), others(SPREAD, 'free')))
    }
    await time(cases, effort, timings)
  } finally {
    await Promise.all(holders.map((holder) => holder.end()))
  }
}

/** A sibling of the path for which they wait; and a turn among them. */
async function besideWaiters(counts: readonly number[], effort: Effort, timings: Timings): Promise<void> {
  const spaces: LockSpace[] = []
  try {
    const cases: Case[] = []
    for (const count of counts) {
      const space = new LockSpace()
      spaces.push(space)
      const line = await Line.form(space, '/studies/mouse-7/busy', count + 1)
      cases.push(pairs(pointOf('waiters', BESIDE_LINE, count), space, ['/studies/mouse-7/free']))
      cases.push({ name: pointOf('waiters', IN_LINE, count), run: (times) => line.turns(times) })
    }
    await time(cases, effort, timings)
  } finally {
    await Promise.all(spaces.map((space) => space.close({ timeout: 0 })))
  }
}

async function onRedis(effort: Effort, timings: Timings): Promise<void> {
  const server = await startRedis()
  try {
    const clients = await connectBoth(server.port)
    const space = await lockSpace(clients, 'node-redis', 'depths')
    await time(atDepths('redis', space), effort, timings)
    await space.close()
    await clients.close()
  } finally {
    await server.stop()
  }
}

async function onZooKeeper(effort: Effort, timings: Timings): Promise<void> {
  const server = await startZooKeeper({ forceSync: true, tickTime: 2_000, heapMegabytes: 512 })
  try {
    const space = new LockSpace(await zookeeperBackend({ servers: server.address, root: '/depths', lease: 20_000 }))
    await time(atDepths('zookeeper', space), effort, timings)
    await space.close()
  } finally {
    await server.stop()
  }
}

/** Taken and given back, one pair after the other, on these paths in turn. */
function pairs(name: string, space: LockSpace, paths: readonly string[]): Case {
  return {
    name,
    async run(times) {
      for (let i = 0; i < times; i++) {
        const lease = await space.write(paths[i % paths.length]!)
        await lease.release()
      }
    },
  }
}

/** They share their ancestors with others of another kind. */
function others(count: number, kind = 'held'): string[] {
  return Array.from({ length: count }, (_, i) => `/group-${i % 16}/part-${(i >> 4) % 64}/${kind}-${i}`)
}

function outcome(timings: Timings): Outcome {
  const medians = timings.medians()
  const figures = Object.entries(ENDS).map(([id, [curve, line]]): [string, number] => {
    const numbers = Object.keys(curvesIn(medians)[curve]![line]!).map(Number)
    return [id, timings.ratio(pointOf(curve, line, Math.max(...numbers)), pointOf(curve, line, Math.min(...numbers)))]
  })
  return {
    figures: Object.fromEntries(figures),
    notes: { machine: machine(), node: process.version, peers: {}, median_ns: medians, spread: timings.spreads(), remarks: [] },
  }
}
