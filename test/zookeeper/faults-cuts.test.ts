// SPDX-License-Identifier: MIT
// The connection is cut at each step of each operation: it is done once, or it fails, and never is there a place in a queue that nobody knows of.
import { type Claim, isLockError, type Lease, type LockRequest, LockSpace, type Preference } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { exclude } from '../../src/core/inspection.ts'
import { readingPartOf } from '../../src/core/mode.ts'
import { CUTS, type Cut, type TcpProxy } from '../support/proxy.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { type Operation, requestTo, zooKeeperProxy } from './proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, leftIn, openSpace, standing } from './spaces.ts'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

const LEASE_MS = 20_000
const SECONDS = scaled(3)
const SHARED = { 'first-come': aRoot(), writers: aRoot() }
const WAIT = { timeout: 15_000 }
/** No operation takes more messages. */
const MOST_STEPS = 40

interface Stage {
  readonly root: string
  readonly proxy: TcpProxy
  /** Connected through the proxy. */
  readonly victim: LockSpace
  /** Connected to the server itself. */
  readonly other: LockSpace
}

async function stage(prefer: Preference = 'first-come', root: string = aRoot()): Promise<Stage> {
  const proxy = await zooKeeperProxy(server.port)
  onTestFinished(() => proxy.close())
  const victim = await openSpace(proxy.port, { root, prefer, lease: LEASE_MS })
  const other = await openSpace(server.address, { root, lease: LEASE_MS })
  return { root, proxy, victim, other }
}

/** What is done, in two parts: the trap is set between them. The second part answers what was granted. */
type Play = (here: Stage) => Promise<() => Promise<readonly (Lease | null)[]>>

/** Plays it again and again, and cuts at the first message of the second part, then at the second one, until it ends before the cut. */
async function cutEverywhere(here: Stage, cut: Cut, play: Play): Promise<void> {
  for (let step = 1; ; step++) {
    expect(step).toBeLessThan(MOST_STEPS)
    const act = await play(here)
    let [messages, sprung] = [0, false]
    void here.proxy
      .cutAt(() => ++messages === step, cut)
      .then(() => {
        sprung = true
      })
    const granted = (await act()).filter((lease) => lease !== null)
    void here.proxy.cutAt(() => false, cut)
    for (const lease of granted) {
      await becomes(lease, 'held')
      await lease.release()
    }
    await emptied(server, here.root)
    if (!sprung) return
    // The next round begins with a connection.
    await (await here.victim.read('/calm', WAIT)).release()
  }
}

/** So many own tickets, and not one more. */
async function hasOnePlace({ root, other }: Stage, key: string): Promise<void> {
  await standing(server, root, 1, key)
  expect(await other.tryRead(key)).toBeNull()
}

