// SPDX-License-Identifier: MIT
// Random programs on a mesh of ranks: step by step against a model that is nothing but a list, and wild, with delays and deaths, before an oracle that
// knows only who overlapped with whom.
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { groupBackend } from '../../src/backends/group/index.ts'
import { judge, type Mark } from '../../src/evidence/oracle.ts'
import { type Backend, type Claims, type Lease, LockSpace, type Wait } from '../../src/index.ts'
import { Model, ModelRequest, randomShapes, treeOf, type Universe, universeOf } from '../core/lock-table-model.ts'
import { Mesh } from '../support/mesh.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'

const RANKS = 4

/** A request of a rank, in the model and in truth. */
class Play implements Wait {
  readonly id = ''
  readonly name = undefined
  readonly since = 0
  readonly rank: number
  readonly model: ModelRequest
  lease: Lease | null = null
  giveUp: ((reason: unknown) => void) | null = null
  failed: unknown = null

  constructor(rank: number, model: ModelRequest) {
    this.rank = rank
    this.model = model
  }

  begin(giveUp: (reason: unknown) => void): void {
    this.giveUp = giveUp
  }

  end(): void {
    this.giveUp = null
  }

  follow(promise: Promise<Lease>): void {
    promise.then(
      (lease) => {
        this.lease = lease
      },
      (error: unknown) => {
        this.failed = error
      },
    )
  }
}

/** One program, played on both sides. */
class Game {
  private readonly next: () => number
  private readonly universe: Universe
  private readonly mesh = new Mesh(RANKS)
  private readonly backends: readonly Backend[]
  private readonly model: Model
  private readonly plays: Play[] = []
  private readonly dead = new Set<number>()
  private readonly home: number
  private requests = 0

  constructor(next: () => number, universe: Universe) {
    this.next = next
    this.universe = universe
    this.home = next() % RANKS
    const prefer = next() % 2 === 0 ? 'writers' : 'first-come'
    this.backends = this.mesh.ranks.map((rank) => groupBackend(rank, { prefer, home: this.home }))
    this.model = new Model(universe, prefer === 'writers', () => {})
  }

  /** Everybody is admitted: rank 0 may die from now on. */
  begin(): Promise<void> {
    return this.mesh.quiet()
  }

  async step(): Promise<void> {
    const dice = this.next() % 40
    const holding = this.plays.filter(({ lease }) => lease !== null)
    const waiting = this.plays.filter(({ lease, failed }) => lease === null && failed === null)
    if (dice < 14) this.enter()
    else if (dice < 18) await this.try()
    else if (dice < 30 && holding.length > 0) this.release(this.one(holding))
    else if (dice < 34 && holding.length > 0) await this.weaken(this.one(holding))
    else if (dice < 39 && waiting.length > 0) this.withdraw(this.one(waiting))
    else if (dice === 39 && this.dead.size < 1) this.kill()
    await this.mesh.quiet()
    const there = (play: Play): string => `${play.model.id}:${play.rank}`
    expect(this.plays.filter(({ lease }) => lease !== null).map(there)).toEqual(this.plays.filter(({ model }) => model.granted).map(there))
  }

  private enter(): void {
    const play = this.play()
    this.model.enter(play.model)
    this.plays.push(play)
    play.follow(this.backends[play.rank]!.acquire(this.claims(play), play))
  }

  private async try(): Promise<void> {
    const play = this.play()
    const granted = this.model.tryEnter(play.model)
    play.lease = await this.backends[play.rank]!.tryAcquire(this.claims(play), undefined)
    expect(play.lease !== null).toBe(granted)
    if (granted) this.plays.push(play)
  }

  private release(play: Play): void {
    this.forget(play)
    this.model.remove(play.model)
    void play.lease!.release()
  }

  private async weaken({ model, lease }: Play): Promise<void> {
    if (!model.writes || model.shape >= this.universe.count) return
    this.model.weaken(model)
    await lease!.downgrade()
  }

  private withdraw(play: Play): void {
    // Until it counts as one that waits.
    vi.advanceTimersByTime(10)
    this.forget(play)
    this.model.remove(play.model)
    play.giveUp!('enough')
  }

