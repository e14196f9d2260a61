// SPDX-License-Identifier: MIT
// Numbers that look random and are the same for the same seed.
import { createHash } from 'node:crypto'

/** Mulberry32 by Tommy Ettinger (public domain). */
export class Dice {
  private state: number

  /** @param names tell one use of a seed from another: each has numbers of its own. */
  constructor(seed: number, ...names: readonly (string | number)[]) {
    this.state = createHash('sha256')
      .update([seed, ...names].join('/'))
      .digest()
      .readInt32LE()
  }

  /** From 0 to 1, 1 not included. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to `limit`, `limit` not included. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  one<Thing>(things: readonly Thing[]): Thing {
    return things[this.below(things.length)]!
  }
}
