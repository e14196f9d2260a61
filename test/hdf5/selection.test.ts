// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { isHdf5Error } from '../../src/hdf5/errors.ts'
import { type Index, type ResolvedSelection, resolve, type Selection, slice } from '../../src/hdf5/values/selection.ts'
import { askPython, hasH5py } from '../support/python.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

const where = { file: 'data.h5', object: '/x' }

function refusal(selection: unknown, shape: number[]): string {
  try {
    resolve(selection as Selection, shape, where)
  } catch (error) {
    if (isHdf5Error(error, 'HDF5_BOUNDS')) return error.message
    throw error
  }
  throw new Error('It was not refused.')
}

/** The indices of one axis, one by one. */
function taken({ start, count, step }: ResolvedSelection, axis: number): number[] {
  return Array.from({ length: count[axis]! }, (_, index) => start[axis]! + index * step[axis]!)
}

describe('A slice', () => {
  test("is written as Python's.", () => {
    expect(slice(5)).toEqual({ start: null, stop: 5, step: null })
    expect(slice(2, 5)).toEqual({ start: 2, stop: 5, step: null })
    expect(slice(-3, null, 2)).toEqual({ start: -3, stop: null, step: 2 })
  })

  test.skipIf(!hasH5py)('takes what Python takes.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const end = (length: number): number | null => (next() % 4 === 0 ? null : (next() % (3 * length + 7)) - Math.floor(1.5 * length) - 3)
    const cases = Array.from({ length: scaled(3000) }, () => {
      const length = next() % 12
      return { length, start: end(length), stop: end(length), step: next() % 3 === 0 ? null : (next() % 5) + 1 }
    })
    const script =
      'import json, sys\nprint(json.dumps([list(range(*slice(c["start"], c["stop"], c["step"]).indices(c["length"]))) for c in json.load(sys.stdin)]))'
    const expected = askPython<number[][]>(script, cases)
    for (const [index, { length, ...part }] of cases.entries()) {
      expect(taken(resolve([part], [length], where), 0), `seed ${seed}: ${JSON.stringify(cases[index])}`).toEqual(expected[index])
    }
  })

  test('that takes one index or none has the step 1, however long its step is.', () => {
    expect(resolve([slice(0, 5, 1e300)], [5], where)).toEqual({ start: [0], count: [1], step: [1], shape: [1] })
    expect(resolve([slice(4, 2)], [5], where)).toEqual({ start: [4], count: [0], step: [1], shape: [0] })
  })

  test('is refused with a step below 1, or with ends that are no integers.', () => {
    expect(refusal([slice(0, 5, -1)], [5])).toBe('/x in data.h5: axis 0: the step of a slice is at least 1, not -1.')
    expect(refusal([slice(0, 5, 0)], [5])).toContain('at least 1')
    expect(refusal([slice(0.5)], [5])).toContain('the stop of a slice is an integer or null, not 0.5')
    expect(refusal([slice(Number.NaN, 3)], [5])).toContain('the start of a slice is an integer or null, not NaN')
  })
})

describe('A selection', () => {
  test('drops the axes of single indices.', () => {
    expect(resolve([-1, slice(1, 3)], [4, 5, 6], where)).toEqual({ start: [3, 1, 0], count: [1, 2, 6], step: [1, 1, 1], shape: [2, 6] })
  })

  test("takes whole axes for null, for '...' and for axes that are not named.", () => {
    const whole = { start: [0, 0], count: [2, 3], step: [1, 1], shape: [2, 3] }
    for (const selection of [[], ['...'], [null], [null, null], ['...', null], [null, null, '...']] as const) {
      expect(resolve(selection, [2, 3], where)).toEqual(whole)
    }
    expect(resolve(['...', 1], [2, 3, 4], where).shape).toEqual([2, 3])
    expect(resolve([1, '...'], [2, 3, 4], where).shape).toEqual([3, 4])
  })

  test("of a scalar is nothing, or '...'.", () => {
    const scalar = { start: [], count: [], step: [], shape: [] }
    expect(resolve([], [], where)).toEqual(scalar)
    expect(resolve(['...'], [], where)).toEqual(scalar)
    expect(refusal([0], [])).toBe('/x in data.h5: 1 index is too many: it is a scalar.')
  })

  test('is refused when an index is out of bounds; the message says which.', () => {
    expect(refusal([0, 5], [4, 5])).toBe('/x in data.h5: index 5 is out of bounds for axis 1, whose length is 5.')
    expect(refusal([-5], [4])).toContain('index -5 is out of bounds for axis 0')
    expect(refusal([0], [0])).toContain('index 0 is out of bounds')
  })

  test('is refused when it is malformed.', () => {
    expect(refusal(['...', '...'], [4, 5])).toContain("only one '...'")
    expect(refusal([0, 0, 0], [4, 5])).toContain('3 indices are too many: it has 2 axes, of the shape [4, 5]')
    expect(refusal([1.5], [4])).toContain('an index is an integer, not 1.5')
    expect(refusal([Number.NaN], [4])).toContain('not NaN')
    expect(refusal(['all'], [4])).toContain('not "all"')
    expect(refusal([{}], [4])).toContain("an index is a number, a slice, null or '...'")
    expect(refusal(3, [4])).toContain('a selection is a list of indices, not 3')
  })

  test('takes what going through all indices takes.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(500); round++) {
      const shape = Array.from({ length: next() % 4 }, () => next() % 5)
      const selection = shape.map((length): Exclude<Index, '...'> => {
        if (length > 0 && next() % 3 === 0) return (next() % (2 * length)) - length
        return next() % 4 === 0 ? null : slice((next() % 13) - 6, (next() % 13) - 6, (next() % 3) + 1)
      })
      const resolved = resolve(selection, shape, where)
      for (const [axis, index] of selection.entries()) {
        const all = Array.from({ length: shape[axis]! }, (_, position) => position)
        const part =
          typeof index === 'number'
            ? [all.at(index)]
            : index === null
              ? all
              : all.slice(index.start!, index.stop!).filter((_, at) => at % index.step! === 0)
        expect(taken(resolved, axis), `seed ${seed}: ${JSON.stringify({ shape, selection })}`).toEqual(part)
      }
      expect(resolved.shape).toEqual(resolved.count.filter((_, axis) => typeof selection[axis] !== 'number'))
    }
  })
})
