// SPDX-License-Identifier: MIT
// When a user of an engine may give up its place among the users: no lease and no child that was started under one is left, no request is under way,
// and no lease was held so lately that the engine may still keep it, and its holder still be on the way out.
//
// Looks come now and then, and a lease may come or go between two of them: what was there at the last look, or was granted since, counts as lasting
// until the next.

export class Tenure {
  /** Requests under way. */
  asks = 0
  /** Leases for which a child may have been started, and whose holders have not said that it is gone. */
  lent = 0
  private readonly graceMs: number
  /** There was a lease at the last look, or since. */
  private held = false
  private heldAt: number

  /** @param graceMs how long after its holder's deadline an engine may keep a lease. */
  constructor(graceMs: number, nowMs: number) {
    this.graceMs = graceMs
    this.heldAt = nowMs - graceMs
  }

  /** A lease was granted. */
  note(): void {
    this.held = true
  }

  /** How many milliseconds are left until the place may be given up, if nothing happens: 0 is now, infinity as long as somebody needs it. */
  leftMs(leases: number, nowMs: number): number {
    if (leases > 0 || this.held) this.heldAt = nowMs
    this.held = leases > 0
    if (leases > 0 || this.asks > 0 || this.lent > 0) return Number.POSITIVE_INFINITY
    return Math.max(0, this.heldAt + this.graceMs - nowMs)
  }
}
