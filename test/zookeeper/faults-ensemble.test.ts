// SPDX-License-Identifier: MIT
// Servers of an ensemble die, stand still and come back, and sessions move between them.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './ensemble.ts'
import type { ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, ephemerals, openSpace, standing } from './spaces.ts'
import { LAST_MS, Log, Worker } from './workers.ts'

/** Long enough for an election where other things run. */
const LONG_MS = 20_000
const SHORT_MS = 1_500
const WAIT = { timeout: 40_000 }

let ensemble: ZooKeeperEnsemble
beforeAll(async () => {
  ensemble = await startEnsemble(3, { observers: 1 })
}, patience(40_000))
// What one test leaves down is up for the next.
afterEach(async () => {
  for (const server of ensemble.servers) {
    server.resume()
    if (!server.running) await server.restart()
  }
}, patience(40_000))
afterAll(() => ensemble.stop())

/** The server that the only user of a space is connected to. */
async function serverOf(root: string): Promise<ZooKeeperServer> {
  const member = (await ephemerals(await ensemble.leader(), root)).find((path) => path.startsWith('/members/'))
  for (const server of ensemble.servers)
    if (server.running && (await server.words('cons')).includes(`sid=0x${member!.split('/')[2]}`)) return server
  throw new Error('It is connected to none of them.')
}

const aWait = 90_000

describe('In an ensemble', () => {
  test(
    'what is held stays held, and what waits is served in its order, when the leader is killed',
    async () => {
      const root = aRoot()
      const options = { root, lease: LONG_MS }
      const [one, two] = [await openSpace(ensemble.addresses, options), await openSpace(ensemble.addresses, options)]
      const [lease, kept] = [await one.write('/a/b'), await two.read('/c')]
      const waiting = two.write('/a', WAIT)
      const leader = await ensemble.leader()
      await standing(leader, root, 2, '/a')
      await leader.kill()
      const next = await ensemble.leader()
      // A request that comes meanwhile may have to wait, and is given all the same.
      await (await two.write('/d', WAIT)).release()
      await becomes(lease, 'held', aWait)
      expect(await isPending(waiting)).toBe(true)
      await lease.release()
      const later = await waiting
      expect(later.token).toBeGreaterThan(lease.token)
      await becomes(kept, 'held', aWait)
      await Promise.all([later.release(), kept.release()])
      await emptied(next, root)
      await leader.restart()
      await ensemble.ready()
    },
    aWait,
  )

  test(
    'a session moves on when its server is killed, and again when the next one stands still',
    async () => {
      const root = aRoot()
      const one = await openSpace(ensemble.addresses, { root, lease: LONG_MS })
      const lease = await one.write('/a')
      const first = await serverOf(root)
      await first.kill()
      await becomes(lease, 'suspended', aWait)
      await becomes(lease, 'held', aWait)
      await first.restart()
      await ensemble.ready()
      const second = await serverOf(root)
      await second.pause()
      await becomes(lease, 'suspended', aWait)
      await becomes(lease, 'held', aWait)
      second.resume()
      await ensemble.ready()
      await lease.downgrade()
      const other = await openSpace(ensemble.addresses, { root })
      await (await other.read('/a', WAIT)).release()
      expect(await other.tryWrite('/a')).toBeNull()
      await lease.release()
      await emptied(await ensemble.leader(), root)
    },
    aWait,
  )

  test(
    'without a majority everything is lost by the holders’ own clocks, and with it all goes on',
    async () => {
      const root = aRoot()
      const options = { root, lease: SHORT_MS, connectTimeout: 60_000 }
      const [one, two] = [await openSpace(ensemble.addresses, options), await openSpace(ensemble.addresses, options)]
      const lease = await one.write('/a')
      const waiting = two.write('/a', WAIT)
      await standing(await ensemble.leader(), root, 2, '/a')
      const down = ensemble.servers.slice(0, 2)
      await Promise.all(down.map((server) => server.kill()))
      await becomes(lease, 'lost')
      expect(await isPending(waiting)).toBe(true)
      await Promise.all(down.map((server) => server.restart()))
      await ensemble.ready()
      const next = await waiting
      expect(next.valid).toBe(true)
      expect(next.token).toBeGreaterThan(lease.token)
      await next.release()
      await (await one.write('/a', WAIT)).release()
      await emptied(await ensemble.leader(), root, 10_000)
    },
    aWait,
  )

  test(
    'a leader that stands still is replaced, and takes nothing with it',
    async () => {
      const root = aRoot()
      const options = { root, lease: LONG_MS }
      const leader = await ensemble.leader()
      // Those who are connected to the one that stands still, and those who are not.
      const [one, two] = [await openSpace(leader.address, options), await openSpace(ensemble.addresses, options)]
      const other = (await ensemble.followers())[0]!
      const [stuck, lease] = [await one.write('/a'), await two.write('/b')]
      await leader.pause()
      expect((await ensemble.leader()) === leader).toBe(false)
      const next = await openSpace(other.address, { root, lease: LONG_MS, connectTimeout: 30_000 })
      expect(await next.tryWrite('/a')).toBeNull()
      expect(await next.tryWrite('/b')).toBeNull()
      leader.resume()
      await becomes(lease, 'held', aWait)
      await becomes(stuck, 'held', aWait)
      await Promise.all([stuck.release(), lease.release()])
      await (await next.write('/', WAIT)).release()
      await ensemble.ready()
      await emptied(await ensemble.leader(), root)
    },
    aWait,
  )

  test(
    'an observer serves as well as any',
    async () => {
      const root = aRoot()
      const [observer] = ensemble.observers
      const [one, two] = [await openSpace(observer!.address, { root }), await openSpace(ensemble.servers[0]!.address, { root })]
      const lease = await one.write('/a')
      const waiting = two.read('/a/b', WAIT)
      await standing(await ensemble.leader(), root, 2, '/a')
      const again = one.write('/a', WAIT)
      await standing(await ensemble.leader(), root, 3, '/a')
      await lease.downgrade()
      const reader = await waiting
      expect(await isPending(again)).toBe(true)
      await Promise.all([lease.release(), reader.release()])
      await (await again).release()
      await emptied(observer!, root)
    },
    aWait,
  )
})

