// SPDX-License-Identifier: MIT
// Cuts a selection into blocks that are read or written one after the other, in C order, and along the borders of chunks where that can be:
// HDF5 unpacks a chunk anew for each block that it belongs to.
import { sizeOf } from '../values/nd-array.ts'
import type { ResolvedSelection } from '../values/selection.ts'

export interface Block {
  readonly start: readonly number[]
  readonly count: readonly number[]
  /** In elements, from the first of the selection. */
  readonly offset: number
}

/** For the sake of whole chunks a block may grow to so many bytes. */
const MOST_BYTES = 256 * 2 ** 20

/** @param limit bytes in a block, except for the sake of whole chunks */
export function* blocksOf(
  part: ResolvedSelection,
  elementBytes: number,
  chunks: readonly number[] | null,
  limit: number,
): Generator<Block> {
  const { start, count, step } = part
  if (sizeOf(count) === 0) return
  if (sizeOf(count) * elementBytes <= limit) {
    yield { start, count, offset: 0 }
    return
  }
  /** Elements in one index of each axis. */
  const below = count.map((_, axis) => sizeOf(count.slice(axis + 1)))
  const most = limit >= MOST_BYTES ? limit : Math.min(MOST_BYTES, 8 * limit)
  /** Bytes in the part of the selection that lies in a row of chunks. */
  const band = (axis: number) => Math.min(Math.ceil((chunks?.[axis] ?? 1) / step[axis]!), count[axis]!) * below[axis]! * elementBytes
  let axis = count.findIndex((_, axis) => band(axis) <= most)
  if (axis < 0) axis = below.findIndex((size) => size * elementBytes <= limit)
  if (axis < 0) axis = count.length - 1
  const isAligned = band(axis) <= most
  const chunk = isAligned ? (chunks?.[axis] ?? 1) : 1
  const usual = Math.max(1, Math.floor(limit / (below[axis]! * elementBytes)))
  for (let outer = 0; outer < sizeOf(count.slice(0, axis)); outer++) {
    const position = unravel(outer, count.slice(0, axis)).map((index, outerAxis) => start[outerAxis]! + index * step[outerAxis]!)
    for (let done = 0; done < count[axis]!; ) {
      const first = start[axis]! + done * step[axis]!
      const length = Math.min(count[axis]! - done, toBorder(first, usual, step[axis]!, chunk))
      yield {
        start: [...position, first, ...start.slice(axis + 1)],
        count: [...position.map(() => 1), length, ...count.slice(axis + 1)],
        offset: (outer * count[axis]! + done) * below[axis]!,
      }
      done += length
    }
  }
}

/** How many indices lead from `first` to the last border of chunks within the usual length, or to the next one if that is further. */
function toBorder(first: number, usual: number, step: number, chunk: number): number {
  const last = Math.floor((first + usual * step) / chunk) * chunk
  const border = last > first ? last : (Math.floor(first / chunk) + 1) * chunk
  return Math.max(1, Math.ceil((border - first) / step))
}

function unravel(index: number, shape: readonly number[]): number[] {
  const position = new Array<number>(shape.length)
  for (let axis = shape.length - 1, left = index; axis >= 0; axis--) {
    position[axis] = left % shape[axis]!
    left = Math.floor(left / shape[axis]!)
  }
  return position
}
