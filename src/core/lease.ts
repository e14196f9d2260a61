// SPDX-License-Identifier: MIT
// A lease is what a granted request gives. Its life: held → released, or held ⇄ suspended → lost; nothing leaves `lost` or `released`.
import type { Claim, Claims } from './claims.ts'
import { LockError } from './errors.ts'
import { events } from './events.ts'

/**
 * - `held`: the lock is yours.
 * - `suspended`: the server cannot be reached, the lease has not run out yet.
 * - `lost`: it ran out, or what carried it was taken away. Somebody else may be in.
 * - `released`: you gave it back.
 */
export type LeaseState = 'held' | 'suspended' | 'lost' | 'released'

/** What a lease looks like after `JSON.stringify`. */
export interface LeaseJson {
  readonly state: LeaseState
  readonly token: string
  readonly read: readonly string[]
  readonly write: readonly string[]
  readonly claims: readonly Claim[]
  readonly name: string | null
}

const DONE: Promise<void> = Promise.resolve()

/** What {@link Lease.mirror} writes for a lease that does not run out by itself. */
const FOR_EVER = 2n ** 63n - 1n

/** What few leases ever need. */
interface Rarely {
  abort: AbortController | null
  loss: unknown
  end: Promise<void> | null
  mirrors: BigInt64Array[] | null
}

/** A granted request. Backends extend it; users get it from a {@link LockSpace}. */
export abstract class Lease implements AsyncDisposable {
  /** @internal Where it stands in its backend's list. */
  place = -1
  /** The name given with the request, to be shown to people. */
  readonly name: string | undefined
  /** @internal */
  granted: Claims
  private status: LeaseState = 'held'
  private rarely: Rarely | null = null

  constructor(claims: Claims, name: string | undefined) {
    this.granted = claims
    this.name = name
  }

  /** Gives the lock back to the engine. Called once, and never after a loss. */
  protected abstract free(claims: Claims): Promise<void> | undefined
  /** Tells the engine that these claims are now held in place of stronger ones, without a gap. */
  protected abstract weaken(from: Claims, to: Claims): Promise<void> | undefined
  /** The token as the engine minted it when it granted. */
  protected abstract mintedToken(): bigint
  /** False when the lease has run out by the holder's own clock, whatever timers have had a chance to fire. */
  protected abstract stillValid(): boolean
  /** When it was granted, in milliseconds of the wall clock. */
  abstract get since(): number

  /**
   * The fencing token. It is larger than the token of every earlier lease that conflicts with this one, as far as the engine can
   * promise (each engine's page says how far). Hand it to the resource, and let the resource refuse anything smaller than what it has seen.
   */
  get token(): bigint {
    return this.mintedToken()
  }

  get state(): LeaseState {
    return this.status
  }

  /** Checks the clock at once, for code that kept the event loop busy: true as long as nobody else can have been let in. */
  get valid(): boolean {
    return (this.status === 'held' || this.status === 'suspended') && this.stillValid()
  }

  /** Aborts when the lease is lost (reason: a LockError `LOCK_LOST`), before the engine can give the lock to somebody else. Never on release. */
  get signal(): AbortSignal {
    const rare = this.rare()
    rare.abort ??= new AbortController()
    if (this.status === 'lost') rare.abort.abort(rare.loss)
    return rare.abort.signal
  }

  /**
   * Lets another thread see whether the lease is good, also while this thread is too busy to tell it: the first number of `cell`, which
   * lies in shared memory, becomes the moment until which it is, in nanoseconds of CLOCK_BOOTTIME (2^63 - 1 where leases do not run out),
   * follows each renewal, and becomes 0 with its end. Read it with `Atomics.load`.
   */
  mirror(cell: BigInt64Array): void {
    const rare = this.rare()
    rare.mirrors ??= []
    rare.mirrors.push(cell)
    Atomics.store(cell, 0, this.status === 'held' || this.status === 'suspended' ? this.deadline() : 0n)
  }

  /** Node by node, what is held. */
  get claims(): readonly Claim[] {
    return this.granted.list
  }

  /** The sub-trees that may be read. */
  get read(): readonly string[] {
    return this.granted.read
  }

  /** The sub-trees that may be written. */
  get write(): readonly string[] {
    return this.granted.write
  }

