// SPDX-License-Identifier: MIT
// What one script had no time for is done by the next: claims to be opened, and what dead sessions left. Whoever waits looks after it.
import { listOf } from './answers.ts'
import type { Link } from './link.ts'

/** A script is told that there is more to do. */
export const MORE = 2

/** A little after the moment at which a session expires, and not all waiting processes in one instant. */
const LEAST_DELAY_MS = 1
const SPREAD_MS = 4
/** No session lasts longer: what says so is no answer of ours. */
const LONGEST_US = 3_600_000_000

export class Tidying {
  private readonly link: Link
  private readonly wanted: () => boolean
  private busy = false
  private timer: NodeJS.Timeout | null = null

  /** @param wanted somebody here waits. */
  constructor(link: Link, wanted: () => boolean) {
    this.link = link
    this.wanted = wanted
  }

  /** Goes on until nothing is left to do. Failures are left to the next who comes. */
  begin(): void {
    if (this.busy) return
    this.busy = true
    this.work().then(
      () => {
        this.busy = false
      },
      () => {
        this.busy = false
      },
    )
  }

  /** As {@link begin}; resolves when it is done, or cannot be. */
  async work(): Promise<void> {
    for (;;) {
      const [nextExpiryUs, more] = listOf(await this.link.ask('tidy', this.link.leaseUs))
      if (Number(more) === MORE) continue
      this.expectExpiry(Number(nextExpiryUs))
      return
    }
  }

  /** A session will be dead in so many µs if it is not heard of: whoever waits for what it holds wants to know. -1: there is none. */
  expectExpiry(us: number): void {
    if (!(us >= 0 && us <= LONGEST_US) || this.timer !== null || !this.wanted()) return
    const look = (): void => {
      this.timer = null
      if (this.wanted()) this.begin()
    }
    this.timer = setTimeout(look, us / 1_000 + LEAST_DELAY_MS + SPREAD_MS * Math.random())
    this.timer.unref()
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}
