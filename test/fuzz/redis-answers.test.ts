// SPDX-License-Identifier: MIT
// Answers that no script of ours gives: of wrong types and sizes, errors that nobody knows, halves of answers, and none. Whoever asks hears a clear
// error or is asked for patience, nothing else breaks, and when the server speaks the truth again, no lock is held twice and none is left.
import { isLockError, type Lease, type LockSpace } from 'holdfast'
import { redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type RedisServer, startRedis } from '../redis/server.ts'
import { aSpace, becomes, clientOf, LIBRARIES, type Library, leftIn, openSpace } from '../redis/spaces.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { LyingProxy, type Reply } from './lying-proxy.ts'
import { liarOf, nameOf } from './strange-answers.ts'

let server: RedisServer
let look: Redis
beforeAll(async () => {
  // One that keeps nothing would be warned of.
  server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'no'] })
  look = new Redis(server.port, '127.0.0.1')
})
afterAll(async () => {
  look.disconnect()
  await server.stop()
})

const LEASE_MS = 1_000
/** No answer, however strange, makes anybody wait for longer. */
async function bounded<Result>(what: string, promise: Promise<Result>, ms = 8_000): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs.`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What it gives, or undefined for an error of ours that says something. */
async function orError<Result>(what: string, promise: Promise<Result>): Promise<Result | undefined> {
  try {
    return await bounded(what, promise)
  } catch (error) {
    if (!isLockError(error)) throw new Error(`${what}: ${error}`, { cause: error })
    expect(error.message.length).toBeGreaterThan(10)
    return undefined
  }
}

class Round {
  private readonly random: () => number
  private readonly other: LockSpace
  private readonly victim: LockSpace
  private readonly leases: Lease[] = []

  constructor(random: () => number, other: LockSpace, victim: LockSpace) {
    this.random = random
    this.other = other
    this.victim = victim
  }

  /** Something that the victim does. */
  async step(): Promise<void> {
    const { random, victim } = this
    const path = random() % 2 === 0 ? '/a' : '/a/b'
    const held = this.leases[random() % Math.max(1, this.leases.length)]
    const timeout = 30 + (random() % 100)
    const kind = random() % 8
    if (kind < 2) this.take(await orError('write', victim.write(path, { timeout })))
    else if (kind === 2) this.take(await orError('read', victim.read(path, { timeout })))
    else if (kind === 3) this.take(await orError('tryWrite', victim.tryWrite(path)))
    else if (kind === 4) await orError('inspect', victim.inspect())
    else if (kind === 5) await orError('downgrade', held?.downgrade() ?? Promise.resolve())
    else if (kind === 6) await bounded('release', held?.release() ?? Promise.resolve())
    else await this.somebodyElse()
  }

  private take(lease: Lease | null | undefined): void {
    if (!lease) return
    this.leases.push(lease)
    expect(typeof lease.token).toBe('bigint')
    expect(Number.isFinite(lease.since)).toBe(true)
    expect(JSON.parse(JSON.stringify(lease)).token).toMatch(/^\d+$/)
  }

  /** Whoever is in has been told the truth, so nobody else may believe to be in. */
  private async somebodyElse(): Promise<void> {
    const lease = await bounded('the other', this.other.tryWrite('/a'))
    if (lease === null) return
    this.expectAlone()
    await bounded('the other', lease.release())
  }

  private expectAlone(): void {
    expect(this.leases.filter(({ valid }) => valid).map((lease) => lease.toJSON())).toEqual([])
  }

  /** The server speaks the truth again, on connections made anew. */
  async end(): Promise<void> {
    for (let times = 0; times < 3; times++) await this.somebodyElse()
    for (const lease of this.leases) await bounded('release', lease.release())
    const whole = await bounded('the other', this.other.write('/', { timeout: 5_000 }))
    this.expectAlone()
    await whole.release()
    let again: Lease | undefined
    for (let times = 0; again === undefined && times < 20; times++)
      again = await orError('the victim', this.victim.write('/', { timeout: 1_000 }))
    expect(again?.token).toBeGreaterThan(whole.token)
    await again!.release()
  }
}

interface Stage {
  readonly proxy: LyingProxy
  readonly space: string
  readonly other: LockSpace
  readonly victim: LockSpace
}

async function stage(library: Library): Promise<Stage> {
  const proxy = await LyingProxy.to(server.port)
  onTestFinished(() => proxy.close())
  const space = aSpace()
  const other = await openSpace(server.port, 'ioredis', { space, lease: LEASE_MS })
  const victim = await openSpace(proxy.port, library, { space, lease: LEASE_MS, connectTimeout: 500 })
  return { proxy, space, other, victim }
}

/** Answers how many lies were told. */
async function play({ proxy, space, other, victim }: Stage, seed: number): Promise<number> {
  const random = generator(seed)
  const round = new Round(random, other, victim)
  proxy.liar = liarOf(random)
  for (let step = 0; step < 6; step++) await Promise.all([round.step(), round.step()])
  proxy.liar = null
  proxy.cut()
  await round.end()
  await nothingLeft(space)
  await bounded('close', victim.close({ timeout: 0 }))
  return proxy.lies
}

async function nothingLeft(space: string): Promise<void> {
  const giveUpAt = performance.now() + 5_000
  let left: readonly string[]
  do left = await leftIn(look, space)
  while (left.length > 0 && performance.now() < giveUpAt)
  expect(left).toEqual([])
}

/** Rounds at the same time, each with a seed of its own, which is told if it fails. */
async function together(rounds: number, one: (seed: number, number: number) => Promise<number>): Promise<number> {
  const first = freshSeed()
  const played = Array.from({ length: rounds }, (_, number) =>
    one(first + number, number).catch((error: unknown) => {
      throw new Error(`HOLDFAST_TEST_SEED=${first + number}`, { cause: error })
    }),
  )
  return (await Promise.all(played)).reduce((sum, lies) => sum + lies, 0)
}

/** At once. */
const ROUNDS = 8

describe.each(LIBRARIES)('Through %s, whatever a server answers,', (library) => {
  test(
    'requests end with a lease or a clear error; afterwards nothing is held twice, and nothing is left',
    async () => {
      for (let left = scaled(ROUNDS); left > 0; left -= ROUNDS) {
        const stages: Stage[] = []
        for (let count = Math.min(left, ROUNDS); count > 0; count--) stages.push(await stage(library))
        expect(await together(stages.length, (seed, number) => play(stages[number]!, seed))).toBeGreaterThan(0)
      }
    },
    patience(60_000),
  )

  test(
    'a space is opened, or is not, with a clear error, and then keeps nobody else out',
    async () => {
      const open = async (seed: number): Promise<number> => {
        const random = generator(seed)
        const proxy = await LyingProxy.to(server.port)
        onTestFinished(() => proxy.close())
        const client = await clientOf(library, proxy.port)
        const space = aSpace()
        proxy.liar = liarOf(random)
        const backend = await orError('opening', redisBackend({ client, space, lease: LEASE_MS, checks: 'warn', connectTimeout: 500 }))
        proxy.liar = null
        proxy.cut()
        const locks = await openSpace(server.port, 'ioredis', { space, lease: LEASE_MS })
        await (await bounded('the other', locks.write('/', { timeout: 5_000 }))).release()
        if (backend !== undefined) await bounded('close', backend.close())
        return proxy.lies
      }
      let lies = 0
      // Few commands open a space: now and then no lie meets any.
      for (let left = scaled(ROUNDS); left > 0 || lies === 0; left -= ROUNDS)
        lies += await together(left > 0 ? Math.min(left, ROUNDS) : ROUNDS, open)
    },
    patience(60_000),
  )

  test('a space is not opened without end where the policy of whoever opens it is refused as another one', async () => {
    const proxy = await LyingProxy.to(server.port)
    onTestFinished(() => proxy.close())
    const client = await clientOf(library, proxy.port)
    proxy.liar = (command) => (nameOf(command) === 'open-session' ? { say: [-3, `1|first-come|${LEASE_MS}`] } : undefined)
    const opening = redisBackend({ client, space: aSpace(), lease: LEASE_MS, checks: 'warn', connectTimeout: 500 })
    await expect(bounded('opening', opening)).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    expect(proxy.lies).toBeLessThan(5)
  })

  describe('which is not one of a script of ours,', () => {
    /** What a victim that asks for something is told once, or always. */
    const lying = async (about: string, always: boolean, say: Reply): Promise<Stage> => {
      const found = await stage(library)
      let told = false
      found.proxy.liar = (command) => {
        if (nameOf(command) !== about || (told && !always)) return undefined
        told = true
        return { say }
      }
      return found
    }

    test('a grant without a token is none: the truth is found out, and the lease has the true token', async () => {
      for (const say of [[1], [1, null], [1, 'x'], [1, 7], ['1', '']]) {
        const { victim, other, proxy } = await lying('acquire', false, say)
        const before = await other.write('/b')
        const lease = await bounded('write', victim.write('/a', { timeout: 5_000 }))
        expect(proxy.lies).toBe(1)
        expect(lease.token).toBeGreaterThan(before.token)
        expect(await other.tryWrite('/a')).toBeNull()
        await lease.release()
      }
    })

    test('nobody gets in who would have to wait', async () => {
      for (const say of [[1, 'x'], [0, 1], [null], [7]]) {
        const { victim, other, proxy } = await lying('acquire', false, say)
        const holder = await other.write('/a')
        expect((await orError('write', victim.write('/a', { timeout: 100 })))?.state).toBeUndefined()
        expect(proxy.lies).toBe(1)
        expect(holder.valid).toBe(true)
      }
    })

    test('a try is not put in the line, and no lease is lost by it', async () => {
      for (const say of [[2, 1, 1], [7], ['x'], []]) {
        const { victim, proxy } = await lying('acquire', false, say)
        const liar = proxy.liar
        proxy.liar = null
        const held = await victim.write('/b')
        proxy.liar = liar
        const lease = await bounded('tryWrite', victim.tryWrite('/a'))
        expect(proxy.lies).toBe(1)
        expect(lease?.valid).toBe(true)
        expect(held.state).toBe('held')
      }
    })

    test('a heartbeat does not end the session: what is held stays held', async () => {
      const beats = async (say: Reply): Promise<void> => {
        const { victim, proxy } = await lying('heartbeat', false, say)
        const held = await victim.write('/a')
        await proxy.lied
        await bounded('write', victim.write('/b', { timeout: 5_000 }))
        // It may still be suspended, and does not come back from a loss.
        await becomes(held, 'held')
      }
      await Promise.all([[7], [null, 1, 1], [], 'x', null].map(beats))
    })

    test('what an inspection is told, also without an end, makes it fail', async () => {
      for (const say of [['x', [], []], [7, [], []], [null, [], []], ['', 7, []], ['', [], 'x'], 'x', null]) {
        const { victim } = await lying('inspect', true, say)
        await expect(bounded('inspect', victim.inspect())).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
      }
    })
  })
})