  /** Gives the lock back. Idempotent: a second call, or one after a loss, does nothing. Never rejects. */
  release(): Promise<void> {
    if (this.status === 'held' || this.status === 'suspended') {
      this.status = 'released'
      if (this.rarely?.mirrors) this.reflect(0n)
      if (events.release.hasSubscribers) events.release.publish({ lease: this })
      const end = this.free(this.granted)
      if (end !== undefined) this.rare().end = end
    }
    return this.rarely?.end ?? DONE
  }

  /**
   * From writing to reading the same sub-trees, without a moment in which somebody else can write. The token stays. There is no way
   * back: two readers that both wait to become writers would wait for ever, so release and ask for a new lease.
   *
   * @throws LockError `LOCK_LOST` when there is nothing left to weaken.
   */
  async downgrade(): Promise<void> {
    if (this.status === 'lost') throw this.rare().loss
    if (this.status === 'released') throw new LockError('LOCK_LOST', 'A released lease cannot be downgraded.')
    const from = this.granted
    const to = from.withoutWriting()
    if (to === from) return
    this.granted = to
    await this.weaken(from, to)
  }

  /** Always rejects with `LOCK_UNSUPPORTED`: see {@link downgrade} for the reason. */
  upgrade(): Promise<never> {
    return Promise.reject(
      new LockError(
        'LOCK_UNSUPPORTED',
        'A read lease cannot become a write lease: two readers that both wait for the other to leave would wait for ever. ' +
          'Release it and ask for a write lease, or ask for the write lease first and downgrade it.',
      ),
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  toJSON(): LeaseJson {
    const { state, token, read, write, claims, name } = this
    return { state, token: token.toString(), read, write, claims, name: name ?? null }
  }

  /** @internal For backends: the server is out of reach, or back. */
  suspend(suspended: boolean): void {
    if (this.status === (suspended ? 'held' : 'suspended')) this.status = suspended ? 'suspended' : 'held'
  }

  /** @internal Takes the lease away from its holder: it is lost first, then given back to the engine. */
  async revoke(reason: unknown): Promise<void> {
    if (this.status === 'lost' || this.status === 'released') return
    this.lose(reason)
    await this.free(this.granted)
  }

  /** @internal For backends: the lease is gone. Never throws; a listener of `signal` that throws is the platform's to report. */
  lose(reason: unknown): void {
    if (this.status === 'lost' || this.status === 'released') return
    this.status = 'lost'
    this.rare().loss = reason
    this.reflect(0n)
    if (events.lost.hasSubscribers) events.lost.publish({ lease: this, reason })
    this.rarely?.abort?.abort(reason)
  }

  /** Until when the lease is good, in nanoseconds of CLOCK_BOOTTIME. Engines whose leases run out say so here, and with {@link reflect}. */
  protected deadline(): bigint {
    return FOR_EVER
  }

  /** Tells the mirrors a new deadline: to be called with each renewal. */
  protected reflect(deadline: bigint): void {
    const mirrors = this.rarely?.mirrors
    if (mirrors) for (const cell of mirrors) Atomics.store(cell, 0, deadline)
  }

  private rare(): Rarely {
    this.rarely ??= { abort: null, loss: undefined, end: null, mirrors: null }
    return this.rarely
  }
}

/**
 * Says on a class of leases itself that its instances are no promises. Every `await` of a lease asks, and would else search the whole
 * chain of prototypes for a `then`: a tenth of what a lock in memory costs.
 *
 * @internal
 */
export function declareNoPromise(leases: abstract new (...options: never[]) => Lease): void {
  Object.defineProperty(leases.prototype, 'then', { value: undefined })
}

/** The leases of a backend, in no particular order. Adding and removing cost the same however many there are. */
export class LeaseList implements Iterable<Lease> {
  /** Each lease knows its place; the last one moves to where one is taken out. */
  private readonly leases: Lease[] = []
  private emptied: (() => void)[] = []

  get size(): number {
    return this.leases.length
  }

  add(lease: Lease): void {
    lease.place = this.leases.push(lease) - 1
  }

  remove(lease: Lease): void {
    const { leases } = this
    const last = leases.pop()!
    if (last !== lease) {
      leases[lease.place] = last
      last.place = lease.place
    }
    if (leases.length === 0 && this.emptied.length > 0) for (const tell of this.emptied.splice(0)) tell()
  }

  /** Resolves when no lease is left. */
  empty(): Promise<void> {
    return this.leases.length === 0 ? DONE : new Promise((resolve) => this.emptied.push(resolve))
  }

  /** Those that are held when it is asked; they may be removed meanwhile. */
  [Symbol.iterator](): Iterator<Lease> {
    return [...this.leases].values()
  }
}
