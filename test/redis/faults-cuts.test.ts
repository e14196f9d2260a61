// SPDX-License-Identifier: MIT
// The connection is cut at each step of each operation: it is done once, or it fails, and never is there a lock that nobody knows of.
import { isLockError, type Lease, LockSpace } from 'holdfast'
import { redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SCRIPTS, type ScriptName } from '../../src/backends/redis/scripts.ts'
import { isPending } from '../support/pending.ts'
import { CUTS, type Cut, TcpProxy } from '../support/proxy.ts'
import { messageOf } from './messages.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, clientOf, LIBRARIES, type Library, leftIn, openSpace, operator } from './spaces.ts'

let server: RedisServer
let look: Redis

beforeAll(async () => {
  server = await startRedis()
  // So that the server knows the scripts, and is asked for them by their digests.
  const client = new Redis(server.port, '127.0.0.1')
  for (const { source } of Object.values(SCRIPTS)) await client.script('LOAD', source)
  client.disconnect()
})
afterAll(() => server.stop())

interface Stage {
  readonly library: Library
  readonly space: string
  readonly proxy: TcpProxy
  /** Connected through the proxy. */
  readonly victim: LockSpace
  /** Connected to the server itself. */
  readonly other: LockSpace
  /** Cuts the victim's connection when it next calls the script. Resolves when that has happened. */
  cutAt(script: ScriptName): Promise<void>
}

async function stage(library: Library, cut: Cut, lease = 10_000): Promise<Stage> {
  look = await operator(server.port)
  const proxy = await TcpProxy.to(server.port)
  onTestFinished(() => proxy.close())
  const space = aSpace()
  const victim = await openSpace(proxy.port, library, { space, lease })
  const other = await openSpace(server.port, 'ioredis', { space, lease })
  return { library, space, proxy, victim, other, cutAt: (script) => proxy.cutAt(SCRIPTS[script].sha, cut) }
}

/** Ids of the requests that the server knows. */
async function requests({ space }: Stage): Promise<readonly string[]> {
  return (await look.hkeys(`holdfast:{${space}}`)).filter((field) => field.startsWith('r'))
}

/** Resolves when so many requests are at the server. */
async function standing(where: Stage, count: number): Promise<void> {
  const giveUpAt = performance.now() + 10_000
  while ((await requests(where)).length !== count) {
    if (performance.now() > giveUpAt) throw new Error(`There are ${(await requests(where)).length} requests, and not ${count}.`)
  }
}

/** The lease, or null when the request failed as it may when the server cannot be reached. */
async function asked(request: Promise<Lease>): Promise<Lease | null> {
  try {
    return await request
  } catch (error) {
    if (isLockError(error, 'LOCK_UNAVAILABLE')) return null
    throw error
  }
}

/** Everything is free, and nothing is left but what belongs to the space. */
async function ends({ other, space }: Stage): Promise<void> {
  const whole = await other.write('/', { timeout: 3_000 })
  await whole.release()
  // What a client sends again by itself may arrive only now, and goes back when its answer is there.
  const giveUpAt = performance.now() + 5_000
  let left: readonly string[]
  do left = await leftIn(look, space)
  while (left.length > 0 && performance.now() < giveUpAt)
  expect(left).toEqual([])
}

