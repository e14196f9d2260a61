// SPDX-License-Identifier: MIT
// What runs in a simulated process: a lock space on the engine itself, requests, and marks of what its owner may count on, for the oracle.
import type { RedisBackend } from '../../src/backends/redis/backend.ts'
import { redisBackend } from '../../src/backends/redis/index.ts'
import type { RedisLease } from '../../src/backends/redis/redis-lease.ts'
import { isLockError } from '../../src/core/errors.ts'
import type { Lease } from '../../src/core/lease.ts'
import type { Mark } from '../../src/evidence/oracle.ts'
import { LockSpace } from '../../src/lock-space.ts'
import type { Guard } from './guards.ts'
import { LEASE_MS, type Person, type Setting, SHAPES } from './schedule.ts'
import { SimClient } from './sim-client.ts'
import { SimProcess } from './sim-process.ts'
import type { SimServer } from './sim-server.ts'
import type { World } from './world.ts'

/** How long the engine lets a new request wait for a server that does not answer. */
const CONNECT_TIMEOUT_MS = 1_500

const KNOWS_WITHIN_US = 3_000

/** What all actors have in common. */
export interface Stage {
  readonly world: World
  readonly server: SimServer
  readonly setting: Setting
  readonly marks: Mark[]
  readonly violations: string[]
  readonly broken: Guard | null
  /** Something went wrong that may have made requests fail. */
  disturbed: boolean
  /** Everything is given back at once. */
  leaving: boolean
}

interface Held {
  readonly lease: RedisLease
  readonly number: number
  /** As its session told it last, in ns of CLOCK_BOOTTIME. */
  deadline: bigint
  over: boolean
  /** What the server has forgotten is not promised any more. */
  excused: boolean
}

interface Ask {
  readonly abort: AbortController
}

const ABORTED = new Error('aborted')

export class Actor {
  readonly process: SimProcess
  readonly client: SimClient
  /** Releases and the like that have not resolved. */
  outstanding = 0
  private readonly stage: Stage
  private space: LockSpace | null = null
  private opening = true
  private closing = false
  private held: Held[] = []
  private asks: Ask[] = []
  private numbers = 0

  constructor(stage: Stage, name: string, { habits, drift, latencyUs }: Person, seed: number) {
    this.stage = stage
    this.process = new SimProcess(stage.world, name, drift, seed)
    this.process.afterTurn = () => this.look()
    this.client = new SimClient(this.process, stage.server, habits, latencyUs)
  }

  get isOpen(): boolean {
    return this.process.alive && this.space !== null
  }

  /** It has nothing to do. */
  get isIdle(): boolean {
    return !this.process.alive || (!this.opening && this.asks.length + this.held.length + this.outstanding === 0)
  }

  open(): Promise<void> {
    const { prefer, coldStartGrace } = this.stage.setting
    const options = { lease: LEASE_MS, prefer, coldStartGrace, checks: 'off', connectTimeout: CONNECT_TIMEOUT_MS } as const
    return this.process.turn(() => {
      const opened = this.client.connect().then(() => redisBackend({ client: this.client, ...options }))
      opened.then(
        (backend) => {
          this.stage.broken?.inClient?.(backend as RedisBackend)
          this.space = new LockSpace(backend)
          this.opening = false
        },
        (error: unknown) => {
          this.opening = false
          this.refused('it could not begin', error)
        },
      )
    })
  }

  ask(shape: number, patience: 'try' | 'long' | number, holdMs: number): void {
    this.inTurn((space) => {
      const abort = new AbortController()
      const one = { abort }
      this.asks.push(one)
      const request = SHAPES[shape]!
      const options = { signal: abort.signal, ...(typeof patience === 'number' && { timeout: patience }) }
      const lease: Promise<Lease | null> = patience === 'try' ? space.tryLock(request) : space.lock(request, options)
      lease.then(
        (granted) => {
          this.asks = this.asks.filter((other) => other !== one)
          if (granted !== null) this.granted(granted as RedisLease, holdMs)
        },
        (error: unknown) => {
          this.asks = this.asks.filter((other) => other !== one)
          const ranOut = typeof patience === 'number' && isLockError(error, 'LOCK_TIMEOUT')
          if (!ranOut && !(abort.signal.aborted && error === ABORTED)) this.refused('a request failed', error)
        },
      )
    })
  }

  release(which: number): void {
    this.inTurn(() => {
      if (this.held.length > 0) this.giveBack(this.held[which % this.held.length]!)
    })
  }

  downgrade(which: number): void {
    this.inTurn(() => {
      if (this.held.length === 0) return
      const held = this.held[which % this.held.length]!
      if (held.lease.write.length === 0) return
      this.mark(held, 'weakened')
      this.follow(held.lease.downgrade())
    })
  }

  abort(which: number): void {
    this.inTurn(() => {
      if (this.asks.length > 0) this.asks[which % this.asks.length]!.abort.abort(ABORTED)
    })
  }

  /** Gives everything back. */
  leave(): void {
    this.inTurn(() => {
      for (const held of [...this.held]) this.giveBack(held)
    })
  }

