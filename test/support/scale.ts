// SPDX-License-Identifier: MIT
// One variable scales every random test: HOLDFAST_TEST_SCALE (default 1, a fraction for a quick look, 20 for a night).

const text = process.env.HOLDFAST_TEST_SCALE?.trim() || '1'

/** How much longer than usual the random tests run. */
export const scale: number = Number(text)
if (!(scale > 0 && scale < Number.POSITIVE_INFINITY)) {
  throw new Error(`HOLDFAST_TEST_SCALE is a number above 0, not ${JSON.stringify(text)}.`)
}

/** `count` rounds at the usual scale; never fewer than `least`. */
export function scaled(count: number, least: number = 1): number {
  return Math.max(least, Math.round(count * scale))
}

/** A time limit in milliseconds that grows with the scale, and does not shrink with it. */
export function patience(usualMs: number): number {
  return Math.ceil(usualMs * Math.max(1, scale))
}
