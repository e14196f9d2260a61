// SPDX-License-Identifier: MIT
// Locks on a ZooKeeper server of its own, against the plain recipe over the same client: an ephemeral sequential node, the list, the removal.
import { spawnSync } from 'node:child_process'
import { LockSpace } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import type * as Operations from '../src/backends/zookeeper/wire/operations.ts'
import type * as Sessions from '../src/backends/zookeeper/wire/session.ts'
import { startZooKeeper, type ZooKeeperServer } from '../test/zookeeper/server.ts'
import {
  type Case,
  distribution,
  type Effort,
  machine,
  median,
  type Outcome,
  quantile,
  rounded,
  type Suite,
  Timings,
  time,
} from './harness.ts'

const DEPTHS = { 'depth 1': '/a', 'depth 3': '/a/b/c', 'depth 6': '/a/b/c/d/e/f' } as const
const OTHERS = 10_000
const SPREAD = 64
const SESSIONS = 8
const WAITERS = 50

export const zookeeper: Suite = {
  name: 'zookeeper',
  targets: {
    depth1_vs_plain: { atMost: 1 },
    depth3_vs_plain: { atMost: 1.1 },
    depth6_vs_plain: { atMost: 1.25 },
    held_1e4_vs_0: { atMost: 1.2 },
    herd: { atMost: 2 },
  },
  async run(smoke) {
    // As a server is run: an answer means that it is on the disk.
    const server = await startZooKeeper({ forceSync: true, tickTime: 2_000, heapMegabytes: 512 })
    try {
      return await measure(server, smoke)
    } finally {
      await server.stop()
    }
  },
}

async function measure(server: ZooKeeperServer, smoke: boolean): Promise<Outcome> {
  const effort: Effort = { rounds: 31, sliceMs: 60, smoke }
  const timings = new Timings()
  const open = (root: string): Promise<LockSpace> => space(server, root)
  const plain = await plainRecipe(server)
  const alone = await open('/alone')
  await time([plain, ...Object.entries(DEPTHS).map(([name, path]) => pairs(alone, name, [path]))], effort, timings)
  await alone.close()
  await amongOthers(open, smoke ? 50 : OTHERS, effort, timings)
  const handoffs = await contend(open, smoke ? 30 : 2_000)
  const herd = await releaseAmongWaiters(server, open, smoke ? 5 : WAITERS)
  const kazoo = kazooPair(server, smoke ? 5 : 300)
  await plain.close()
  const cost = (name: string): number => timings.ratio(name, 'plain')
  return {
    figures: {
      depth1_vs_plain: cost('depth 1'),
      depth3_vs_plain: cost('depth 3'),
      depth6_vs_plain: cost('depth 6'),
      held_1e4_vs_0: timings.ratio('others held', 'none held'),
      handoff_p50_ms: median(handoffs),
      handoff_p99_ms: quantile(handoffs, 0.99),
      herd,
      kazoo_vs_plain: (kazoo.ms * 1e6) / timings.medians().plain!,
    },
    notes: {
      machine: machine(),
      node: process.version,
      zookeeper: (await server.words('srvr')).split('\n', 1)[0]!,
      peers: { kazoo: kazoo.version },
      median_ns: timings.medians(),
      spread: timings.spreads(),
      kazoo_ns: rounded(kazoo.ms * 1e6),
      distributions: { 'eight sessions': distribution(handoffs.map((ms) => ms * 1e6)) },
      remarks: [],
    },
  }
}

async function space(server: ZooKeeperServer, root: string): Promise<LockSpace> {
  return new LockSpace(await zookeeperBackend({ servers: server.address, root, lease: 20_000 }))
}

