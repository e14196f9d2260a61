// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { OpenLibraryFile } from '../../../src/hdf5/engine/library/index.ts'
import type { NewDataset } from '../../../src/hdf5/engine/open-file.ts'
import type { Hdf5ErrorCode } from '../../../src/hdf5/errors.ts'
import type { Element } from '../../../src/hdf5/values/nd-array.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { CASES, type Case } from './library-cases.ts'
import { changed, copyOf, openIds } from './library-files.ts'
import { askPython, type Content, contentOf, type Described } from './library-oracle.ts'

const PLAIN: Omit<NewDataset, 'dtype'> = { shape: [3], maxShape: null, chunks: null, gzip: null, shuffle: false, fillValue: undefined }

/** Datasets of one type: a name, what we create it with, and what h5py does. */
function datasetsOf({ canFill, value, pythonValue }: Case): (readonly [name: string, options: Partial<NewDataset>, python: string])[] {
  const filled = [
    'filled',
    { chunks: [2], gzip: 0, fillValue: value },
    `(3,), chunks=(2,), compression=0, fillvalue=${pythonValue}`,
  ] as const
  return [
    ['plain', {}, '(3,)'],
    ['scalar', { shape: [] }, '()'],
    [
      'packed',
      { shape: [5, 0], maxShape: [null, 40], chunks: [4, 2], gzip: 3, shuffle: true },
      '(5, 0), maxshape=(None, 40), chunks=(4, 2), compression=3, shuffle=True',
    ],
    ...(canFill ? [filled] : []),
  ]
}

