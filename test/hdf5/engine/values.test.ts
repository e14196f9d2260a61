// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { guessChunks } from '../../../src/hdf5/engine/chunks.ts'
import { broadcast, readValue } from '../../../src/hdf5/engine/values.ts'
import { type Hdf5ErrorCode, isHdf5Error } from '../../../src/hdf5/errors.ts'
import type { Dtype } from '../../../src/hdf5/values/dtype.ts'
import { ndArray, sizeOf, strideOf, toNested } from '../../../src/hdf5/values/nd-array.ts'
import { askPython, hasH5py } from '../../support/python.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'

const where = { file: 'data.h5', object: '/x' }

function read(value: unknown, dtype?: Dtype): { elements: unknown; shape: readonly number[]; dtype: Dtype } {
  const { elements, ...rest } = readValue(value, dtype, where)
  return { elements: ArrayBuffer.isView(elements) ? elements : Array.from(elements), ...rest }
}

function refusal(code: Hdf5ErrorCode, work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isHdf5Error(error, code)) return error.message
    throw error
  }
  throw new Error('It was not refused.')
}

describe('A value', () => {
  test('has the type of what it is made of.', () => {
    expect(read(3)).toEqual({ elements: [3], shape: [], dtype: 'float64' })
    expect(
      read([
        [1, 2],
        [3, 4],
      ]),
    ).toEqual({ elements: [1, 2, 3, 4], shape: [2, 2], dtype: 'float64' })
    expect(read([1n, 2n]).dtype).toBe('int64')
    expect(read([1n, 2n ** 63n]).dtype).toBe('uint64')
    expect(read(true)).toEqual({ elements: [true], shape: [], dtype: 'bool' })
    expect(read(['a', 'b'])).toEqual({ elements: ['a', 'b'], shape: [2], dtype: 'string' })
    expect(read([])).toEqual({ elements: [], shape: [0], dtype: 'float64' })
    expect(read([[], []])).toEqual({ elements: [], shape: [2, 0], dtype: 'float64' })
    expect(read(Int16Array.of(1, 2))).toEqual({ elements: Int16Array.of(1, 2), shape: [2], dtype: 'int16' })
    expect(read([Int16Array.of(1, 2), Int16Array.of(3, 4)])).toEqual({ elements: Int16Array.of(1, 2, 3, 4), shape: [2, 2], dtype: 'int16' })
    expect(read(Uint8ClampedArray.of(1)).dtype).toBe('uint8')
    expect(read(Buffer.from([1, 2]))).toEqual({ elements: Uint8Array.of(1, 2), shape: [2], dtype: 'uint8' })
    expect(read({ x: 1, name: 'a', at: Float32Array.of(1, 2) }).dtype).toEqual({
      type: 'compound',
      fields: [
        { name: 'x', dtype: 'float64' },
        { name: 'name', dtype: 'string' },
        { name: 'at', dtype: { type: 'array', base: 'float32', shape: [2] } },
      ],
    })
    expect(read([{ type: 'reference', path: '/a', to: 'region', bytes: new Uint8Array(12) }]).dtype).toEqual({
      type: 'reference',
      to: 'region',
    })
  })

  test('in another order of its axes is put into C order.', () => {
    const data = Int8Array.of(0, 1, 2, 3, 4, 5)
    expect(read({ data, shape: [3, 2], stride: [1, 3] })).toEqual({
      elements: Int8Array.of(0, 3, 1, 4, 2, 5),
      shape: [3, 2],
      dtype: 'int8',
    })
    expect(read({ data, shape: [2, 3], stride: [3, 1] }).elements).toBe(data)
    expect(read({ data, shape: [2, 3] }).elements).toBe(data)
    expect(read({ data: ['a', 'b'], shape: [2, 2], stride: [0, 1] }).elements).toEqual(['a', 'b', 'a', 'b'])
    expect(
      read([
        { data, shape: [2, 3] },
        { data, shape: [2, 3] },
      ]).shape,
    ).toEqual([2, 2, 3])
    expect(refusal('HDF5_SHAPE', () => read({ data, shape: [3, 3] }))).toContain('6 elements do not make an array of the shape [3, 3]')
    expect(refusal('HDF5_SHAPE', () => read({ data, shape: [-1] }))).toContain('[-1] is no shape')
  })

  test('that is ragged is refused.', () => {
    expect(refusal('HDF5_SHAPE', () => read([[1, 2], [3]]))).toBe(
      '/x in data.h5: the lists are ragged: entry 0 has the shape [2], entry 1 has [1].',
    )
    expect(refusal('HDF5_SHAPE', () => read([1, [2]]))).toContain('entry 0 is a single element, entry 1 is a list of 1')
    expect(refusal('HDF5_SHAPE', () => read([[1], 2]))).toContain('ragged')
    const endless: unknown[] = []
    endless.push(endless)
    expect(refusal('HDF5_SHAPE', () => read(endless))).toContain('64 levels')
  })

  test('that HDF5 cannot store is refused, with advice.', () => {
    for (const value of [
      null,
      undefined,
      () => 1,
      Symbol('a'),
      new Date(),
      new Map(),
      new Set(),
      new ArrayBuffer(8),
      new DataView(new ArrayBuffer(8)),
      {},
    ]) {
      refusal('HDF5_TYPE', () => read(value))
      refusal('HDF5_TYPE', () => read([value]))
    }
    expect(refusal('HDF5_TYPE', () => read(new Date()))).toContain('store the milliseconds as int64')
    expect(refusal('HDF5_TYPE', () => read(new ArrayBuffer(8)))).toContain('wrap it in a typed array')
    expect(refusal('HDF5_TYPE', () => read([1, 2n]))).toContain('1 and 2n are not of one type; say which is meant with dtype')
    expect(refusal('HDF5_TYPE', () => read([1, undefined]))).toContain('undefined cannot be stored')
  })

  test('of lists, arrays or bytes is read by the type that is asked for.', () => {
    const lists: Dtype = { type: 'vlen', base: 'int32' }
    expect(read([1, 2], lists)).toMatchObject({ elements: [[1, 2]], shape: [] })
    expect(read([[1, 2], [], [3]], lists)).toMatchObject({ elements: [[1, 2], [], [3]], shape: [3] })
    expect(read([Int32Array.of(1), Int32Array.of(2, 3)], lists)).toMatchObject({ shape: [2] })
    expect(read(Int32Array.of(1), lists)).toMatchObject({ elements: [Int32Array.of(1)], shape: [] })
    expect(read([[[1]], [[]]], lists)).toMatchObject({ elements: [[1], []], shape: [2, 1] })
    expect(read([[['a'], []], []], { type: 'vlen', base: { type: 'vlen', base: 'string' } })).toMatchObject({
      elements: [[['a'], []], []],
      shape: [2],
    })
    const bytes: Dtype = { type: 'opaque', size: 2 }
    expect(read([Uint8Array.of(1, 2), Uint8Array.of(3, 4)], bytes)).toMatchObject({ shape: [2] })
    expect(read(Uint8Array.of(1, 2), bytes)).toMatchObject({ elements: [Uint8Array.of(1, 2)], shape: [] })
    const arrays: Dtype = { type: 'array', base: 'float32', shape: [3] }
    expect(
      read(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        arrays,
      ),
    ).toEqual({ elements: [1, 2, 3, 4, 5, 6], shape: [2], dtype: arrays })
    expect(read([1, 2, 3], arrays)).toMatchObject({ elements: [1, 2, 3], shape: [] })
    expect(read(7, arrays)).toMatchObject({ elements: [7, 7, 7], shape: [] })
    expect(refusal('HDF5_SHAPE', () => read([1, 2], arrays))).toContain('the shape [2] does not end in that of the array type, [3]')
  })

  test.skipIf(!hasH5py)('is broadcast as NumPy does it.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const cases = Array.from({ length: scaled(400) }, () => {
      const to = Array.from({ length: next() % 4 }, () => next() % 4)
      const from = (next() % 5 === 0 ? [1, ...to] : to.slice(next() % (to.length + 1))).map((length) =>
        next() % 3 === 0 ? 1 : next() % 9 === 0 ? 2 : length,
      )
      return { from, to }
    })
    const script = `
import json, sys, numpy
def spread(case):
    value = numpy.arange(numpy.prod(case["from"], dtype=int)).reshape(case["from"])
    try:
        target = numpy.zeros(case["to"], int)
        target[...] = value
        return target.ravel().tolist()
    except ValueError:
        return None
print(json.dumps([spread(case) for case in json.load(sys.stdin)]))`
    const expected = askPython<(number[] | null)[]>(script, cases)
    for (const [index, { from, to }] of cases.entries()) {
      const elements = Array.from({ length: sizeOf(from) }, (_, element) => element)
      const label = `seed ${seed}: ${JSON.stringify({ from, to })}`
      for (const given of [elements, Int32Array.from(elements)]) {
        if (expected[index] === null)
          expect(
            refusal('HDF5_SHAPE', () => broadcast(given, from, to, where)),
            label,
          ).toContain('does not fit the shape')
        else expect(Array.from(broadcast(given, from, to, where)), label).toEqual(expected[index])
      }
    }
    expect(refusal('HDF5_SHAPE', () => broadcast([1, 2], [2], [3], where))).toBe(
      '/x in data.h5: a value of the shape [2] does not fit the shape [3].',
    )
    expect(refusal('HDF5_TOO_LARGE', () => broadcast([1, 2], [2], [2 ** 31, 2], where))).toContain('write them in parts')
  })
})