describe.each(LIBRARIES)('With %s, a connection that is cut', (library) => {
  describe.each(CUTS)('%s', (cut) => {
    test('while a lock is asked for that is free: it is granted once, or refused', async () => {
      const here = await stage(library, cut)
      const happened = here.cutAt('acquire')
      const lease = await asked(here.victim.write('/a'))
      await happened
      if (lease !== null) {
        await becomes(lease, 'held')
        expect(await requests(here)).toHaveLength(1)
        expect(await here.other.tryWrite('/a')).toBeNull()
        await lease.release()
      }
      await ends(here)
    })

    test('while a lock is asked for that is held: it comes to its turn once', async () => {
      const here = await stage(library, cut)
      const held = await here.other.write('/a')
      const happened = here.cutAt('acquire')
      const [waiting, tried] = [here.victim.write('/a'), here.victim.tryRead('/a')]
      await happened
      expect(await tried).toBeNull()
      await standing(here, 2)
      expect(await isPending(waiting)).toBe(true)
      await held.release()
      const lease = await waiting
      expect(lease.token).toBeGreaterThan(held.token)
      expect(await requests(here)).toHaveLength(1)
      await lease.release()
      await ends(here)
    })

    test('while a lock is given back: it is free for those who wait', async () => {
      const here = await stage(library, cut)
      const lease = await here.victim.write('/a')
      const waiting = here.other.write('/a', { timeout: 5_000 })
      await standing(here, 2)
      const happened = here.cutAt('release')
      await Promise.all([lease.release(), happened])
      await (await waiting).release()
      await ends(here)
    })

    test('while a request is given up: its place in the line is free', async () => {
      const here = await stage(library, cut)
      const held = await here.other.write('/a')
      const abort = new AbortController()
      const waiting = here.victim.write('/a', { signal: abort.signal })
      await standing(here, 2)
      const behind = here.other.read('/a', { timeout: 5_000 })
      await standing(here, 3)
      const happened = here.cutAt('release')
      abort.abort('changed my mind')
      await expect(waiting).rejects.toBe('changed my mind')
      await happened
      await held.release()
      await (await behind).release()
      await ends(here)
    })

    test('while a request is under way that was given up meanwhile: nothing is left of it', async () => {
      const here = await stage(library, cut)
      let failed: Promise<unknown> = Promise.resolve()
      here.proxy.hold(SCRIPTS.acquire.sha, () => failed)
      const happened = here.cutAt('acquire')
      failed = expect(here.victim.write('/a', { timeout: 50 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      await Promise.all([failed, happened])
      await here.victim.withWrite('/x', () => {})
      await ends(here)
    })

    test('while a lease is weakened: others read, and do not write', async () => {
      const here = await stage(library, cut)
      const lease = await here.victim.write('/a')
      const happened = here.cutAt('downgrade')
      await Promise.all([lease.downgrade(), happened])
      await becomes(lease, 'held')
      const beside = await here.other.read('/a', { timeout: 5_000 })
      expect(await here.other.tryWrite('/a')).toBeNull()
      await Promise.all([beside.release(), lease.release()])
      await ends(here)
    })

    test('while a heartbeat is under way: what is held and what waits stays as it is', async () => {
      const here = await stage(library, cut, 1_800)
      await staysThrough(here, () => here.cutAt('heartbeat'))
    })

    test.each(['open-session', 'audit'] as const)(
      'and cut again at the next %s: what is held and what waits stays as it is',
      async (script) => {
        const here = await stage(library, cut)
        await staysThrough(here, async () => {
          const happened = here.cutAt(script)
          here.proxy.cut()
          await happened
        })
      },
    )

    test('while a space is opened: it opens, or fails, and is in nobody’s way', async () => {
      const here = await stage(library, cut)
      const client = await clientOf(library, here.proxy.port)
      const happened = here.cutAt('open-session')
      const opening = redisBackend({ client, space: here.space, checks: 'off' })
      const opened = await opening.then(
        (backend) => new LockSpace(backend),
        (error: unknown) => {
          if (!isLockError(error, 'LOCK_UNAVAILABLE')) throw error
          return null
        },
      )
      await happened
      if (opened !== null) {
        await (await opened.write('/a')).release()
        await opened.close()
      }
      await ends(here)
    })

    test('while a space is closed: what it held is free', async () => {
      const here = await stage(library, cut)
      const lease = await here.victim.write('/a')
      const happened = here.cutAt('close-session')
      await Promise.all([here.victim.close({ timeout: 0 }), happened])
      expect(lease.state).toBe('lost')
      await ends(here)
    })
  })
})

/** One lease and one waiting request of the victim; and its connection is hurt. */
async function staysThrough(here: Stage, harm: () => Promise<unknown>): Promise<void> {
  const lease = await here.victim.write('/a')
  const held = await here.other.write('/b')
  const waiting = here.victim.write('/b')
  await standing(here, 3)
  const before = await requests(here)
  await harm()
  // It is granted when they speak again.
  await here.victim.withWrite('/x', () => {})
  await becomes(lease, 'held')
  await standing(here, before.length)
  expect(await requests(here)).toEqual(before)
  expect(await here.other.tryRead('/a')).toBeNull()
  expect(await isPending(waiting)).toBe(true)
  await held.release()
  await (await waiting).release()
  await lease.release()
  await ends(here)
}

test.each(LIBRARIES)('With %s, a message that is lost is made up for by the next heartbeat', async (library) => {
  const here = await stage(library, 'after the request', 900)
  const held = await here.other.write('/a')
  const waiting = here.victim.write('/a')
  await standing(here, 2)
  const lost = here.proxy.swallow(messageOf('holdfast'))
  await held.release()
  await lost
  const lease = await waiting
  expect(lease.valid).toBe(true)
  await lease.release()
  await ends(here)
})

test.each(LIBRARIES)(
  'With %s, what was asked for before a lease ran out and arrives afterwards is no lock that nobody knows of',
  async (library) => {
    const here = await stage(library, 'after the request', 600)
    const lease = await here.victim.write('/a')
    const events: string[] = []
    lease.signal.addEventListener('abort', () => events.push('lost'))
    here.proxy.freeze()
    const late = [here.victim.write('/b', { timeout: 100 }), here.victim.tryWrite('/c'), here.victim.read('/d', { timeout: 30 })]
    const failures = Promise.allSettled(late)
    const next = await here.other.write('/a', { timeout: 5_000 })
    events.push('given to another')
    expect(events).toEqual(['lost', 'given to another'])
    await next.release()
    here.proxy.thaw()
    const [first, tried, third] = await failures
    expect([first!.status, third!.status]).toEqual(['rejected', 'rejected'])
    if (tried?.status === 'fulfilled') await tried.value?.release()
    await ends(here)
    await (await here.victim.write('/b')).release()
  },
)

test.each(LIBRARIES)(
  'With %s, a grant that comes while the books are compared after a reconnect is counted on by both sides',
  async (library) => {
    const here = await stage(library, 'after the request')
    const [held, witness] = [await here.other.write('/a'), await here.victim.write('/w')]
    const waiting = here.victim.write('/a')
    await standing(here, 3)
    let granted = false
    void waiting.then(() => {
      granted = true
    })
    here.proxy.hold(SCRIPTS.audit.sha, async () => {
      await held.release()
      // It comes by itself, before the answer to what is held up here.
      while (!granted) await new Promise((resolve) => setTimeout(resolve, 1))
    })
    here.proxy.cut()
    const lease = await waiting
    await becomes(witness, 'held')
    // What it gives back after the comparison has arrived before this.
    await here.victim.withWrite('/x', () => {})
    expect(lease.valid).toBe(true)
    expect((await here.other.tryRead('/a')) === null).toBe(true)
    await Promise.all([lease.release(), witness.release()])
    await ends(here)
  },
)
