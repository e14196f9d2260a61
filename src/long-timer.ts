// SPDX-License-Identifier: MIT
// A timer of any length. The platform's own fires at once when it is asked for more than 2^31-1 ms.

const LONGEST_MS = 2 ** 31 - 1

export class LongTimer {
  private timer: NodeJS.Timeout | null = null

  /** Calls `ring` once, after `ms` milliseconds; never, if that is infinite. */
  start(ms: number, ring: () => void): void {
    const step = Math.min(ms, LONGEST_MS)
    this.timer = setTimeout(() => (step < ms ? this.start(ms - step, ring) : ring()), step)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}
