// SPDX-License-Identifier: MIT
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { type PostedRequest, requestOf } from '../../src/hdf5/engine/posted.ts'
import type { Request } from '../../src/hdf5/engine/protocol.ts'
import { File, type Index, ndArray, slice, toNested, type Value } from '../../src/hdf5/index.ts'
import { codeOf, copyOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'

useOwnLocks()

let file: File
beforeEach(async () => {
  file = await File.open(newPath(), 'w')
})

describe('A dataset', () => {
  test('is read in slices: numbers, negative ones, steps, null and "...".', async () => {
    const dataset = await file.createDataset('d', { data: Int32Array.from({ length: 24 }, (_, i) => i), shape: [2, 3, 4] })
    const at = async (...selection: Index[]) => toNested(await dataset.read(...selection))
    expect(await at(0, 1, 2)).toBe(6)
    expect(await at(-1, -1)).toEqual([20, 21, 22, 23])
    expect(await at('...', 0)).toEqual([
      [0, 4, 8],
      [12, 16, 20],
    ])
    expect(await at(null, 0, slice(null, null, 2))).toEqual([
      [0, 2],
      [12, 14],
    ])
    expect(await at(1, slice(-2, null), slice(1))).toEqual([[16], [20]])
    expect(await at(slice(0, 0))).toEqual([])
    expect(await dataset.read(1)).toMatchObject({ shape: [3, 4], stride: [4, 1], data: { length: 12 } })
  })

  test('is written in slices; a scalar goes everywhere.', async () => {
    const dataset = await file.createDataset('d', { shape: [2, 3], dtype: 'float64' })
    await dataset.write(1)
    await dataset.write([7, 8], '...', -1)
    await dataset.write(ndArray(Float64Array.of(5, 6), [1, 2]), slice(0, 1), slice(0, 2))
    expect(toNested(await dataset.read())).toEqual([
      [5, 6, 7],
      [1, 1, 8],
    ])
  })

  test('tells its shape, type and storage.', async () => {
    const dataset = await file.createDataset('d', {
      shape: [10, 4],
      maxShape: [null, 4],
      dtype: 'int16',
      chunks: [5, 4],
      gzip: 6,
      shuffle: true,
    })
    expect(await dataset.shape).toEqual([10, 4])
    expect(await dataset.maxShape).toEqual([null, 4])
    expect(await dataset.dtype).toBe('int16')
    expect(await dataset.chunks).toEqual([5, 4])
    expect((await dataset.filters).map(({ id }) => id)).toEqual([2, 1])
    expect((await dataset.filters)[1]).toEqual({ id: 1, name: 'deflate', options: [6] })
    expect(await dataset.length).toBe(10)
    expect(await dataset.info()).toMatchObject({ kind: 'dataset', shape: [10, 4], dtype: 'int16' })
    expect(await codeOf((await file.createDataset('s', { data: 1 })).length)).toBe('HDF5_SHAPE')
  })

  test('that is refused what it is to append keeps its shape, also when the transaction goes on.', async () => {
    await file.createDataset('d', { shape: [1, 5], maxShape: [null, 5], dtype: 'int32', chunks: [1, 5] })
    await file.write(async (tx) => {
      const dataset = await tx.dataset('d')
      expect(await codeOf(dataset.append(ndArray(new Int32Array(4), [2, 1, 2])))).toBe('HDF5_SHAPE')
      expect(await codeOf(dataset.append([[1, 2, 3, 4, 0.5]]))).toBe('HDF5_RANGE')
      expect(await dataset.shape).toEqual([1, 5])
      await tx.attrs.set('after', true)
    })
    expect([await (await file.dataset('d')).shape, await file.attrs.get('after')]).toEqual([[1, 5], true])
  })

  test('that is one chunk for good is not emptied, as HDF5 would damage the file.', async () => {
    const only = await file.createDataset('only', { data: [1, 2, 3, 4], chunks: [4] })
    expect(await codeOf(only.resize([0]))).toBe('HDF5_UNSUPPORTED')
    await only.resize([2])
    await only.resize([4])
    expect(toNested(await only.read())).toEqual([1, 2, 0, 0])
    const fresh = await file.createDataset('fresh', { shape: [0], maxShape: [100], dtype: 'float64', chunks: [100] })
    await fresh.append(Float64Array.of(1, 2, 3))
    expect(toNested(await fresh.read())).toEqual([1, 2, 3])
    for (const options of [{ chunks: [2] }, { chunks: [4], maxShape: [null] }, { chunks: [4], maxShape: [8] }] as const) {
      const other = await file.createDataset('other', { data: [1, 2, 3, 4], overwrite: true, ...options })
      await other.resize([0])
      await other.resize([4])
      expect(toNested(await other.read())).toEqual([0, 0, 0, 0])
    }
  })

  test('of lists takes an empty list for one of its elements.', async () => {
    const lists = await file.createDataset('lists', { shape: [2, 2], dtype: { type: 'vlen', base: 'int32' } })
    await lists.write([1, 2], 0, 0)
    await lists.write([], 0, 1)
    await lists.write([[], [3]], 1)
    expect((await lists.read()).data).toEqual([Int32Array.of(1, 2), new Int32Array(0), new Int32Array(0), Int32Array.of(3)])
    await file.attrs.set('empty', [], { dtype: { type: 'vlen', base: 'float64' } })
    expect(await file.attrs.get('empty')).toEqual(new Float64Array(0))
  })

  test('is resized as a whole or along one axis.', async () => {
    const dataset = await file.createDataset('d', { data: [[1, 2]], maxShape: [null, 3], dtype: 'int8' })
    await dataset.resize([2, 3])
    expect(toNested(await dataset.read())).toEqual([
      [1, 2, 0],
      [0, 0, 0],
    ])
    await dataset.resize(1, 0)
    await dataset.resize(1, -1)
    expect(toNested(await dataset.read())).toEqual([[1]])
    expect(await codeOf(dataset.resize([1, 4]))).toBe('HDF5_SHAPE')
    expect(await codeOf(dataset.resize([1]))).toBe('HDF5_SHAPE')
    expect(await codeOf(dataset.resize(1, 2))).toBe('HDF5_BOUNDS')
    for (const wrong of [() => dataset.resize([-1, 1]), () => dataset.resize(1, undefined as never), () => dataset.resize('2' as never)]) {
      expect(await codeOf(wrong())).toBe('HDF5_INVALID')
    }
  })

  test('grows by rows, and by single ones, and says where they went.', async () => {
    const dataset = await file.createDataset('d', { shape: [0, 2], maxShape: [null, 2], dtype: 'int32' })
    expect(await dataset.append([1, 2])).toBe(0)
    expect(
      await dataset.append([
        [3, 4],
        [5, 6],
      ]),
    ).toBe(1)
    expect(await dataset.append(ndArray(Int32Array.of(7, 8), [1, 2]))).toBe(3)
    expect(await dataset.append(9)).toBe(4)
    expect(await dataset.append([])).toBe(5)
    expect(await dataset.append(Int32Array.of(10, 11, 12, 13))).toBe(5)
    expect(await dataset.append(new Int32Array(0))).toBe(7)
    expect(toNested(await dataset.read())).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
      [9, 9],
      [10, 11],
      [12, 13],
    ])
    expect(await codeOf(dataset.append([1, 2, 3]))).toBe('HDF5_SHAPE')
    expect(await codeOf(dataset.append(Int32Array.of(1, 2, 3)))).toBe('HDF5_SHAPE')
    expect(await dataset.length).toBe(7)
    const lists = await file.createDataset('lists', { shape: [0], maxShape: [null], dtype: { type: 'vlen', base: 'int32' } })
    await lists.append([1, 2, 3])
    await lists.append([[4], [5, 6]])
    expect(await lists.length).toBe(3)
    const fixed = await file.createDataset('fixed', { data: [1] })
    expect(await codeOf(fixed.append([1]))).toBe('HDF5_SHAPE')
    expect(await codeOf((await file.createDataset('scalar', { data: 1 })).append([1]))).toBe('HDF5_SHAPE')
  })

  test('says what does not fit, and stays as it was.', async () => {
    const dataset = await file.createDataset('d', { data: [1, 2, 3], dtype: 'int8' })
    const cases: [Value, Index[], string][] = [
      [[1, 2], [], 'HDF5_SHAPE'],
      [1, [3], 'HDF5_BOUNDS'],
      [1, [0, 0], 'HDF5_BOUNDS'],
      [1, [slice(0, 1, 0)], 'HDF5_BOUNDS'],
      [300, [0], 'HDF5_RANGE'],
      ['a', [0], 'HDF5_TYPE'],
    ]
    for (const [value, selection, code] of cases) {
      const error = await errorOf(dataset.write(value, ...selection))
      expect([error.code, selection]).toEqual([code, selection])
      expect(error).toMatchObject({ file: file.path, object: '/d' })
    }
    expect(toNested(await dataset.read())).toEqual([1, 2, 3])
  })

  test('says what is wrong with arguments, before anything is locked.', async () => {
    const dataset = await file.createDataset('d', { data: [1, 2, 3] })
    for (const wrong of [undefined, '1', [0, 1], {}, true, '…']) {
      expect(await codeOf(dataset.read(wrong as Index))).toBe('HDF5_BOUNDS')
      expect(await codeOf(dataset.write(1, wrong as Index))).toBe('HDF5_BOUNDS')
    }
    expect(await codeOf(dataset.write(undefined as never))).toBe('HDF5_INVALID')
    expect(await codeOf(dataset.append(undefined as never))).toBe('HDF5_INVALID')
    expect(await codeOf(dataset.write((() => 1) as never))).toBe('HDF5_TYPE')
  })

  test('takes views of a part of a buffer, of shared memory, and arrays of other libraries.', async () => {
    const dataset = await file.createDataset('d', { shape: [2, 2], dtype: 'float32' })
    const whole = Float32Array.from({ length: 1000 }, (_, i) => i)
    class TheirArray {
      data = whole
      shape = [2, 2]
      stride = [1, 2]
      pick = () => 1
    }
    await dataset.write(new TheirArray() as Value)
    expect(toNested(await dataset.read())).toEqual([
      [0, 2],
      [1, 3],
    ])
    await dataset.write(whole.subarray(8, 10), 0)
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([20, 21])
    await dataset.write(shared, 1)
    expect(toNested(await dataset.read())).toEqual([
      [8, 9],
      [20, 21],
    ])
  })

  test('of a real file is read as it is.', async () => {
    const real = await File.open(copyOf('smpl_f64be.h5'))
    const dataset = await real.dataset('TestArray')
    expect(await dataset.dtype).toEqual({ type: 'number', number: 'float64', order: 'big' })
    expect((await dataset.read()).data).toBeInstanceOf(Float64Array)
  })
})