describe('An array', () => {
  test('has the strides of C order, and becomes lists in lists.', () => {
    const array = ndArray(Int16Array.of(1, 2, 3, 4, 5, 6), [2, 3])
    expect(array.stride).toEqual(strideOf([2, 3]))
    expect(toNested(array)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(toNested({ ...array, shape: [3, 2], stride: [1, 3] })).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ])
    expect(toNested(ndArray(['a'], []))).toBe('a')
    expect(toNested(ndArray(new BigInt64Array(0), [2, 0]))).toEqual([[], []])
  })

  test('needs as many elements as its shape says.', () => {
    expect(refusal('HDF5_SHAPE', () => ndArray(Int16Array.of(1), [2]))).toBe('1 elements cannot have the shape [2], which has 2.')
    expect(refusal('HDF5_SHAPE', () => ndArray(Int16Array.of(1), [0.5]))).toContain('not [0.5]')
  })
})

describe('A guessed chunk', () => {
  test('is of 8 KiB to 1 MiB where there is as much, and no longer than a dataset that cannot grow.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(500); round++) {
      const shape = Array.from({ length: (next() % 4) + 1 }, () => next() % 2 ** (next() % 20))
      const maxShape = next() % 2 === 0 ? null : shape.map((length) => (next() % 2 === 0 ? null : length + (next() % 3)))
      const elementBytes = 2 ** (next() % 5)
      const chunk = guessChunks(shape, maxShape, elementBytes)
      const label = `seed ${seed}: ${JSON.stringify({ shape, maxShape, elementBytes, chunk })}`
      expect(
        chunk.every((length) => Number.isInteger(length) && length >= 1),
        label,
      ).toBe(true)
      expect(sizeOf(chunk) * elementBytes, label).toBeLessThanOrEqual(1.5 * 2 ** 20)
      if (sizeOf(shape) * elementBytes >= 16384) expect(sizeOf(chunk) * elementBytes, label).toBeGreaterThanOrEqual(4096)
      for (const [axis, length] of chunk.entries()) {
        const limit = maxShape === null ? shape[axis]! : maxShape[axis]
        if (limit !== null) expect(length, label).toBeLessThanOrEqual(Math.max(1, limit!))
      }
    }
    expect(guessChunks([0, 100], [null, 100], 8)).toEqual([128, 13])
  })
})