const PLAYS: Readonly<Record<string, Play>> = {
  'a lock is asked for that is free': async (here) => async () => {
    const lease = await here.victim.write('/a/b', WAIT)
    await hasOnePlace(here, '/a/b')
    return [lease]
  },
  'a lock is tried': async (here) => async () => {
    const lease = await here.victim.tryWrite('/a/b')
    await hasOnePlace(here, '/a/b')
    return [lease]
  },
  'a lock is tried that is held': async (here) => {
    const held = await here.other.write('/a')
    return async () => {
      expect(await here.victim.tryWrite('/a/b')).toBeNull()
      return [held]
    }
  },
  'a lock is waited for and comes free': async (here) => {
    const held = await here.other.write('/a')
    return async () => {
      const waiting = here.victim.write('/a/b', WAIT)
      await standing(server, here.root, 1, '/a/b')
      await held.release()
      const lease = await waiting
      expect(lease.token).toBeGreaterThan(held.token)
      await hasOnePlace(here, '/a/b')
      return [lease]
    }
  },
  'a holder that is waited for comes down to reading': async (here) => {
    const held = await here.other.lock({ write: ['/a', '/c'] })
    return async () => {
      const waiting = here.victim.lock({ read: '/a/b', write: '/d' }, WAIT)
      await standing(server, here.root, 1, '/a/b')
      await held.downgrade()
      return [held, await waiting]
    }
  },
  'several locks are asked for that share what is above them': async (here) => {
    const [first, before] = [await here.victim.write('/a/0'), await here.other.read('/b/x')]
    return async () => {
      const asked = [here.victim.write('/a/1', WAIT), here.victim.write(['/a/2', '/a/c/d'], WAIT), here.victim.write('/b', WAIT)]
      await standing(server, here.root, 2, '/b')
      await before.release()
      return [first, ...(await Promise.all(asked))]
    }
  },
  'a lock is asked for behind somebody who waits for what its process shares': async (here) => {
    const first = await here.victim.write('/a/0')
    const waiting = here.other.read('/a', WAIT)
    await standing(server, here.root, 2, '/a')
    return async () => {
      const asked = here.victim.write('/a/1', WAIT)
      await standing(server, here.root, 1, '/a/1')
      await first.release()
      await (await waiting).release()
      return [await asked]
    }
  },
  'a lock is given back': async (here) => {
    const leases = [await here.victim.write('/a/b'), await here.victim.read('/a/c')]
    const waiting = here.other.write('/a', WAIT)
    await standing(server, here.root, 3, '/a')
    return async () => {
      await Promise.all(leases.map((lease) => lease.release()))
      return [await waiting]
    }
  },
  'a lease is weakened': async (here) => {
    const lease = await here.victim.lock({ write: ['/a/b', '/c'], read: '/d' })
    return async () => {
      await lease.downgrade()
      const beside = await here.other.read(['/a', '/c'], WAIT)
      expect(await here.other.tryWrite('/c')).toBeNull()
      return [lease, beside]
    }
  },
  'a request is given up': async (here) => {
    const held = await here.other.write('/a')
    const abort = new AbortController()
    const waiting = here.victim.write('/a/b', { signal: abort.signal })
    await standing(server, here.root, 1, '/a/b')
    const behind = here.other.read('/a/b', WAIT)
    await standing(server, here.root, 2, '/a/b')
    return async () => {
      abort.abort('changed my mind')
      await expect(waiting).rejects.toBe('changed my mind')
      await held.release()
      return [await behind]
    }
  },
}

describe.each(CUTS)('A connection that is cut %s', (cut) => {
  test.each(Object.keys(PLAYS))('while %s, at any message, leaves everything in order', async (what) => {
    await cutEverywhere(await stage(), cut, PLAYS[what]!)
  })

  test('while a reader stands aside for writers, at any message, leaves everything in order', async () => {
    await cutEverywhere(await stage('writers'), cut, async (here) => {
      const held = await here.other.read('/a')
      const writing = here.other.write('/a', WAIT)
      await standing(server, here.root, 4)
      return async () => {
        const reading = here.victim.read('/a/b', WAIT)
        await held.release()
        const writer = await writing
        await writer.release()
        return [await reading]
      }
    })
  })

  test.each(['connect', 'getData', 'multi'] as const)(
    'while a space is opened, at its %s: it opens, and is in nobody’s way',
    async (at) => {
      const { proxy, other, root } = await stage()
      const happened = proxy.cutAt(requestTo(at), cut)
      const opened = new LockSpace(await zookeeperBackend({ servers: `127.0.0.1:${proxy.port}`, root, lease: LEASE_MS }))
      await happened
      await (await opened.write('/a')).release()
      await opened.close()
      await (await other.write('/', WAIT)).release()
      await emptied(server, root)
    },
  )

  test('while a space is closed: what it held goes with its session', async () => {
    const { proxy, victim, other, root } = await stage()
    const lease = await victim.write('/a')
    await victim.write('/b')
    const happened = proxy.cutAt(requestTo('closeSession'), cut)
    await Promise.all([victim.close({ timeout: 0 }), happened])
    expect(lease.state).toBe('lost')
    await (await other.write('/', WAIT)).release()
    await emptied(server, root)
  })
})

