// SPDX-License-Identifier: MIT
// Which pages of a write really change. HDF5 reads 64 KiB around the few elements that somebody writes, and writes all of it back: what is the same as
// before need not be saved, nor written.
import { PAGE_BYTES } from './journal-format.ts'

/** As much as HDF5 takes at a time (its sieve buffer). What is longer is new, and not worth comparing. */
const MOST_BYTES = 65_536

/** A part of what is written. */
export interface Part {
  readonly from: number
  readonly to: number
}

const before: Buffer = Buffer.allocUnsafeSlow(MOST_BYTES)

/**
 * The parts that differ from what `read` finds at the same position, in whole pages of the file. All of it where nothing differs: the file's
 * times should tell that it was written.
 */
export function changedParts(bytes: Uint8Array, position: number, read: (into: Uint8Array, position: number) => number): readonly Part[] {
  const { length } = bytes
  const all = [{ from: 0, to: length }]
  if (length <= PAGE_BYTES || length > MOST_BYTES) return all
  const known = read(before.subarray(0, length), position)
  const parts: { from: number; to: number }[] = []
  let last: { from: number; to: number } | undefined
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from + PAGE_BYTES - ((position + from) % PAGE_BYTES))
    const differs = to > known || before.compare(bytes, from, to, from, to) !== 0
    if (differs) {
      if (last?.to === from) last.to = to
      else {
        last = { from, to }
        parts.push(last)
      }
    }
    from = to
  }
  return parts.length === 0 ? all : parts
}
