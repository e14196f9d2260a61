// SPDX-License-Identifier: MIT
// How soon a client of ours tries again after its connection was cut.

const FIRST_MS = 20
const LONGEST_MS = 1_000

/** @param tries how often it has tried in vain. */
export function reconnectAfterMs(tries: number): number {
  const wait = Math.min(FIRST_MS * 2 ** Math.min(tries, 10), LONGEST_MS)
  // Spread, so that all the processes of a site do not come back in one instant.
  return wait * (0.5 + Math.random() / 2)
}