describe('The HDF5 library of the system', () => {
  test('creates datasets as h5py does, of every type: filled, compressed, extendable, without elements.', () => {
    const folder = temporaryFolder()
    const [ours, theirs] = [join(folder, 'ours.h5'), join(folder, 'theirs.h5')]
    const groups = CASES.map(({ name }) => `f.create_group('${name}')`)
    const program = CASES.flatMap((item) => [
      ...datasetsOf(item).map(([name, , how]) => `f.create_dataset('${item.name}/${name}', ${how}, dtype=${item.python})`),
      `f['${item.name}'].create_dataset('none', data=h5py.Empty(${item.python}))`,
    ])
    askPython([
      { file: ours, run: ["f = h5py.File(path, 'w')", ...groups].join('\n') },
      { file: theirs, run: ["f = h5py.File(path, 'w')", ...program].join('\n') },
    ])
    changed(ours, (library) => {
      for (const item of CASES) {
        const { dtype } = item
        for (const [name, options] of datasetsOf(item)) library.createDataset(`/${item.name}/${name}`, { ...PLAIN, dtype, ...options })
        library.createDataset(`/${item.name}/none`, { ...PLAIN, dtype, shape: null })
      }
      expect(openIds()).toBe(1)
    })
    const [made, expected] = askPython([{ file: ours }, { file: theirs }]) as [Content, Content]
    expect(Object.keys(made).length).toBeGreaterThan(CASES.length * 5)
    expect(made).toEqual(expected)
  })

  test('fills datasets of arrays, lists and compounds, too.', () => {
    const ours = join(temporaryFolder(), 'ours.h5')
    askPython([{ file: ours, run: "h5py.File(path, 'w')" }])
    const fill = (library: OpenLibraryFile, name: string): void => {
      const item = CASES.find((one) => one.name === name)!
      library.createDataset(`/${name}`, { ...PLAIN, dtype: item.dtype, shape: [1], fillValue: item.value })
    }
    changed(ours, (library) => {
      for (const name of ['array', 'compound']) fill(library, name)
      library.createDataset('/vlen', { ...PLAIN, dtype: { type: 'vlen', base: 'int16' }, shape: [1], fillValue: new Int16Array([5, -6]) })
      const threes = { type: 'array', base: { type: 'array', base: 'int8', shape: [2] }, shape: [3] } as const
      library.createDataset('/threes', { ...PLAIN, dtype: threes, shape: [1], fillValue: 7 })
    })
    const content = contentOf(ours) as Record<string, Described>
    expect(content['/array']!.value).toBe('[[[1, 2, 3], [4, 5, 6]]]')
    expect(content['/threes']!.value).toBe('[[[7, 7], [7, 7], [7, 7]]]')
    expect(content['/vlen']!.value).toBe('[[5, -6]]')
    expect(content['/compound']!.value).toBe('[[3, "0x1.4000000000000p+1", "bytes 68c3a9", [true, [[1, 2], [3, 4]]]]]')
  })

  test('sets attributes as h5py does, of every type and shape, over existing ones, too.', () => {
    const folder = temporaryFolder()
    const [ours, theirs] = [join(folder, 'ours.h5'), join(folder, 'theirs.h5')]
    const start = "f = h5py.File(path, 'w'); f.create_group('g/h').attrs['kept'] = 5; f['d'] = 1; f['soft'] = h5py.SoftLink('/g')"
    // h5py's own function cannot make attributes of an array type.
    const single = ({ name, python, pythonValue }: Case): string =>
      name === 'array'
        ? `t = h5py.h5t.py_create(${python}, logical=True); a = h5py.h5a.create(f['g/h'].id, b'array', t, h5py.h5s.create(h5py.h5s.SCALAR)); a.write(np.array(${pythonValue}, 'i4'), mtype=t)`
        : `v = np.empty((), ${python}); v[()] = ${pythonValue}; f['g/h'].attrs.create('${name}', v, (), ${python})`
    const more = ({ name, python, pythonValue }: Case): string[] => [
      `v = np.empty((2,), ${python}); v[0] = ${pythonValue}; v[1] = ${pythonValue}; f['d'].attrs.create('${name}', v, (2,), ${python})`,
      `f.attrs.create('${name} none', h5py.Empty(${python}))`,
    ]
    const program = CASES.flatMap((item) => [single(item), ...(item.name === 'array' ? [] : more(item))])
    askPython([
      { file: ours, run: `${start}; f['g/h'].attrs['float32'] = 'old'; f.attrs['bool none'] = np.arange(9)` },
      { file: theirs, run: `${start}; f['g'].attrs['länge'] = np.zeros((0, 3), 'i4')\n${program.join('\n')}` },
    ])
    changed(ours, (library) => {
      for (const { name, dtype, value } of CASES) {
        library.setAttribute('/g/h', name, dtype, [], name === 'array' ? (value as Element[]) : [value])
        if (name === 'array') continue
        library.setAttribute('/d', name, 'int8', [], [1])
        library.setAttribute('/d', name, dtype, [2], [value, value])
        library.setAttribute('/', `${name} none`, dtype, null, [])
      }
      library.setAttribute('/soft', 'länge', 'int32', [0, 3], [])
      expect(openIds()).toBe(1)
    })
    const [made, expected] = askPython([{ file: ours }, { file: theirs }]) as [Content, Content]
    expect(made).toEqual(expected)
  })

  test('stores references.', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'references.h5')
    const program = `f = h5py.File(path, 'w'); d = f.create_dataset('there/d', data=np.arange(10)); r = f.create_dataset('r', (1,), h5py.regionref_dtype); r[0] = d.regionref[2:4]
f.flush(); at = r.id.get_offset(); open(path + '.region', 'wb').write(open(path, 'rb').read()[at:at + 12])
open(path + '.object', 'wb').write(int(h5py.h5o.get_info(d.id).addr).to_bytes(8, 'little'))`
    askPython([{ file, run: program }])
    changed(file, (library) => {
      for (const to of ['object', 'region'] as const) {
        const value = { type: 'reference', path: null, to, bytes: new Uint8Array(readFileSync(`${file}.${to}`)) } as const
        library.setAttribute('/r', to, { type: 'reference', to }, [], [value])
        library.createDataset(`/${to}`, { ...PLAIN, dtype: { type: 'reference', to }, shape: [1] })
      }
    })
    const content = contentOf(file) as Record<string, Described>
    expect(content['/r']!.attributes.object!.value).toBe('"reference /there/d"')
    expect(content['/r']!.attributes.region!.value).toBe('"region /there/d((2,), (3,))"')
    expect(content['/object']!.value).toBe('["reference None"]')
    expect(content['/region']!.value).toBe('["region None"]')
  })

  test('keeps the old attribute when a new one cannot be set.', () => {
    const file = join(temporaryFolder(), 'old.h5')
    askPython([{ file, run: "f = h5py.File(path, 'w'); f['d'] = 1; f['d'].attrs['a'] = 7" }])
    const before = contentOf(file)
    changed(file, (library) => {
      const large = new Float64Array(10_000)
      expect(() => library.setAttribute('/d', 'a', 'float64', [large.length], large)).toThrow('object header message is too large')
    })
    expect(contentOf(file)).toEqual(before)
  })

  test('says what is wrong with a code, the object and its own words, and prints nothing.', () => {
    const folder = temporaryFolder()
    const file = copyOf('compressed.h5', folder)
    askPython([{ file, run: `h5py.File(path, 'r+')['away'] = h5py.ExternalLink('${copyOf('array.h5', folder)}', '/')` }])
    const before = readFileSync(file)
    const create = (path: string, options: Partial<NewDataset>) => (library: OpenLibraryFile) =>
      library.createDataset(path, { ...PLAIN, dtype: 'float32', ...options })
    const tries: readonly (readonly [(library: OpenLibraryFile) => void, Hdf5ErrorCode, string])[] = [
      [(library) => library.deleteLink('/none'), 'HDF5_NO_OBJECT', '/none'],
      [(library) => library.deleteLink('/none/at/all'), 'HDF5_NO_OBJECT', '/none/at/all'],
      [(library) => library.deleteLink('/gzip/x'), 'HDF5_NO_OBJECT', '/gzip/x'],
      [(library) => library.deleteLink('/gzip\0more'), 'HDF5_INVALID', '/gzip\0more'],
      [(library) => library.deleteLink('/'), 'HDF5_INVALID', '/'],
      [(library) => library.deleteLink('/away/carray'), 'HDF5_LINK', '/away/carray'],
      [create('/gzip', {}), 'HDF5_EXISTS', '/gzip'],
      [create('/none/at', {}), 'HDF5_NO_OBJECT', '/none/at'],
      [create('/new', { maxShape: [2] }), 'HDF5_SHAPE', '/new'],
      [create('/new', { chunks: [0] }), 'HDF5_SHAPE', '/new'],
      [create('/new', { chunks: [2], gzip: 10 }), 'HDF5_INVALID', '/new'],
      [create('/new', { dtype: { type: 'compound', fields: [] } }), 'HDF5_TYPE', '/new'],
      [create('/new', { fillValue: 'text' }), 'HDF5_TYPE', '/new'],
      [(library) => library.setAttribute('/none', 'a', 'int8', [], [1]), 'HDF5_NO_OBJECT', '/none@a'],
      [(library) => library.setAttribute('/gzip', 'a', 'int8', [], [1000]), 'HDF5_RANGE', '/gzip@a'],
    ]
    for (const [work, code, object] of tries) {
      const failure = expect.objectContaining({ code, file, object, message: expect.stringContaining(`${object} in ${file}: `) })
      expect(() => changed(file, work), object).toThrow(failure)
    }
    expect(readFileSync(file).equals(before)).toBe(true)
    expect(openIds()).toBe(0)
  })

  test('says that a file is no HDF5 file, or too damaged.', () => {
    const file = copyOf('scalar.h5', temporaryFolder())
    expect(() =>
      changed(
        file,
        () => expect.unreachable(),
        (bytes) => bytes.fill(0xee, 60, 90),
      ),
    ).toThrow(expect.objectContaining({ code: 'HDF5_NOT_HDF5', file }))
    expect(openIds()).toBe(0)
    changed(copyOf('array.h5', temporaryFolder()), () => undefined)
  })
})
