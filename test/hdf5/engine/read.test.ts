// SPDX-License-Identifier: MIT
import { closeSync, copyFileSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { blocksOf } from '../../../src/hdf5/engine/blocks.ts'
import type { Operation } from '../../../src/hdf5/engine/protocol.ts'
import { type NdArray, sizeOf, strideOf } from '../../../src/hdf5/values/nd-array.ts'
import { resolve, slice } from '../../../src/hdf5/values/selection.ts'
import { lockFile } from '../../../src/native/flock.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { askPython, hasH5py } from '../../support/python.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { answerOf, Desk, errorOf } from './desk.ts'

const EXAMPLES = new URL('../../../examples/data/', import.meta.url).pathname

let desk: Desk
let path: string

beforeAll(async () => {
  desk = await Desk.open()
})
beforeEach(() => {
  path = join(temporaryFolder(), 'data.h5')
})

function write(...operations: Operation[]): void {
  writeFileSync(path, desk.engine.emptyFile())
  answerOf(desk.ask(path, 'write', ...operations))
}

function failure(operation: Operation): { readonly code: string | null; readonly message: string } {
  return errorOf(desk.ask(path, 'read', operation))
}

describe('Reading', () => {
  test('gives any part of a dataset as its selection says.', () => {
    const [shape, chunks] = [
      [7, 5, 6],
      [3, 5, 4],
    ]
    const all = Int32Array.from({ length: sizeOf(shape!) }, (_, index) => index)
    write({ do: 'createDataset', path: '/a/b', options: { data: { data: all, shape: shape!, stride: strideOf(shape!) }, chunks: chunks! } })
    const seed = freshSeed()
    const next = generator(seed)
    const index = (length: number) => {
      const ends = [0, 1].map(() => (next() % (2 * length)) - length)
      return next() % 3 === 0 ? ends[0]! : slice(ends[0]!, ends[1]!, 1 + (next() % 3))
    }
    for (let round = 0; round < scaled(60); round++) {
      const selection = shape!.slice(0, next() % 4).map(index)
      const { start, count, step, shape: own } = resolve(selection, shape!, { file: path, object: '/a/b' })
      const expected: number[] = []
      for (let i = 0; i < count[0]!; i++)
        for (let j = 0; j < count[1]!; j++)
          for (let k = 0; k < count[2]!; k++)
            expected.push((start[0]! + i * step[0]!) * 30 + (start[1]! + j * step[1]!) * 6 + start[2]! + k * step[2]!)
      const read = desk.read(path, { do: 'read', path: '/a/b', selection })
      expect({ ...read, data: [...(read.data as Int32Array)] }, `seed ${seed}`).toEqual({
        data: expected,
        shape: own,
        stride: strideOf(own),
      })
    }
  })

  test('tells an object that is missing from one of another kind and from a link that leads nowhere.', () => {
    write(
      { do: 'createDataset', path: '/group/data', options: { data: [1, 2] } },
      { do: 'createLink', path: '/soft', link: { type: 'soft', target: '/no/where' } },
      { do: 'createLink', path: '/loop', link: { type: 'soft', target: '/loop' } },
      { do: 'createLink', path: '/outside', link: { type: 'external', file: 'gone.h5', target: '/x' } },
    )
    const cases: [Operation, string, RegExp][] = [
      [{ do: 'describe', path: '/none' }, 'HDF5_NO_OBJECT', /no such object/],
      [{ do: 'read', path: '/none/below', selection: [] }, 'HDF5_NO_OBJECT', /there is no \/none\./],
      [{ do: 'read', path: '/group', selection: [] }, 'HDF5_KIND', /a group, not a dataset/],
      [{ do: 'keys', path: '/group/data' }, 'HDF5_KIND', /a dataset, not a group/],
      [{ do: 'attributes', path: '/group/data/below' }, 'HDF5_KIND', /\/group\/data is a dataset, not a group/],
      [{ do: 'describe', path: '/soft' }, 'HDF5_LINK', /leads to \/no\/where/],
      [{ do: 'read', path: '/soft/below', selection: [] }, 'HDF5_LINK', /\/soft leads to \/no\/where/],
      [{ do: 'describe', path: '/loop' }, 'HDF5_LINK', /in a circle/],
      [{ do: 'read', path: '/outside', selection: [] }, 'HDF5_LINK', /\/x in gone\.h5/],
      [{ do: 'link', path: '/none' }, 'HDF5_NO_OBJECT', /no such object/],
      [{ do: 'reference', path: '/none' }, 'HDF5_NO_OBJECT', /no such object/],
      [{ do: 'read', path: '/group/data', selection: [2] }, 'HDF5_BOUNDS', /out of bounds/],
    ]
    for (const [operation, code, message] of cases) {
      expect(failure(operation), JSON.stringify(operation)).toMatchObject({ code, message: expect.stringMatching(message), file: path })
    }
    for (const gone of ['/none', '/none/x', '/group/data/x', '/soft', '/loop', '/loop/x', '/outside']) {
      expect(desk.read(path, { do: 'has', path: gone }), gone).toBe(false)
    }
    expect(desk.read(path, { do: 'items', path: '/' })).toMatchObject([
      { name: 'group', info: { kind: 'group' } },
      { name: 'loop', info: null },
      { name: 'outside', info: null },
      { name: 'soft', info: null },
    ])
    expect(desk.read(path, { do: 'attribute', path: '/group', name: 'none' })).toBeNull()
  })

  test('takes lists of big-endian numbers for what they are.', { skip: !hasH5py }, () => {
    askPython(
      `import json, sys, h5py, numpy
with h5py.File(json.load(sys.stdin), 'w') as f:
    d = f.create_dataset('lists', (3,), h5py.vlen_dtype(numpy.dtype('>f8')))
    d[0], d[2] = numpy.arange(3, dtype='>f8'), numpy.arange(1, dtype='>f8')
    f.create_dataset('lzf', data=numpy.arange(100), compression='lzf', chunks=(10,))
print('null')`,
      path,
    )
    expect(desk.read(path, { do: 'read', path: '/lists', selection: [] }).data).toEqual([
      Float64Array.of(0, 1, 2),
      new Float64Array(0),
      Float64Array.of(0),
    ])
    expect(desk.read(path, { do: 'describe', path: '/lists' })).toMatchObject({
      dtype: { type: 'vlen', base: { type: 'number', number: 'float64', order: 'big' } },
    })
    expect(failure({ do: 'read', path: '/lzf', selection: [] })).toMatchObject({
      code: 'HDF5_FILTER',
      message: expect.stringContaining("'lzf'"),
    })
  })

  test('gives a reference that leads back to its object, also to what is stored.', () => {
    write({ do: 'createDataset', path: '/group/data', options: { data: [1, 2] } })
    const reference = desk.read(path, { do: 'reference', path: '/group/data' })
    answerOf(desk.ask(path, 'write', { do: 'createDataset', path: '/to', options: { data: [reference] } }))
    expect(desk.read(path, { do: 'read', path: '/to', selection: [] }).data).toEqual([reference])
    expect(reference).toMatchObject({ type: 'reference', path: '/group/data', to: 'object' })
  })

  test('follows external links, but not into a file that is being written.', () => {
    for (const name of ['elink.h5', 'elink2.h5']) copyFileSync(join(EXAMPLES, name), join(path, '..', name))
    const [from, to] = ['elink.h5', 'elink2.h5'].map((name) => join(path, '..', name)) as [string, string]
    const links = desk.read(from, { do: 'items', path: '/pep' })
    const outside = links.find(({ name }) => desk.read(from, { do: 'link', path: `/pep/${name}` }).type === 'external')!
    const describe = { do: 'describe', path: `/pep/${outside.name}` } as const
    expect(desk.read(from, describe)).toEqual(outside.info)
    const before = openDescriptors()
    const writer = openSync(to, 'r+')
    expect(lockFile(writer, 'exclusive')).toBe(true)
    expect(errorOf(desk.ask(from, 'read', describe))).toMatchObject({
      code: 'HDF5_LINK',
      message: expect.stringContaining('being written'),
    })
    closeSync(writer)
    expect(desk.read(from, describe)).toEqual(outside.info)
    expect(openDescriptors()).toBe(before)
    // One in the old format, and one that HDF5 marks while it has it open.
    for (const bytes of [readFileSync(to), desk.engine.emptyFile()]) {
      writeFileSync(to, bytes)
      answerOf(desk.ask(to, 'write', { do: 'createGroup', path: '/pep/pep2', exist: true }))
      const before = readFileSync(to)
      expect(answerOf(desk.ask(from, 'write', describe))).toEqual([outside.info])
      const writes = [
        { do: 'createGroup', path: `${describe.path}/new`, exist: false },
        { do: 'setAttribute', path: describe.path, name: 'a', value: 1 },
      ] as const
      for (const write of writes) expect(errorOf(desk.ask(from, 'write', write)).code).toBe('HDF5_UNSUPPORTED')
      expect(readFileSync(to)).toEqual(before)
    }
  })

  test('refuses more than an answer can hold, and an index that is no part of the dataset.', () => {
    write({ do: 'createDataset', path: '/huge', options: { shape: [3, 2 ** 30], dtype: 'int8', chunks: [1, 2 ** 20] } })
    expect(failure({ do: 'read', path: '/huge', selection: [] }).code).toBe('HDF5_TOO_LARGE')
    const part = desk.read(path, { do: 'read', path: '/huge', selection: [1, slice(-100, null)] })
    expect(part).toMatchObject({ shape: [100], data: new Int8Array(100) })
  })

  test('of more than a block gives every element its place.', () => {
    const shape = [4200, 8000]
    const data = new Uint8Array(sizeOf(shape))
    for (let index = 0; index < data.length; index++) data[index] = index % 251
    write({ do: 'createDataset', path: '/data', options: { data: { data, shape, stride: strideOf(shape) } } })
    const read = desk.read(path, { do: 'read', path: '/data', selection: [] }) as NdArray<Uint8Array>
    expect(Buffer.compare(read.data, data)).toBe(0)
    expect(desk.engine.module.HEAPU8.length).toBeLessThan(200 * 2 ** 20)
  })

  test('of a file that is cut off anywhere gives an error or what is there, and the next file is read well.', () => {
    const whole = readFileSync(join(EXAMPLES, 'smpl_compound_chunked.h5'))
    write({ do: 'createDataset', path: '/data', options: { data: [1, 2] } })
    const bad = join(path, '..', 'bad.h5')
    writeFileSync(bad, whole)
    const operations: Operation[] = [
      { do: 'walk', path: '/' },
      { do: 'read', path: '/CompoundChunked', selection: [] },
    ]
    const answers = answerOf(desk.ask(bad, 'read', ...operations))
    for (let length = whole.length - 1; length > 0; length -= 64) {
      truncateSync(bad, length)
      // What is cut off may be room that the file does not use.
      const reply = desk.ask(bad, 'read', ...operations)
      if (reply.outcome === 'done') expect(reply.answers, `${length} bytes`).toEqual(answers)
      else expect(errorOf(reply).code, `${length} bytes`).toBe('HDF5_NOT_HDF5')
      expect(desk.read(path, { do: 'read', path: '/data', selection: [] }).data).toEqual(Float64Array.of(1, 2))
    }
  })
})

describe('The blocks of a read', () => {
  test('cover the selection once, in order, and end at borders of chunks where they can.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(300); round++) {
      const rank = next() % 4
      const shape = Array.from({ length: rank }, () => 1 + (next() % 12))
      const chunks = next() % 2 === 0 ? null : shape.map((length) => 1 + (next() % length))
      const selection = shape.map(() => slice(next() % 4, null, 1 + (next() % 3)))
      const part = resolve(selection, shape, { file: 'f', object: 'o' })
      let expected = 0
      for (const block of blocksOf(part, 8, chunks, 64)) {
        expect(block.offset, `seed ${seed}`).toBe(expected)
        expected += sizeOf(block.count)
        const first = block.start.map((at, axis) => (at - part.start[axis]!) / part.step[axis]!)
        const offset = first.reduce((sum, index, axis) => sum + index * sizeOf(part.count.slice(axis + 1)), 0)
        expect(offset, `seed ${seed}`).toBe(block.offset)
      }
      expect(expected, `seed ${seed}`).toBe(sizeOf(part.count))
    }
    const rows = [...blocksOf({ start: [30], count: [300], step: [1], shape: [300] }, 8, [100], 8 * 150)]
    expect(rows.map(({ start, count }) => [start[0], count[0]])).toEqual([
      [30, 70],
      [100, 100],
      [200, 100],
      [300, 30],
    ])
  })
})
