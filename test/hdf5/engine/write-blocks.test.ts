// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { blocksOf } from '../../../src/hdf5/engine/blocks.ts'
import { sizeOf } from '../../../src/hdf5/values/nd-array.ts'
import type { ResolvedSelection } from '../../../src/hdf5/values/selection.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'

/** Every index that a part of a dataset has, in C order. */
function indices(start: readonly number[], count: readonly number[], step: readonly number[]): string[] {
  return start.reduce<string[]>(
    (all, first, axis) =>
      all.flatMap((prefix) => Array.from({ length: count[axis]! }, (_, index) => `${prefix} ${first + index * step[axis]!}`)),
    [''],
  )
}

describe('A large part', () => {
  test('is cut into blocks that are every element once, in order, and not much larger than the limit.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(500); round++) {
      const rank = (next() % 3) + 1
      const count = Array.from({ length: rank }, () => (next() % 6) + 1)
      const step = count.map(() => (next() % 3) + 1)
      const part: ResolvedSelection = { start: count.map(() => next() % 4), count, step, shape: count }
      const chunks = next() % 2 === 0 ? null : count.map(() => (next() % 4) + 1)
      const limit = (next() % 60) + 1
      const label = `seed ${seed}: ${JSON.stringify({ part, chunks, limit })}`
      const all = [...blocksOf(part, 2, chunks, limit)]
      expect(
        all.flatMap((block) => indices(block.start, block.count, step)),
        label,
      ).toEqual(indices(part.start, count, step))
      let offset = 0
      for (const block of all) {
        expect(block.offset, label).toBe(offset)
        offset += sizeOf(block.count)
        // For the sake of whole chunks a block may be eight times as large.
        expect(2 * sizeOf(block.count), label).toBeLessThanOrEqual(Math.max(8 * limit, 2))
      }
    }
  })

  test('is cut where chunks end.', () => {
    const part: ResolvedSelection = { start: [3], count: [20], step: [1], shape: [20] }
    expect([...blocksOf(part, 1, [4], 9)].map(({ start, count }) => [start[0], count[0]])).toEqual([
      [3, 9],
      [12, 8],
      [20, 3],
    ])
  })
})
