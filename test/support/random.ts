// SPDX-License-Identifier: MIT
// Random numbers that can be had again: print the seed, and the same program comes back.

/** A generator of numbers in [0, 2^32): mulberry32 by Tommy Ettinger (public domain). */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

/** A seed that differs from run to run, unless HOLDFAST_TEST_SEED names one. */
export function freshSeed(): number {
  const given = process.env.HOLDFAST_TEST_SEED
  return given === undefined || given === '' ? Math.floor(Math.random() * 2 ** 32) : Number(given) >>> 0
}

/**
 * The shortest list found that still fails: takes pieces away, halves first, then single ones, as long as `fails` says so.
 */
export function shrink<Step>(steps: readonly Step[], fails: (shorter: readonly Step[]) => boolean): readonly Step[] {
  let best = steps
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.length; ) {
      const shorter = [...best.slice(0, start), ...best.slice(start + size)]
      if (fails(shorter)) best = shorter
      else start += size
    }
  }
  return best
}