async function plainRecipe(server: ZooKeeperServer): Promise<Case & { close(): Promise<void> }> {
  // The client that the backend itself uses, which no entry point exports.
  const wire = new URL('../../dist/backends/zookeeper/wire/', import.meta.url)
  const { ZooKeeperSession } = (await import(new URL('session.js', wire).href)) as typeof Sessions
  const { create, getChildren, PERMISSIONS, remove } = (await import(new URL('operations.js', wire).href)) as typeof Operations
  const quiet = { suspended() {}, resumed() {}, renewed() {}, ended() {} }
  const servers = [{ host: server.host, port: server.port }]
  const session = await ZooKeeperSession.open({ servers, timeoutMs: 20_000, auth: [], openWithinMs: 5_000 }, quiet)
  const acl = [{ perms: PERMISSIONS.all, scheme: 'world', id: 'anyone' }]
  await session.request(create('/plain', 'persistent', acl))
  return {
    name: 'plain',
    async run(times) {
      for (let i = 0; i < times; i++) {
        const path = await session.request(create('/plain/lock-', 'ephemeral-sequential', acl))
        await session.request(getChildren('/plain'))
        await session.request(remove(path))
      }
    },
    close: () => session.close(),
  }
}

/** A lock taken and given back, one pair after the other, on these paths in turn. */
function pairs(locks: LockSpace, name: string, paths: readonly string[]): Case {
  return {
    name,
    async run(times) {
      for (let i = 0; i < times; i++) {
        const lease = await locks.write(paths[i % paths.length]!)
        await lease.release()
      }
    },
  }
}

async function amongOthers(open: (root: string) => Promise<LockSpace>, count: number, effort: Effort, timings: Timings): Promise<void> {
  const path = (i: number, kind: string): string => `/group-${i % 100}/part-${i % 7}/${kind}-${i}`
  const free = Array.from({ length: SPREAD }, (_, i) => path(i, 'free'))
  const [empty, full, other] = await Promise.all([open('/empty'), open('/full'), open('/full')])
  for (let from = 0; from < count; from += 500) {
    await Promise.all(Array.from({ length: Math.min(500, count - from) }, (_, i) => other.write(path(from + i, 'held'))))
  }
  await time([pairs(empty, 'none held', free), pairs(full, 'others held', free)], effort, timings)
  await Promise.all([empty.close(), full.close(), other.close({ timeout: 0 })])
}

/** Milliseconds from just before each release to just after the next grant, where that is another session's. */
async function contend(open: (root: string) => Promise<LockSpace>, turns: number): Promise<number[]> {
  const spaces = await Promise.all(Array.from({ length: SESSIONS }, () => open('/contended')))
  const handoffs: number[] = []
  let left = turns
  let releasedAt = 0
  let last: LockSpace | null = null
  await Promise.all(
    spaces.map(async (locks) => {
      while (left > 0) {
        const lease = await locks.write('/a/b')
        if (last !== null && last !== locks) handoffs.push(performance.now() - releasedAt)
        left--
        last = locks
        releasedAt = performance.now()
        await lease.release()
      }
    }),
  )
  await Promise.all(spaces.map((locks) => locks.close()))
  return handoffs
}

/** Watches fired by the removal of nodes, for each release. */
async function releaseAmongWaiters(server: ZooKeeperServer, open: (root: string) => Promise<LockSpace>, sessions: number): Promise<number> {
  const spaces = await Promise.all(Array.from({ length: sessions }, () => open('/herd')))
  const [first, ...rest] = spaces
  const held = await first!.write('/a/b/c')
  const waiting = rest.map(async (locks) => (await locks.write('/a/b/c')).release())
  const seen = await open('/herd')
  while ((await seen.inspect()).waiters.length < rest.length) await new Promise(setImmediate)
  const fired = async (): Promise<number> => Number((await server.metrics()).zk_sum_node_deleted_watch_count ?? 0)
  const before = await fired()
  await held.release()
  await Promise.all(waiting)
  const herd = ((await fired()) - before) / spaces.length
  await Promise.all([...spaces, seen].map((locks) => locks.close()))
  return herd
}

const KAZOO = `
import sys, time
import kazoo
from kazoo.client import KazooClient
client = KazooClient(sys.argv[1])
client.start()
lock = client.Lock('/kazoo')
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    lock.acquire()
    lock.release()
    times.append(time.perf_counter() - start)
client.stop()
times.sort()
print(times[len(times) // 2] * 1000, kazoo.__version__)
`

function kazooPair(server: ZooKeeperServer, times: number): { readonly ms: number; readonly version: string } {
  const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-c', KAZOO, server.address, String(times)], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`kazoo could not be timed: ${stderr}`)
  const [ms, version] = stdout.trim().split(' ')
  return { ms: Number(ms), version: version! }
}
