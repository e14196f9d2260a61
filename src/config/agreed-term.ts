// SPDX-License-Identifier: MIT
// One user's time on one engine: the connection, what was agreed, and all that keeps it there.
import type { Backend } from '../core/backend.ts'
import type { Lease } from '../core/lease.ts'
import { bootNow } from '../native/clock.ts'
import type { Ask } from './agreed-ask.ts'
import type { AgreementRecord } from './agreement-record.ts'
import { Tenure } from './tenure.ts'

/** What the engine's own tokens are below: each epoch begins above all tokens of the one before. */
const EPOCH_BITS = 64n

/** What the engine says of itself: that it is the one that was agreed on, that it is another, or nothing. */
export type Health = 'good' | 'stranger' | 'silent'

export class Term {
  readonly entry: number
  readonly engine: Backend
  /** The users byte is ours. */
  present = true
  /** When it was given up, in milliseconds of {@link nowMs}. */
  leftAt = 0
  readonly tenure: Tenure
  /** Requests that wait at the engine, or may. */
  readonly asks: Set<Ask> = new Set()
  /** Raised with each request: what was last seen tells whether there was any. */
  uses = 0
  /** Under way: whether it has come to an end is its answer. */
  ending: Promise<boolean> | null = null
  /** Since when the engine has not said that it is the one, in milliseconds of {@link nowMs}. */
  doubtfulSince: number | null = null
  private agreed!: AgreementRecord
  private raise = 0n
  private checking: Promise<Health> | null = null
  private emptied: (() => void)[] = []

  constructor(entry: number, engine: Backend, record: AgreementRecord) {
    this.entry = entry
    this.engine = engine
    this.tenure = new Tenure(engine.graceMs ?? 0, nowMs())
    this.record = record
  }

  get record(): AgreementRecord {
    return this.agreed
  }

  set record(record: AgreementRecord) {
    this.agreed = record
    this.raise = BigInt(record.epoch) << EPOCH_BITS
  }

  /** Milliseconds until the users byte may be given up: see {@link Tenure.leftMs}. */
  get leftMs(): number {
    return this.tenure.leftMs(this.engine.leases.size, nowMs())
  }

  /** A token of the engine, so that it is above all those of earlier epochs. Those of an engine that asks its users are that already. */
  raised(token: bigint): bigint {
    return token >> EPOCH_BITS === 0n ? this.raise + token : token
  }

  /** The engine has granted it. */
  adorn(lease: Lease, usersByte: number): void {
    this.tenure.note()
    Object.defineProperty(lease, 'token', { value: this.raised(lease.token) })
    Object.defineProperty(lease, 'descriptors', { get: () => this.lend(lease, usersByte), configurable: true })
  }

  /**
   * Whoever asks for descriptors is about to start a child, and says by releasing the lease that it is gone: until then the users byte is kept,
   * also when the lease is lost, as giving it up here would take it from the child.
   */
  private lend(lease: Lease, usersByte: number): readonly number[] {
    const own = Reflect.get(Object.getPrototypeOf(lease) as object, 'descriptors', lease) as readonly number[] | undefined
    const descriptors = [...(own ?? []), usersByte]
    const { tenure } = this
    const release = lease.release.bind(lease)
    let back = false
    const giveBack = (): Promise<void> => {
      if (!back) tenure.lent--
      back = true
      return release()
    }
    tenure.lent++
    Object.defineProperty(lease, 'descriptors', { value: descriptors })
    Object.defineProperty(lease, 'release', { value: giveBack })
    return descriptors
  }

  begin(ask: Ask | null): void {
    this.uses++
    this.tenure.asks++
    if (ask !== null) this.asks.add(ask)
  }

  end(ask: Ask | null): void {
    this.tenure.asks--
    if (ask !== null) this.asks.delete(ask)
    if (this.tenure.asks === 0) for (const tell of this.emptied.splice(0)) tell()
  }

  /** Resolves when no request is under way. */
  noAsks(): Promise<void> {
    return this.tenure.asks === 0 ? Promise.resolve() : new Promise((resolve) => this.emptied.push(resolve))
  }

  /** Asks the engine for its word. Never rejects. */
  health(withinMs: number): Promise<Health> {
    this.checking ??= this.check(withinMs).finally(() => {
      this.checking = null
    })
    return this.checking
  }

  private async check(withinMs: number): Promise<Health> {
    const word = await within(this.engine.identity!(), withinMs)
    const health = word === null ? 'silent' : word === this.record.identity ? 'good' : 'stranger'
    this.doubtfulSince = health === 'good' ? null : (this.doubtfulSince ?? nowMs())
    return health
  }
}

/** A clock that goes on in suspend. */
export function nowMs(): number {
  return Number(bootNow()) / 1e6
}

/** Null when it fails, or takes longer. */
export async function within<Result>(promise: Promise<Result>, ms: number): Promise<Result | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null)
  })
  try {
    return await Promise.race([promise.catch(() => null), late])
  } finally {
    clearTimeout(timer)
  }
}
