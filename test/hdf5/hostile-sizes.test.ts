// SPDX-License-Identifier: MIT
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { File } from '../../src/hdf5/index.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { codeOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'
import { hasH5py } from '../support/rival.ts'
import { difference } from './oracle/compare.ts'
import { H5py } from './oracle/h5py.ts'
import type { Operation } from './oracle/programs.ts'
import { dumpFile } from './oracle/run-program.ts'

useOwnLocks()

let h5py: H5py
beforeAll(() => {
  h5py = new H5py()
})
afterAll(() => h5py.end())

/** Done by us and by h5py, in the format whose limits are ours, all of it agrees. */
async function expectAgreement(operations: readonly Operation[]): Promise<void> {
  const found = await difference(h5py, temporaryFolder(), 'latest', operations)
  expect(JSON.stringify(found, null, 1)?.slice(0, 3000)).toBe('null')
}

const together = true

describe.runIf(hasH5py)('Agrees with h5py', () => {
  test('on names of every kind.', async () => {
    const names = [
      ...['ünï', '漢字', '🙂', 'é', 'é', ' ', ' a', 'a ', 'new\nline', 'tab\t', '\u0001', '\u007f', '\u202eright to left', '"quoted"'],
      ...[
        '..',
        '...',
        '.hidden',
        'a.b',
        'a..',
        '-',
        '*',
        '?',
        '[0]',
        '%2F',
        '\\',
        'C:\\x',
        '~',
        '$HOME',
        '@',
        '#',
        'a@b',
        '\ufeff',
        'x'.repeat(255),
      ],
    ]
    await expectAgreement([
      ...names.map((name): Operation => ({ do: 'createGroup', path: `/${name}/in it`, together })),
      ...names.map((name): Operation => ({ do: 'setAttribute', path: `/${name}`, name, dtype: 'int8', value: { data: '1' }, together })),
      ...names.map((name): Operation => ({ do: 'has', path: `/${name}/in it`, together })),
      ...names.slice(0, 12).map((name): Operation => ({ do: 'link', path: `/links/${name}`, link: { type: 'soft', target: `/${name}` } })),
      ...names.slice(0, 6).map((name): Operation => ({ do: 'delete', path: `/${name}` })),
      { do: 'visit', path: '/' },
    ])
  })

  test('on long names and deep paths.', async () => {
    const deep = `/${Array.from({ length: 40 }, (_, depth) => `level ${depth}`).join('/')}`
    await expectAgreement([
      { do: 'createGroup', path: deep },
      { do: 'createDataset', path: `${deep}/data`, dtype: 'int8', options: { data: { shape: [2], data: ['1', '2'] } } },
      { do: 'has', path: `${deep}/data` },
      ...[1000, 20_000, 65_000].flatMap((length): Operation[] => [
        { do: 'createGroup', path: `/${'n'.repeat(length)}` },
        { do: 'setAttribute', path: '/', name: 'a'.repeat(length), dtype: 'int8', value: { data: '1' } },
      ]),
      { do: 'visit', path: '/' },
    ])
  })

  test('on attributes of 100 kB.', async () => {
    const path = '/data'
    await expectAgreement([
      { do: 'createDataset', path, dtype: 'float32', options: { shape: [3] } },
      { do: 'setAttribute', path, name: 'large', dtype: 'uint8', value: { shape: [100_000], data: Array(100_000).fill('7') } },
      { do: 'setAttribute', path, name: 'text', dtype: 'string', value: { data: 'x'.repeat(100_000) } },
      { do: 'setAttribute', path, name: 'large', dtype: 'int8', value: { data: '1' } },
    ])
  })

  test('on a thousand attributes.', async () => {
    const path = newPath()
    const file = await File.open(path, 'w')
    await file.write(async (tx) => {
      const { attrs } = await tx.createDataset('data', { shape: [3] })
      for (let index = 0; index < 1000; index++) await attrs.set(`attribute ${index}`, index, { dtype: 'int32' })
      for (let index = 0; index < 1000; index += 50) await attrs.delete(`attribute ${index}`)
    })
    const expected = Array.from({ length: 1000 }, (_, index) => index).filter((index) => index % 50 > 0)
    const all = await (await file.dataset('data')).attrs.all()
    expect(all).toEqual(Object.fromEntries(expected.map((index) => [`attribute ${index}`, index])))
    const { attributes } = (await h5py.dump(path))['/data'] as { attributes: Record<string, unknown> }
    expect(attributes).toEqual(
      Object.fromEntries(expected.map((index) => [`attribute ${index}`, { dtype: 'int32', value: { shape: [], data: [`${index}`] } }])),
    )
  })

  test('on extents of every kind.', async () => {
    const ones = (rank: number): number[] => Array(rank).fill(1)
    const shapes = [[], [0], [0, 5], [5, 0, 5], ones(32), [...ones(31), 7], ones(33), [2 ** 40, 0]]
    await expectAgreement([
      ...shapes.map((shape, index): Operation => ({ do: 'createDataset', path: `/${index}`, dtype: 'int16', options: { shape } })),
      { do: 'createDataset', path: '/sparse', dtype: 'int8', options: { shape: [2 ** 30, 3], maxShape: [null, 3], chunks: [1024, 3] } },
      { do: 'write', path: '/sparse', dtype: 'int8', selection: [2 ** 30 - 1, 1], value: { data: '5' } },
      { do: 'read', path: '/sparse', selection: [[-2, null, null]] },
      { do: 'resize', path: '/sparse', shape: [4, 3] },
      { do: 'write', path: '/4', dtype: 'int16', selection: ['...', 0], value: { data: '9' } },
      { do: 'read', path: '/5', selection: ['...', -2] },
    ])
  })

  test('on 5000 datasets in a group.', async () => {
    const path = newPath()
    const file = await File.open(path, 'w')
    const names = Array.from({ length: 5000 }, (_, index) => `dataset ${(index * 7919) % 5000}`)
    await file.write(async (tx) => {
      for (const [index, name] of names.entries()) await tx.createDataset(`many/${name}`, { data: Int32Array.of(index) })
    })
    const many = await file.group('many')
    expect((await many.keys()).sort()).toEqual([...names].sort())
    expect((await (await many.dataset(names[4321]!)).read()).data).toEqual(Int32Array.of(4321))
    await file.write(async (tx) => {
      for (const name of names.slice(0, 300)) await tx.delete(`many/${name}`)
    })
    const left = names.slice(300).map((name) => `/many/${name}`)
    expect(Object.keys(await h5py.dump(path)).sort()).toEqual(['/', '/many', ...left].sort())
  })
})

