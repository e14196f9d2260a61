// SPDX-License-Identifier: MIT
// Whoever gives a lock back does not wait for the home to hear of it. So before the home says of a lock that it is busy, it calls those who have
// something: their answers come behind all that they said before. A rank that is too busy to answer holds nobody up for long.

/** So long an answer is waited for, in milliseconds. */
const CALL_MS = 100

export class RollCall {
  private readonly call: (rank: number, number: number) => void
  private number = 0
  /** Who has not answered the call that is under way. */
  private readonly absent = new Set<number>()
  private due: (() => void)[] = []
  /** For those who came after it was made: who is to be called next. */
  private readonly nextAbsent = new Set<number>()
  private nextDue: (() => void)[] = []
  private timer: NodeJS.Timeout | null = null

  /** @param call sends the call with this number to a rank. */
  constructor(call: (rank: number, number: number) => void) {
    this.call = call
  }

  /** Calls `then` when all that these ranks have said before is known; at once, if there are none. */
  after(ranks: readonly number[], then: () => void): void {
    if (ranks.length === 0) {
      then()
      return
    }
    for (const rank of ranks) this.nextAbsent.add(rank)
    this.nextDue.push(then)
    if (this.timer === null) this.begin()
  }

  /** False for a call that was never made. */
  answered(rank: number, number: number): boolean {
    // One that was called before, and comes late, is of no use any more.
    if (number === this.number && this.timer !== null) this.present(rank)
    return number <= this.number
  }

  gone(rank: number): void {
    this.nextAbsent.delete(rank)
    if (this.timer !== null) this.present(rank)
  }

  /** Calls everybody back at once. */
  stop(): void {
    const { due, nextDue } = this
    this.nextDue = []
    this.due = [...due, ...nextDue]
    this.finish()
  }

  private begin(): void {
    this.number++
    this.due = this.nextDue
    this.nextDue = []
    for (const rank of this.nextAbsent) this.absent.add(rank)
    this.nextAbsent.clear()
    this.timer = setTimeout(() => this.finish(), CALL_MS)
    this.timer.unref()
    for (const rank of [...this.absent]) this.call(rank, this.number)
    if (this.absent.size === 0) this.finish()
  }

  private present(rank: number): void {
    if (this.absent.delete(rank) && this.absent.size === 0) this.finish()
  }

  private finish(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.absent.clear()
    const { due } = this
    this.due = []
    for (const next of due) next()
    if (this.nextDue.length > 0 && this.timer === null) this.begin()
  }
}