  private kill(): void {
    const rank = (this.home + 1 + (this.next() % (RANKS - 1))) % RANKS
    this.dead.add(rank)
    this.mesh.kill(rank)
    const mine = this.plays.filter((play) => play.rank === rank)
    for (const play of mine) this.forget(play)
    for (const { model } of mine.filter(({ lease }) => lease === null).reverse()) this.model.remove(model)
    for (const { model } of mine.filter(({ lease }) => lease !== null)) this.model.remove(model)
  }

  private play(): Play {
    const living = [...this.backends.keys()].filter((rank) => !this.dead.has(rank))
    const shape = this.next() % this.universe.count
    return new Play(this.one(living), new ModelRequest(++this.requests, shape, this.universe.shapes[shape]!.write.length > 0))
  }

  private claims({ model }: Play): Claims {
    return this.universe.claims[model.shape]!
  }

  private forget(play: Play): void {
    this.plays.splice(this.plays.indexOf(play), 1)
  }

  private one<Thing>(things: readonly Thing[]): Thing {
    return things[this.next() % things.length]!
  }
}

describe('Ranks that lock at random', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test(
    'have at every moment just what the order of their requests says.',
    async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const seed = freshSeed()
      const next = generator(seed)
      for (let program = 0; program < scaled(60); program++) {
        const game = new Game(next, universeOf(randomShapes(next, treeOf(2, 3), 12)))
        await game.begin()
        for (let step = 0; step < 60; step++) {
          await game.step().catch((error: Error) => {
            throw new Error(`Program ${program}, step ${step}, seed ${seed}: ${error.message}`, { cause: error })
          })
        }
      }
    },
    patience(30_000),
  )

  test(
    'never overlap, whatever delays, withdrawals and deaths there are, and leave nothing behind.',
    async () => {
      const seed = freshSeed()
      const next = generator(seed)
      for (let round = 0; round < scaled(8); round++) {
        const { verdict, left } = await wild(next, round % 2 === 0 ? 'first-come' : 'writers')
        expect({ ...verdict, grants: verdict.grants > 100, left, seed }).toEqual({
          grants: true,
          lost: 0,
          overlaps: [],
          tokenFaults: [],
          left: 0,
          seed,
        })
      }
    },
    patience(30_000),
  )
})

/** Four ranks with three tasks each; one of the ranks dies somewhere in the middle. */
async function wild(next: () => number, prefer: 'first-come' | 'writers'): Promise<{ verdict: ReturnType<typeof judge>; left: number }> {
  const mesh = new Mesh(RANKS, { dice: next })
  const spaces = mesh.ranks.map((rank) => new LockSpace(groupBackend(rank, { prefer, home: 1 })))
  const shapes = randomShapes(next, treeOf(2, 2), 30)
  const marks: Mark[] = []
  const dying = [0, 2, 3][next() % 3]!
  let grants = 0
  let leases = 0
  let isDead = false
  const put = (who: number, mark: Record<string, unknown>): void =>
    void marks.push({ who: `rank ${who}`, at: process.hrtime.bigint(), ...mark } as unknown as Mark)

  const task = async (rank: number): Promise<void> => {
    const gone = (): boolean => isDead && rank === dying
    for (let i = 0; i < 25 && !gone(); i++) {
      const shape = shapes[next() % shapes.length]!
      const options = { signal: next() % 4 === 0 ? AbortSignal.timeout(1 + (next() % 8)) : undefined }
      const space = spaces[rank]!
      const granted = await (next() % 4 === 0 ? space.tryLock(shape) : space.lock(shape, options).catch(() => null))
      if (granted === null || gone()) continue
      const lease = ++leases
      put(rank, { word: 'granted', lease, token: granted.token, deadline: 2n ** 63n - 1n, ...shape })
      if (++grants === 120) kill()
      for (let wait = next() % 3; wait > 0; wait--) await turn()
      if (next() % 5 === 0) {
        put(rank, { word: 'weakened', lease })
        await granted.downgrade()
        await turn()
      }
      put(rank, { word: 'released', lease })
      await granted.release()
    }
  }
  const kill = (): void => {
    put(dying, { word: 'gone' })
    isDead = true
    mesh.kill(dying)
  }
  const tasks = spaces.flatMap((_, rank) => [task(rank), task(rank), task(rank)].map((end) => ({ rank, end })))
  await Promise.all(tasks.filter(({ rank }) => rank !== dying).map(({ end }) => end))
  await mesh.quiet()
  const { holders, waiters } = await spaces[1]!.inspect()
  return { verdict: judge(marks), left: holders.length + waiters.length }
}
