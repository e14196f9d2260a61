// SPDX-License-Identifier: MIT
// Figures beside their targets.
import type { Target } from './harness.ts'

export function keeps(value: number, { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Target): boolean {
  return value >= atLeast && value <= atMost
}

/** `≤ 2`, or `≥ 2`. */
export function bound({ atLeast, atMost }: Target): string {
  return atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
}
