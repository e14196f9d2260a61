// SPDX-License-Identifier: MIT
// Asks before each step that changes a file whether the lock on it still holds.
import { LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'

/** What a lease's cell says when it does not run out by itself. */
const FOR_EVER = 2n ** 63n - 1n

export class LeaseGuard {
  private readonly path: string
  private readonly cell: BigInt64Array | null
  private loss: LockError | null = null

  /** `lease`: one BigInt64, the moment of CLOCK_BOOTTIME in ns until which it is good; 0 when it is gone. Null: there is none to lose. */
  constructor(lease: SharedArrayBuffer | null, path: string) {
    this.path = path
    this.cell = lease === null ? null : new BigInt64Array(lease)
  }

  /** @throws LockError `LOCK_LOST`, for ever once it has done so: whoever lost a lease may not go on because a later one is good. */
  check(): void {
    if (!this.holds) throw this.loss
  }

  get holds(): boolean {
    if (this.loss !== null) return false
    if (this.cell === null) return true
    const until = Atomics.load(this.cell, 0)
    if (until === FOR_EVER || (until > 0n && bootNow() < until)) return true
    this.loss = new LockError(
      'LOCK_LOST',
      `The lock on ${this.path} was lost. What was begun is left to its next holder, who rolls it back.`,
    )
    return false
  }
}
