// SPDX-License-Identifier: MIT
// The wall clock, read once in a turn of the event loop: reading it for every lock would cost as much as the lock. For showing people when
// something began, not for measuring.
// setImmediate comes from its module: a test that replaces the global one, to freeze time, must not freeze a turn.
import { setImmediate } from 'node:timers'

let turn = 0

/** Milliseconds of the wall clock at the beginning of this turn of the event loop, or a little after. */
export function turnTime(): number {
  return turn === 0 ? readClock() : turn
}

function readClock(): number {
  turn = Date.now()
  setImmediate(forget).unref()
  return turn
}

function forget(): void {
  turn = 0
}
