// SPDX-License-Identifier: MIT
// The home must hear the others before it serves itself: its own requests need no message, so a task that takes what it has just given back would
// do so for ever without a single turn of the event loop, in which the others could be heard at all.
//
// Therefore: what was given back in this turn is taken again in the next one; as long as nobody else has been heard for a while, only after a number
// of times.
import { type Turn, thisTurn } from '../../turn-clock.ts'

/** So many turns after the last message of another rank it is still expected to go on. */
const EXPECTED_FOR = 256
/** So often the home takes again in one turn, while it is alone. */
const STRAIGHT_ON = 64

export class Turnstile<Thing> {
  private readonly pass: (thing: Thing) => void
  private line: Thing[] = []
  private expected = 0
  private releasedIn: Turn | null = null
  private taken = 0

  /** @param pass called for each in its turn. */
  constructor(pass: (thing: Thing) => void) {
    this.pass = pass
  }

  /** Those who have to wait for a turn. */
  get waiting(): readonly Thing[] {
    return this.line
  }

  /** Another rank was heard. */
  heard(): void {
    this.expected = EXPECTED_FOR
  }

  /** The home gave something back. */
  released(): void {
    const turn = thisTurn()
    if (this.releasedIn !== turn) this.taken = 0
    this.releasedIn = turn
  }

  /** Passes at once, or in one of the next turns of the loop. */
  enter(thing: Thing): void {
    if (this.line.length === 0 && !this.tooFast()) {
      this.pass(thing)
      return
    }
    if (this.line.length === 0) setImmediate(this.open)
    this.line.push(thing)
  }

  private tooFast(): boolean {
    if (this.releasedIn === null || this.releasedIn !== thisTurn()) return false
    if (this.expected > 0) return true
    return ++this.taken >= STRAIGHT_ON
  }

  private readonly open = (): void => {
    if (this.expected > 0) this.expected--
    this.releasedIn = null
    const { line } = this
    this.line = []
    for (const thing of line) this.pass(thing)
  }
}