test('Large values keep the event loop free, and their order.', async () => {
  const length = 16 * 2 ** 20
  const dataset = await file.createDataset('d', { shape: [length], dtype: 'float32' })
  const large = Float32Array.from({ length }, (_, i) => i % 1000)
  // A copy by the platform takes more than 100 ms. Here the loop turns between pieces of it, and nothing is copied when it is posted.
  let turns = 0
  let turning = true
  const turn = (): void => {
    turns++
    if (turning) setImmediate(turn)
  }
  setImmediate(turn)
  const posts = vi.spyOn(Worker.prototype, 'postMessage')
  const posted = new Promise<number>((resolve) => {
    posts.mockImplementationOnce(function (this: Worker, message: unknown) {
      resolve(turns)
      posts.mockRestore()
      const { operations } = requestOf(message as PostedRequest) as Request
      expect(operations).toMatchObject([{ value: { buffer: expect.any(SharedArrayBuffer), length } }])
      return this.postMessage(message)
    })
  })
  await dataset.write(large)
  expect(await posted).toBeGreaterThanOrEqual(16)
  turning = false
  const back = await dataset.read<Float32Array>()
  expect(Buffer.compare(Buffer.from(back.data.buffer as ArrayBuffer), Buffer.from(large.buffer))).toBe(0)
  await file.write(async (tx) => {
    const inside = await tx.dataset('d')
    const writing = inside.write(large)
    await Promise.all([writing, inside.write(-1, 5)])
    expect(toNested(await inside.read(slice(4, 7)))).toEqual([4, -1, 6])
  })
})
