// SPDX-License-Identifier: MIT
// Everything that can go wrong goes wrong, at random and at once, while an oracle watches.
import { expect, onTestFinished, test } from 'vitest'
import type { TcpProxy } from '../support/proxy.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { zooKeeperProxy } from './proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, emptied, ephemerals, openSpace } from './spaces.ts'
import { LAST_MS, Log, Worker } from './workers.ts'

const WORKERS = 4
const LEASE_MS = 800
const SECONDS = scaled(6, 4)

const seed = freshSeed()
const random = generator(seed)
const upTo = (most: number): number => random() % most
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** Shorter than the lease, or longer. */
const aWhile = (): number => (upTo(2) === 0 ? 50 + upTo(LEASE_MS / 2) : LEASE_MS + upTo(LEASE_MS))

/** A worker, and what it is connected through. */
interface Victim {
  readonly worker: Worker
  readonly proxy: TcpProxy
}

type Fault = (server: ZooKeeperServer, victim: Victim) => Promise<void>

/** Each with how often it comes. One takes as long as the fault lasts. */
const FAULTS: Readonly<Record<string, readonly [number, Fault]>> = {
  'a process is killed': [4, (_, { worker }) => worker.replace()],
  'a process is stopped': [
    4,
    async (_, { worker }) => {
      worker.signal('SIGSTOP')
      await pause(aWhile())
      worker.signal('SIGCONT')
    },
  ],
  'a connection is cut': [6, async (_, { proxy }) => proxy.cut()],
  'a process cannot connect': [
    3,
    async (_, { proxy }) => {
      proxy.refuse()
      await pause(aWhile())
      proxy.accept()
    },
  ],
  'a connection hangs': [
    4,
    async (_, { proxy }) => {
      proxy.freeze()
      await pause(aWhile())
      if (upTo(3) === 0) proxy.cut()
      proxy.thaw()
    },
  ],
  'the server stands still': [
    2,
    async (server) => {
      await server.pause()
      await pause(aWhile())
      server.resume()
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

test.each(['first-come', 'writers'] as const)(
  'whatever happens to processes, connections and the server, no two incompatible leases are ever valid at once, and nothing is left locked (%s)',
  async (prefer) => {
    const server = await startZooKeeper()
    onTestFinished(() => server.stop())
    const root = aRoot()
    const log = new Log(seed, random)
    const victims: Victim[] = []
    try {
      for (let i = 0; i < WORKERS; i++) {
        const proxy = await zooKeeperProxy(server.port)
        victims.push({ proxy, worker: new Worker({ servers: `127.0.0.1:${proxy.port}`, root, prefer, leaseMs: LEASE_MS }, log) })
      }
      const workers = victims.map(({ worker }) => worker)
      await Promise.all(workers.map((worker) => worker.open()))
      const underWay = new Set<Promise<void>>()
      const end = performance.now() + SECONDS * 1000
      while (performance.now() < end) {
        await pause(20 + upTo(300))
        const name = LOT[upTo(LOT.length)]!
        log.fault(name)
        const fault = FAULTS[name]![1](server, victims[upTo(victims.length)]!)
        // These come one at a time.
        if (/the server/.test(name)) await fault
        else {
          underWay.add(fault)
          void fault.finally(() => underWay.delete(fault))
        }
      }
      await Promise.all(underWay)
      const grants = await log.conclude(workers)
      expect(grants).toBeGreaterThan(SECONDS)
      await emptied(server, root, 10 * LEASE_MS)
      const locks = await openSpace(server.address, { root })
      expect(await locks.inspect()).toMatchObject({ holders: [], waiters: [], silent: [] })
      await (await locks.write('/', { timeout: 5_000 })).release()
      await locks.close()
      expect(await ephemerals(server, root)).toEqual([])
      log.forget()
    } finally {
      log.close(victims.map(({ worker }) => worker))
      for (const { proxy } of victims) await proxy.close()
    }
  },
  SECONDS * 1000 + LAST_MS + 60_000,
)
