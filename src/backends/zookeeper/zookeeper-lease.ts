// SPDX-License-Identifier: MIT
// A lease that lasts as long as its session.
import { declareNoPromise, Lease } from '../../core/lease.ts'
import { bootNow } from '../../native/clock.ts'
import type { Entry } from './entry.ts'
import type { Queues } from './queues.ts'

/** What a lease asks of its backend. */
export interface Landlord {
  left(lease: ZooKeeperLease): Promise<void>
}

export class ZooKeeperLease extends Lease {
  /** @internal */
  readonly queues: Queues
  /** @internal */
  readonly entry: Entry
  readonly since: number = Date.now()
  private readonly landlord: Landlord

  constructor(landlord: Landlord, queues: Queues, entry: Entry, name: string | undefined) {
    super(entry.record.claims, name)
    this.landlord = landlord
    this.queues = queues
    this.entry = entry
  }

  /** @internal The session was heard of, and lasts longer. */
  renewed(): void {
    this.reflect(this.queues.session.deadline)
  }

  protected free(): Promise<void> {
    return this.landlord.left(this)
  }

  protected weaken(): Promise<void> {
    return this.queues.weaken(this.entry)
  }

  protected mintedToken(): bigint {
    return this.entry.zxid
  }

  protected stillValid(): boolean {
    return bootNow() < this.queues.session.deadline
  }

  protected override deadline(): bigint {
    return this.queues.session.deadline
  }
}

declareNoPromise(ZooKeeperLease)