  close(): void {
    this.closing = true
    this.inTurn((space) => this.follow(space.close()))
  }

  kill(): void {
    if (!this.process.alive) return
    const { world, marks } = this.stage
    world.note(`${this.process.name} is killed`)
    marks.push({ word: 'gone', who: this.process.name, at: nanoseconds(world.now) })
    this.process.die()
    for (const client of this.client.connections) client.vanish()
  }

  /** The server has lost data: what it forgot of this actor's leases ends for the oracle. */
  excuse(): void {
    for (const held of this.held) {
      if (held.excused || !this.stage.server.granted.get(nameOf(held.lease))?.forgotten) continue
      this.mark(held, 'released')
      held.excused = true
    }
  }

  /** Its own code runs, now or when it goes on. */
  private inTurn(task: (space: LockSpace) => void): void {
    this.stage.world.after(0, () =>
      this.process.read(() => {
        if (this.space !== null) task(this.space)
      }),
    )
  }

  private granted(lease: RedisLease, holdMs: number): void {
    const { stage, process } = this
    const { read, write, token } = lease
    const grant = stage.server.granted.get(nameOf(lease))
    if (grant === undefined) stage.violations.push(`${process.name} has a lease that the server never granted`)
    const held = { lease, number: ++this.numbers, deadline: lease.session.deadline, over: false, excused: grant?.forgotten ?? false }
    this.held.push(held)
    this.watch(held)
    stage.world.note(`${process.name} has lease ${held.number}: ${lease.claims.map(({ key, mode }) => `${mode} ${key}`).join(', ')}`)
    // From when the server granted it: nobody else may count on it from then on.
    const at = nanoseconds(grant?.at ?? stage.world.now)
    const deadline = this.inWorld(held.deadline)
    if (!held.excused) stage.marks.push({ word: 'granted', who: process.name, lease: held.number, at, token, read, write, deadline })
    if (stage.leaving) this.giveBack(held)
    else setTimeout(() => this.giveBack(held), holdMs)
  }

  private giveBack(held: Held): void {
    if (held.over) return
    this.end(held, 'released')
    this.follow(held.lease.release())
  }

  /** At the end of each turn: what has become of the leases. */
  private look(): void {
    for (const held of this.held) {
      const { deadline } = held.lease.session
      if (held.lease.state === 'lost') {
        // Until this turn its owner counted on it, as long as its deadline had not come.
        if (!held.excused) this.good(held)
        this.end(held, 'lost')
      } else if (deadline !== held.deadline && deadline !== 0n) {
        held.deadline = deadline
        this.watch(held)
        if (!held.excused) this.good(held)
      }
    }
  }

  /** It knows by its deadline that it has lost. After a suspension, which stops timers, only whoever looks at `valid` does. */
  private watch(held: Held): void {
    const { stage, process } = this
    const { deadline, number } = held
    stage.world.at(process.worldTimeOf(deadline) + KNOWS_WITHIN_US, () => {
      if (held.over || held.deadline !== deadline || !process.alive || process.isStopped || process.wasSuspended) return
      stage.violations.push(`${process.name} does not know that its lease ${number} has run out`)
    })
  }

  private good({ number, deadline }: Held): void {
    const { world, marks } = this.stage
    const at = nanoseconds(world.now)
    const until = this.inWorld(deadline)
    if (until > at) marks.push({ word: 'good', who: this.process.name, lease: number, at, deadline: until })
  }

  private end(held: Held, word: 'released' | 'lost'): void {
    held.over = true
    this.held = this.held.filter((other) => other !== held)
    this.mark(held, word)
  }

  private mark({ number, excused }: Held, word: 'weakened' | 'released' | 'lost'): void {
    const { world, marks } = this.stage
    world.note(`${this.process.name} lease ${number} is ${word}${excused ? ', and was forgotten before' : ''}`)
    if (!excused) marks.push({ word, who: this.process.name, lease: number, at: nanoseconds(world.now) })
  }

  private follow(done: Promise<unknown>): void {
    this.outstanding++
    done.then(
      () => {
        this.outstanding--
      },
      (error: unknown) => {
        this.outstanding--
        if (!isLockError(error, 'LOCK_LOST')) this.refused('something that was given back', error)
      },
    )
  }

  private refused(what: string, error: unknown): void {
    const { world, disturbed, violations } = this.stage
    world.note(`${this.process.name}: ${what}: ${error}`)
    const expected = (disturbed && isLockError(error, 'LOCK_UNAVAILABLE')) || (this.closing && isLockError(error, 'LOCK_CLOSED'))
    if (!expected) violations.push(`${this.process.name}: ${what}: ${error instanceof Error ? error.stack : error}`)
  }

  private inWorld(deadline: bigint): bigint {
    return nanoseconds(this.process.worldTimeOf(deadline))
  }
}

function nanoseconds(us: number): bigint {
  return BigInt(Math.floor(us * 1_000))
}

function nameOf({ id, token }: RedisLease): string {
  return `${id} ${String(token).padStart(16, '0')}`
}
