// SPDX-License-Identifier: MIT
// The wall clock, read once in a turn of the event loop, or once in a few milliseconds: reading it for every lock would cost as much as the lock. For
// showing people when something began, not for measuring.
// setImmediate comes from its module: a test that replaces the global one, to freeze time, must not freeze a turn.
import { setImmediate, setTimeout } from 'node:timers'

/** A turn of the event loop. Leases point to it: a number of this size would be one more object in each of them. */
export interface Turn {
  /** Milliseconds of the wall clock at its beginning, or a little after. */
  readonly time: number
}

let turn: Turn | null = null

export function thisTurn(): Turn {
  return turn ?? begin()
}

function begin(): Turn {
  turn = { time: Date.now() }
  // Not unref'd: in a timer of an idle process it would then wait for the next event. It keeps nothing alive for longer than this turn.
  setImmediate(forget)
  return turn
}

function forget(): void {
  turn = null
}

/** How late {@link recently} may be, and somewhat more where the event loop is held up. */
const RECENT_MS = 5

let recent = 0
let isRecent = false

/** Milliseconds of the wall clock, a moment ago: for what happens in many short turns, where {@link thisTurn} would read the clock in each. */
export function recently(): number {
  if (!isRecent) {
    recent = Date.now()
    isRecent = true
    setTimeout(grewOld, RECENT_MS).unref()
  }
  return recent
}

function grewOld(): void {
  isRecent = false
}