describe('What does not fit', () => {
  test.runIf(hasH5py)('into an old format is refused, and the file unharmed.', async () => {
    const path = newPath()
    await h5py.makeForWriter(path, null, 0)
    const file = await File.open(path, 'r+')
    const before = await h5py.dump(path)
    expect(await codeOf(file.attrs.set('large', new Uint8Array(100_000)))).toBe('HDF5_TOO_LARGE')
    expect(await h5py.dump(path)).toEqual(before)
  })

  test('into HDF5 at all is refused, and the file unharmed.', async () => {
    const file = await File.open(newPath(), 'w')
    const before = await dumpFile(file)
    expect(await codeOf(file.createDataset('a', { shape: Array(33).fill(1) }))).toBe('HDF5_SHAPE')
    expect(await codeOf(file.createDataset('a', { shape: [2 ** 32, 2 ** 30], dtype: 'float64' }))).toMatch(/^HDF5_(SHAPE|FAILED)$/)
    expect(await codeOf(file.createDataset('a', { shape: [-1] }))).toBe('HDF5_INVALID')
    expect(await codeOf(file.attrs.set('a'.repeat(70_000), 1))).toMatch(/^HDF5_(INVALID|FAILED)$/)
    expect(await codeOf(file.createGroup('a\0b'))).toBe('HDF5_INVALID')
    expect(await dumpFile(file)).toEqual(before)
  })

  test('into one slice is refused.', async () => {
    const file = await File.open(newPath(), 'w')
    const dataset = await file.createDataset('huge', { shape: [2 ** 32], dtype: 'int8', chunks: [1024] })
    expect(await codeOf(dataset.read())).toBe('HDF5_TOO_LARGE')
    expect((await dataset.read(2 ** 32 - 1)).data).toEqual(Int8Array.of(0))
  })
})