const SECONDS = scaled(8, 6)
const WORKERS = 4
const LEASE_MS = 2_000

test(
  'Whatever happens to processes and servers of an ensemble, no two incompatible leases are ever valid at once, and nothing is left locked',
  async () => {
    const root = aRoot()
    const seed = freshSeed()
    const random = generator(seed)
    const upTo = (most: number): number => random() % most
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
    const aWhile = (): number => (upTo(2) === 0 ? 100 + upTo(LEASE_MS / 2) : LEASE_MS + upTo(LEASE_MS))
    const log = new Log(seed, random)
    const place = { servers: ensemble.addresses, root, leaseMs: LEASE_MS }
    const workers = Array.from({ length: WORKERS }, () => new Worker({ ...place, prefer: 'first-come' }, log))
    onTestFinished(() => log.close(workers))
    const someone = (): Worker => workers[upTo(WORKERS)]!
    const any = (): ZooKeeperServer => ensemble.servers[upTo(ensemble.servers.length)]!
    const stops = async (server: ZooKeeperServer): Promise<void> => {
      await server.pause()
      await pause(aWhile())
      server.resume()
    }
    const dies = async (...servers: readonly ZooKeeperServer[]): Promise<void> => {
      await Promise.all(servers.map((server) => server.kill()))
      await pause(aWhile())
      await Promise.all(servers.map((server) => server.restart()))
      await ensemble.ready()
    }
    type Faults = Readonly<Record<string, () => Promise<void>>>
    const toProcesses: Faults = {
      'a process is killed': () => someone().replace(),
      'a process is stopped': async () => {
        const worker = someone()
        worker.signal('SIGSTOP')
        await pause(aWhile())
        worker.signal('SIGCONT')
      },
    }
    const toServers: Faults = {
      'a server stands still': () => stops(any()),
      'the leader stands still': async () => stops(await ensemble.leader()),
      'a server is killed': () => dies(any()),
      'the leader is killed': async () => dies(await ensemble.leader()),
      'two servers are killed': () => dies(ensemble.servers[0]!, ensemble.servers[1]!),
    }
    await Promise.all(workers.map((worker) => worker.open()))
    const end = performance.now() + SECONDS * 1000
    const harm = async (faults: Faults, restMs: number): Promise<void> => {
      const names = Object.keys(faults)
      while (performance.now() < end) {
        await pause(restMs + upTo(1_000))
        const name = names[upTo(names.length)]!
        log.fault(name)
        await faults[name]!()
      }
    }
    // Each new leader gives the sessions of the dead their whole time again: without a rest nobody would ever be let in.
    await Promise.all([harm(toProcesses, 0), harm(toServers, LEASE_MS)])
    await ensemble.ready()
    expect(await log.conclude(workers)).toBeGreaterThan(SECONDS)
    const leader = await ensemble.leader()
    await emptied(leader, root, 10 * LEASE_MS)
    const locks = await openSpace(leader.address, { root })
    expect(await locks.inspect()).toMatchObject({ holders: [], waiters: [], silent: [] })
    await locks.close()
    expect(await ephemerals(leader, root)).toEqual([])
    log.forget()
  },
  SECONDS * 1000 + LAST_MS + 120_000,
)
