// SPDX-License-Identifier: MIT
// What a session does while it waits for servers: pauses that grow, in an order of servers that is no other client's, and a program that stays
// alive for it, or does not.

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
const FOR_EVER_MS = 2 ** 31 - 1

/** Pauses between attempts, each twice as long as the one before, up to half a second. No program stays alive for them. */
export class Pause {
  private ms = FIRST_PAUSE_MS
  private wake: () => void = () => {}

  /** What the next one takes at most. */
  get nextMs(): number {
    return this.ms * 1.5
  }

  take(): Promise<void> {
    const { ms } = this
    this.ms = Math.min(LONGEST_PAUSE_MS, ms * 2)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms * (0.5 + Math.random())).unref()
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** There is no need to wait any longer. */
  cutShort(): void {
    this.wake()
  }

  reset(): void {
    this.ms = FIRST_PAUSE_MS
  }
}

/** Keeps the program alive. One thing to hold instead of whatever is waited for at the moment: sockets and timers that come and go. */
export class KeepAlive {
  private readonly timer: NodeJS.Timeout = setInterval(() => {}, FOR_EVER_MS)

  set(alive: boolean): void {
    if (alive) this.timer.ref()
    else this.timer.unref()
  }

  end(): void {
    clearInterval(this.timer)
  }
}

export function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
