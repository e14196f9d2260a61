// SPDX-License-Identifier: MIT
// A lease that lasts as long as its session is heard of.
import type { Claims } from '../../core/claims.ts'
import { declareNoPromise, Lease } from '../../core/lease.ts'
import { bootNow } from '../../native/clock.ts'
import type { Request } from './requests.ts'
import type { Session } from './session.ts'

/** What a lease asks of its backend. */
export interface Landlord {
  left(lease: RedisLease): Promise<void> | undefined
  weakened(lease: RedisLease, to: Claims): Promise<void>
}

export class RedisLease extends Lease {
  /** @internal */
  readonly id: string
  /** @internal */
  readonly session: Session
  /** @internal Its request stood in the line: others may stand behind it. */
  readonly waited: boolean
  private readonly landlord: Landlord
  /** µs of the server's clock, in decimal. */
  private readonly stamp: string

  constructor(landlord: Landlord, session: Session, { id, claims, name, inLineSince }: Request, stamp: string) {
    super(claims, name)
    this.landlord = landlord
    this.session = session
    this.id = id
    this.waited = inLineSince !== 0
    this.stamp = stamp
  }

  /** By the server's clock. */
  get since(): number {
    return Number(this.stamp) / 1_000
  }

  /** @internal The session was heard of, and lasts longer. */
  renewed(): void {
    this.reflect(this.session.deadline)
  }

  protected free(): Promise<void> | undefined {
    return this.landlord.left(this)
  }

  protected weaken(_from: Claims, to: Claims): Promise<void> {
    return this.landlord.weakened(this, to)
  }

  protected mintedToken(): bigint {
    return BigInt(this.stamp)
  }

  protected stillValid(): boolean {
    return bootNow() < this.session.deadline
  }

  protected override deadline(): bigint {
    return this.session.deadline
  }
}

declareNoPromise(RedisLease)
