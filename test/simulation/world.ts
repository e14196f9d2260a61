// SPDX-License-Identifier: MIT
// A world with one time, in which one thing happens after the other: events by their moment, and in the order in which they were planned.

type Happening = () => void | Promise<void>

interface Event {
  /** µs since the world began. */
  readonly at: number
  readonly number: number
  readonly happen: Happening
}

export class World {
  /** µs since the world began. */
  now = 0
  happened = 0
  /** What happened, for people; null where nobody reads it. */
  readonly diary: string[] | null
  /** A heap: each event comes before the two below it. */
  private readonly events: Event[] = []
  private planned = 0

  constructor(diary: string[] | null = null) {
    this.diary = diary
  }

  at(moment: number, happen: Happening): void {
    const event = { at: Math.max(moment, this.now), number: this.planned++, happen }
    const { events } = this
    let place = events.length
    for (let above = (place - 1) >> 1; place > 0 && before(event, events[above]!); above = (place - 1) >> 1) {
      events[place] = events[above]!
      place = above
    }
    events[place] = event
  }

  after(us: number, happen: Happening): void {
    this.at(this.now + us, happen)
  }

  /** Lets everything happen up to a moment, or until `done` says so. Answers whether it did. */
  async runUntil(moment: number, done: () => boolean = () => false): Promise<boolean> {
    while (!done()) {
      const next = this.events[0]
      if (next === undefined || next.at > moment) {
        this.now = Math.max(this.now, moment)
        return done()
      }
      this.takeFirst()
      this.now = next.at
      this.happened++
      const going = next.happen()
      if (going !== undefined) await going
    }
    return true
  }

  note(what: string): void {
    this.diary?.push(`${(this.now / 1_000).toFixed(3).padStart(10)} ${what}`)
  }

  private takeFirst(): void {
    const { events } = this
    const last = events.pop()!
    if (events.length === 0) return
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= events.length) break
      if (below + 1 < events.length && before(events[below + 1]!, events[below]!)) below++
      if (!before(events[below]!, last)) break
      events[place] = events[below]!
      place = below
    }
    events[place] = last
  }
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.number < other.number)
}
