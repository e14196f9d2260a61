// SPDX-License-Identifier: MIT
// A request of this rank, wherever it is on its way, and the lease that comes of it.
import type { Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import { declareNoPromise, Lease } from '../../core/lease.ts'
import type { Linked } from '../../core/linked-list.ts'
import type { Alive } from './alive.ts'

export class Request implements Linked<Request> {
  /** Neighbours among those that were asked and have no answer yet. */
  previous: Request | null = null
  next: Request | null = null
  /** Its number at the home, where that is another rank; -1 before it was sent. */
  seat = -1
  /** Answered, or given up. */
  over = false
  /** It was asked a moment ago. */
  young = false
  /** From then on its time-out and its signal count. */
  patient = false
  /** How often the requests had been looked at when it was asked. */
  look = 0
  readonly claims: Claims
  readonly name: string | undefined
  /** Null for one that only tries. */
  readonly wait: Wait | null
  private readonly alive: Alive
  private readonly resolve: (lease: Lease | null) => void
  private readonly reject: (reason: unknown) => void

  constructor(
    alive: Alive,
    claims: Claims,
    name: string | undefined,
    wait: Wait | null,
    resolve: (lease: Lease | null) => void,
    reject: (reason: unknown) => void,
  ) {
    this.alive = alive
    this.claims = claims
    this.name = name
    this.wait = wait
    this.resolve = resolve
    this.reject = reject
    alive.hold()
  }

  /** It has to wait, for others or for an answer; also one that went from one place to the next, with another way to give it up. */
  bePatient(giveUp: (reason: unknown) => void): void {
    if (this.wait === null) return
    this.patient = true
    this.wait.begin(giveUp)
  }

  /** It has its lease, or nothing if it only tried. */
  answer(lease: Lease | null): void {
    this.settle()
    this.resolve(lease)
  }

  fail(reason: unknown): void {
    this.settle()
    this.reject(reason)
  }

  private settle(): void {
    this.over = true
    this.alive.drop()
    if (this.patient) this.wait!.end()
  }
}

/** What a lease asks of its backend. */
export interface Landlord<Seat> {
  left(lease: GroupLease<Seat>): void
  weakened(lease: GroupLease<Seat>, to: Claims): void
}

export class GroupLease<Seat> extends Lease {
  /** @internal Where it is known at the home. */
  readonly seat: Seat
  private readonly landlord: Landlord<Seat>
  private readonly number: number
  /** When it was granted, in milliseconds of the wall clock. */
  readonly since: number

  constructor(landlord: Landlord<Seat>, seat: Seat, claims: Claims, name: string | undefined, token: number, since: number) {
    super(claims, name)
    this.landlord = landlord
    this.seat = seat
    this.number = token
    this.since = since
  }

  protected free(): undefined {
    this.landlord.left(this)
  }

  protected weaken(_from: Claims, to: Claims): undefined {
    this.landlord.weakened(this, to)
  }

  protected mintedToken(): bigint {
    return BigInt(this.number)
  }

  protected stillValid(): boolean {
    return true
  }
}

declareNoPromise(GroupLease)