test.each(['multi', 'multiRead'] as const)(
  'A request that was given up while its %s was on the way leaves nothing behind',
  async (which: Operation) => {
    for (const cut of CUTS) {
      const { proxy, victim, other, root } = await stage()
      let failed: Promise<unknown> = Promise.resolve()
      proxy.hold(requestTo(which, '%2Fa'), () => failed)
      const happened = proxy.cutAt(requestTo(which, '%2Fa'), cut)
      failed = expect(victim.write('/a/b', { timeout: 40 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      await Promise.all([failed, happened])
      await (await other.write('/', WAIT)).release()
      await emptied(server, root)
    }
  },
)

test('What was asked for before a session ran out, and arrives afterwards, is no lock that nobody knows of', async () => {
  const proxy = await zooKeeperProxy(server.port)
  onTestFinished(() => proxy.close())
  const root = aRoot()
  const victim = await openSpace(proxy.port, { root, lease: 600, connectTimeout: 5_000 })
  const other = await openSpace(server.address, { root })
  const lease = await victim.write('/a')
  proxy.freeze()
  const late = [victim.write('/b', { timeout: 100 }), victim.tryWrite('/c'), victim.read('/d', { timeout: 30 })]
  const ends = Promise.allSettled(late)
  const next = await other.write('/a', { timeout: 5_000 })
  expect(lease.state).toBe('lost')
  await next.release()
  proxy.thaw()
  const [first, tried, third] = await ends
  expect([first!.status, third!.status]).toEqual(['rejected', 'rejected'])
  if (tried?.status === 'fulfilled') await tried.value?.release()
  else expect(isLockError(tried!.reason, 'LOCK_UNAVAILABLE')).toBe(true)
  await (await other.write('/', WAIT)).release()
  await (await victim.write('/b', WAIT)).release()
  await emptied(server, root)
  expect(await leftIn(server, root)).toEqual([])
})

test.each(['first-come', 'writers'] as const)(
  'Random requests over connections that are cut all the time exclude each other, are all given, and leave nothing behind (%s)',
  async (prefer) => {
    const seed = freshSeed()
    const next = generator(seed)
    const upTo = (most: number): number => next() % most
    const stages = await Promise.all([0, 1, 2].map(() => stage(prefer, SHARED[prefer])))
    const paths = ['/', '/a', '/a/b', '/a/c', '/a/b/d', '/e', '/e/f', '/g/h/i']
    const some = (): string[] => Array.from({ length: 1 + upTo(3) }, () => paths[1 + upTo(paths.length - 1)]!)
    const request = (): LockRequest =>
      [{ read: some() }, { write: some() }, { read: some(), write: some() }, { write: paths[upTo(2)]! }][upTo(4)]!
    const inside = new Map<Lease, readonly Claim[]>()
    const end = performance.now() + SECONDS * 1_000
    let [granted, cuts, highest] = [0, 0, 0n]
    const task = async ({ victim }: Stage): Promise<void> => {
      while (performance.now() < end) {
        const kind = upTo(8)
        const asked = kind === 0 ? victim.tryLock(request()) : victim.lock(request(), { timeout: kind === 1 ? upTo(30) : 20_000 })
        const lease = await asked.catch((error: unknown) => {
          if (kind === 1 && isLockError(error, 'LOCK_TIMEOUT')) return null
          throw error
        })
        if (lease === null) continue
        granted++
        for (const [other, claims] of inside) {
          if (!exclude(claims, lease.claims)) continue
          throw new Error(`${JSON.stringify(lease)} stands beside ${JSON.stringify(other)}`)
        }
        if (lease.write.includes('/')) {
          expect(lease.token).toBeGreaterThan(highest)
        }
        if (lease.token > highest) highest = lease.token
        inside.set(lease, lease.claims)
        if (upTo(3) === 0) await new Promise((resolve) => setTimeout(resolve, upTo(6)))
        if (upTo(4) === 0) {
          const weaker = lease.claims.map(({ key, mode }) => ({ key, mode: readingPartOf(mode) }))
          inside.set(lease, weaker)
          await lease.downgrade()
        }
        inside.delete(lease)
        if (upTo(3) === 0) void lease.release()
        else await lease.release()
      }
    }
    const harm = async ({ proxy }: Stage): Promise<void> => {
      while (performance.now() < end) {
        let messages = 1 + upTo(25)
        const sprung = proxy.cutAt(() => --messages === 0, CUTS[upTo(CUTS.length)]!).then(() => cuts++)
        await Promise.race([sprung, new Promise((resolve) => setTimeout(resolve, 100))])
      }
      void proxy.cutAt(() => false, 'before the request')
    }
    await Promise.all([...stages, ...stages, ...stages].map(task).concat(stages.map(harm))).catch((error: unknown) => {
      throw new Error(`seed ${seed}, ${granted} grants: ${String(error)}`, { cause: error })
    })
    console.log(`${cuts} cuts, ${granted} grants; seed ${seed}`)
    expect(cuts).toBeGreaterThan(10 * SECONDS)
    await emptied(server, SHARED[prefer])
    expect(await stages[0]!.other.inspect()).toMatchObject({ holders: [], waiters: [] })
  },
  SECONDS * 1_000 + 60_000,
)
