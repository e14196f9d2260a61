// SPDX-License-Identifier: MIT
// The wall clock, read once in a turn of the event loop: reading it for every lock would cost as much as the lock. For showing people when
// something began, not for measuring.

/** Taken when we are loaded, so that a test that freezes time later does not freeze a turn. */
const later = setImmediate
let turn = 0

/** Milliseconds of the wall clock at the beginning of this turn of the event loop, or a little after. */
export function turnTime(): number {
  return turn === 0 ? readClock() : turn
}

function readClock(): number {
  turn = Date.now()
  later(forget).unref()
  return turn
}

function forget(): void {
  turn = 0
}
