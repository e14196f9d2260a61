// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { layoutOf } from '../../../src/hdf5/engine/codec.ts'
import { datasetFacts } from '../../../src/hdf5/engine/metadata.ts'
import { axesOf } from '../../../src/hdf5/engine/nested.ts'
import type { CreateDatasetOptions, WriteOperation } from '../../../src/hdf5/engine/protocol.ts'
import { check, writeElements } from '../../../src/hdf5/engine/write-elements.ts'
import { type Hdf5ErrorCode, isHdf5Error } from '../../../src/hdf5/errors.ts'
import { type Dtype, sameDtype } from '../../../src/hdf5/values/dtype.ts'
import { type Element, sizeOf, strideOf, type TypedArray } from '../../../src/hdf5/values/nd-array.ts'
import { slice } from '../../../src/hdf5/values/selection.ts'
import { askPython, hasH5py } from '../../support/python.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { pick, randomDtype, randomElements } from './random-values.ts'
import { newFile } from './write-file.ts'

/** How Python shows elements so that they can be compared: integers as text, floats by their bytes. */
const SHOW = `
import json, sys, struct, numpy, h5py
def show(v, dtype=None):
    if isinstance(v, numpy.ndarray): return show(v[()]) if v.ndim == 0 and v.dtype.kind != 'O' else [show(x) for x in (v if v.ndim else [v[()]])]
    if isinstance(v, h5py.Empty): return 'empty'
    if isinstance(v, (h5py.Reference, h5py.RegionReference)): return 'reference'
    if isinstance(v, numpy.void): return {n: show(v[n]) for n in v.dtype.names} if v.dtype.names else v.tobytes().hex()
    if isinstance(v, bytes): return v.decode('utf-8')
    if isinstance(v, str): return str(v)
    if isinstance(v, (bool, numpy.bool_)): return bool(v)
    if isinstance(v, (int, numpy.integer)): return 'i%d' % v
    if isinstance(v, (float, numpy.floating)): return 'nan' if v != v else struct.pack('>d', float(v)).hex()
    raise TypeError(type(v))
`

/** The same of ours. */
function show(element: Element, dtype: Dtype): unknown {
  if (dtype === 'bool') return element === true || element === 1
  if (dtype === 'string') return element
  if (typeof dtype === 'string') return showNumber(element as number, dtype.startsWith('float'))
  switch (dtype.type) {
    case 'number':
      return showNumber(element as number, dtype.number.startsWith('float'))
    case 'enum':
      return `i${element}`
    case 'compound':
      return Object.fromEntries(
        dtype.fields.map((field) => [field.name, show((element as Record<string, Element>)[field.name]!, field.dtype)]),
      )
    case 'array':
    case 'vlen': {
      const axes = dtype.type === 'array' ? axesOf(layoutOf(dtype, 4)) : [0]
      return showLists(element as readonly Element[], axes.length, innermost(dtype.base))
    }
    case 'opaque':
      return Buffer.from(element as Uint8Array).toString('hex')
    default:
      return element
  }
}

function showLists(list: readonly Element[] | TypedArray, levels: number, dtype: Dtype): unknown {
  return Array.from(list as readonly Element[], (part) =>
    levels > 1 ? showLists(part as readonly Element[], levels - 1, dtype) : show(part, dtype),
  )
}

function showNumber(value: number, isFloat: boolean): string {
  if (!isFloat) return `i${value}`
  if (Number.isNaN(value)) return 'nan'
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}

function innermost(dtype: Dtype): Dtype {
  return typeof dtype === 'object' && dtype.type === 'array' ? innermost(dtype.base) : dtype
}

/** Elements in lists in lists, as h5py has them. */
function shownArray(elements: TypedArray | readonly Element[], shape: readonly number[], dtype: Dtype): unknown {
  const single = innermost(dtype)
  const flat = Array.from(elements as readonly Element[], (element) => show(element, single))
  const build = (axis: number, from: number): unknown =>
    axis === shape.length
      ? flat[from]
      : Array.from({ length: shape[axis]! }, (_, index) => build(axis + 1, from + index * strideOf(shape)[axis]!))
  return build(0, 0)
}

/** h5py's own limits: lists of lists it does not read, and references that we made up it cannot follow. */
function isForH5py(dtype: Dtype): boolean {
  if (typeof dtype === 'string') return true
  if (dtype.type === 'reference') return false
  if (dtype.type === 'vlen') return typeof dtype.base === 'string' && dtype.base !== 'string'
  if (dtype.type === 'array') return isForH5py(dtype.base) && !hasLists(dtype.base)
  return dtype.type !== 'compound' || dtype.fields.every((field) => isForH5py(field.dtype) && !hasLists(field.dtype))
}

function hasLists(dtype: Dtype): boolean {
  if (typeof dtype !== 'object') return dtype === 'string'
  if (dtype.type === 'array') return hasLists(dtype.base)
  return dtype.type === 'vlen' || (dtype.type === 'compound' && dtype.fields.some((field) => hasLists(field.dtype)))
}

interface Case {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: number[]
  readonly elements: TypedArray | Element[]
  readonly options: CreateDatasetOptions
}

function randomCases(next: () => number, count: number): Case[] {
  return Array.from({ length: count }, (_, index) => {
    let dtype = randomDtype(next, 2)
    while (!isForH5py(dtype)) dtype = randomDtype(next, 2)
    const axes = axesOf(layoutOf(dtype, 4))
    const shape = Array.from({ length: next() % 3 }, () => next() % 4)
    const elements = randomElements(next, innermost(dtype), sizeOf([...shape, ...axes]))
    const filters = { ...(next() % 3 === 0 ? { gzip: next() % 10 } : {}), ...(next() % 3 === 0 ? { shuffle: true } : {}) }
    const grows = next() % 3 === 0 ? { maxShape: shape.map((length) => (next() % 2 === 0 ? null : length + 1)) } : {}
    // Without any element there is no chunk to filter.
    const extra = shape.length === 0 ? {} : { ...filters, ...grows }
    const data = { data: elements as TypedArray, shape: [...shape, ...axes], stride: strideOf([...shape, ...axes]) }
    return { name: `/group ${index % 5}/d${index}`, dtype, shape, elements, options: { data, dtype, ...extra } }
  })
}

describe.skipIf(!hasH5py)('What we write', () => {
  test('h5py reads equal, and what h5py writes of it we read equal, for every type.', async () => {
    const seed = freshSeed()
    const next = generator(seed)
    const file = await newFile()
    const cases = randomCases(next, scaled(120))
    file.write(
      ...cases.flatMap(({ name, dtype, options }): WriteOperation[] => [
        { do: 'createDataset', path: name, options },
        { do: 'setAttribute', path: name, name: 'same', value: options.data!, dtype },
      ]),
    )
    const copy = file.beside('copy.h5')
    const script = `${SHOW}
given = json.load(sys.stdin)
answers = []
with h5py.File(given['path'], 'r') as f, h5py.File(given['copy'], 'w') as g:
    for name in given['names']:
        d = f[name]
        logical = d.dtype
        same = h5py.h5t.py_create(logical, logical=1).equal(d.id.get_type())
        value = d[()]
        g.create_dataset(name, shape=d.shape, dtype=logical)
        try:
            g[name][()] = value
            copied = show(g[name][()]) == show(value)
        except (OSError, TypeError, ValueError): copied = False
        answers.append([show(value), list(d.shape), bool(same), show(d.attrs['same']), copied])
print(json.dumps(answers))`
    const answers = askPython<[unknown, number[], boolean, unknown, boolean][]>(script, {
      path: file.path,
      copy: copy.path,
      names: cases.map(({ name }) => name),
    })
    // Some arrays of arrays, records and lists of bools h5py reads and cannot write.
    expect(answers.filter(([, , , , isCopied]) => isCopied).length, `seed ${seed}`).toBeGreaterThan(cases.length / 2)
    for (const [index, { name, dtype, shape, elements }] of cases.entries()) {
      const label = `seed ${seed}, ${name}: ${JSON.stringify(dtype)}`
      const [values, dataspace, same, attribute, isCopied] = answers[index]!
      const whole = [...shape, ...axesOf(layoutOf(dtype, 4))]
      const expected = shownArray(elements, whole, dtype)
      expect(values, label).toEqual(expected)
      expect(attribute, `attribute, ${label}`).toEqual(expected)
      expect(dataspace, label).toEqual(shape)
      // Strings of any length are padded otherwise, which nobody can see in them.
      if (!hasStrings(dtype)) expect(same, `type, ${label}`).toBe(true)
      const own = file.read(name)
      expect(own, label).toMatchObject({ elements, shape })
      expect(sameDtype(own.dtype, dtype), label).toBe(true)
      if (!isCopied) continue
      const theirs = copy.read(name)
      expect(shownArray(theirs.elements, whole, theirs.dtype), `copy, ${label}`).toEqual(expected)
    }
  })

  test('into a part of a dataset is what h5py would have written there.', async () => {
    const seed = freshSeed()
    const next = generator(seed)
    const file = await newFile()
    const shapes = [[], [7], [5, 4], [3, 4, 5]]
    const datasets = shapes.map((shape, index) => ({ path: `/d${index}`, shape, gzip: index % 2 === 1 }))
    file.write(
      ...datasets.map(
        ({ path, shape, gzip }): WriteOperation => ({
          do: 'createDataset',
          path,
          options: { shape, dtype: 'i4', ...(gzip ? { gzip: 1 } : {}) },
        }),
      ),
    )
    const before = file.beside('before.h5')
    const program: { path: string; selection: (number | string | (number | null)[])[]; value: unknown }[] = []
    const operations: WriteOperation[] = []
    for (let step = 0; step < scaled(150); step++) {
      const { path, shape } = datasets[next() % datasets.length]!
      const selection = shape.map((length) =>
        next() % 3 === 0 ? (next() % (2 * length)) - length : slice((next() % 12) - 6, (next() % 12) - 6, (next() % 3) + 1),
      )
      const taken = selection.flatMap((index, axis) => {
        if (typeof index === 'number') return []
        return [
          Array.from({ length: shape[axis]! })
            .slice(index.start!, index.stop!)
            .filter((_, at) => at % index.step! === 0).length,
        ]
      })
      const given = next() % 3 === 0 ? [] : taken.slice(next() % (taken.length + 1)).map((length) => (next() % 3 === 0 ? 1 : length))
      const data = Int32Array.from({ length: sizeOf(given) }, () => next() >> 1)
      program.push({
        path,
        selection: selection.map((index) => (typeof index === 'number' ? index : [index.start, index.stop, index.step])),
        value: { data: [...data], shape: given },
      })
      operations.push({ do: 'write', path, selection, value: { data, shape: given, stride: strideOf(given) } })
    }
    const script = `${SHOW}
given = json.load(sys.stdin)
with h5py.File(given['ours'], 'r') as f, h5py.File(given['theirs'], 'w') as g:
    for name in f: g.create_dataset(name, shape=f[name].shape, dtype='i4')
    for step in given['program']:
        part = tuple(slice(*i) if isinstance(i, list) else i for i in step['selection'])
        d = g[step['path']]
        array = d[()] if d.shape else numpy.array(d[()])
        array[part] = numpy.array(step['value']['data'], dtype='i4').reshape(step['value']['shape'])
        d[()] = array
    print(json.dumps([f[name][()].tolist() == g[name][()].tolist() for name in f]))`
    file.write(...operations)
    const equal = askPython<boolean[]>(script, { ours: file.path, theirs: before.path, program })
    expect(equal, `seed ${seed}`).toEqual(datasets.map(() => true))
  })

  test('in many blocks is what it is in one, with pointers in it or not.', async () => {
    const seed = freshSeed()
    const next = generator(seed)
    const file = await newFile()
    for (let round = 0; round < scaled(40, 10); round++) {
      const dtype = pick(next, ['string', 'int16', { type: 'array', base: 'string', shape: [2] }, { type: 'vlen', base: 'uint8' }] as const)
      const axes = axesOf(layoutOf(dtype, 4))
      const shape = [(next() % 7) + 1, (next() % 7) + 1]
      const one = next() % 3 === 0
      const elements = randomElements(next, innermost(dtype), sizeOf(axes) * (one ? 1 : sizeOf(shape)))
      const chunks = next() % 2 === 0 ? undefined : shape.map((length) => (next() % length) + 1)
      const path = `/d${round}`
      file.write({ do: 'createDataset', path, options: { shape, dtype, ...(chunks ? { chunks } : {}) } })
      file.session('write', (open) => {
        const { layout } = datasetFacts(open, path)
        const where = { file: file.path, object: path }
        const checked = check({ elements, shape: one ? [] : shape }, shape, layout, where)
        const all = { start: [0, 0], count: shape, step: [1, 1], shape }
        writeElements(open, { path, layout, chunks: chunks ?? null, where }, all, checked, (next() % 20) + 1)
      })
      const expected = one ? Array.from({ length: sizeOf(shape) }, () => [...elements]).flat() : [...elements]
      expect([...file.read(path).elements], `seed ${seed}: ${JSON.stringify({ dtype, shape, chunks, one })}`).toEqual(expected)
    }
  })

  test('has the layout that was asked for.', async () => {
    const file = await newFile()
    const create = (path: string, options: CreateDatasetOptions): WriteOperation => ({ do: 'createDataset', path, options })
    file.write(
      create('/plain', { shape: [3] }),
      create('/scalar', { data: 'text' }),
      create('/limits', { shape: [2, 3], maxShape: [null, 5], chunks: [2, 3] }),
      create('/level', { data: Int16Array.of(1, 2, 3), gzip: 7, chunks: [3] }),
      create('/both', { data: Int16Array.of(1, 2, 3), gzip: true, shuffle: true, chunks: [2] }),
      create('/shuffled', { data: [1, 2, 3], shuffle: true, dtype: 'f4' }),
      create('/filled', { shape: [3], dtype: 'i2', fillValue: -7 }),
      create('/grown', { shape: [2], dtype: 'S3', fillValue: 'abc', maxShape: [null] }),
      create('/spread', { data: 5, shape: [2, 2], dtype: '>i4' }),
      create('/shaped', { data: [1, 2, 3, 4], shape: [2, 2], dtype: 'u1' }),
      create('/nothing', { shape: [0, 3], dtype: 'f8' }),
      create('/deep/in/groups', { data: true }),
      create('/empty', { data: null as never, dtype: 'i4' }),
      { do: 'resize', path: '/grown', shape: [4] },
      { do: 'setAttribute', path: '/', name: 'empty', value: null as never },
      { do: 'setAttribute', path: '/', name: 'list', value: [1n, 2n] },
      { do: 'setAttribute', path: '/', name: 'list', value: 'replaced' },
      { do: 'setAttribute', path: '/', name: 'gone', value: 1 },
      { do: 'deleteAttribute', path: '/', name: 'gone' },
      { do: 'setAttribute', path: '/', name: 'large', value: new Float64Array(20_000).fill(2) },
    )
    const script = `${SHOW}
with h5py.File(json.load(sys.stdin), 'r') as f:
    answers = {}
    def visit(name, d):
        if isinstance(d, h5py.Dataset):
            answers[name] = [list(d.shape) if d.shape is not None else None, d.maxshape and list(d.maxshape), d.chunks and list(d.chunks), d.compression_opts, d.shuffle, show(d[()])]
    f.visititems(visit)
    print(json.dumps([answers, show(f.attrs['empty']), f.attrs['list'], sorted(f.attrs), f.attrs['large'].sum()]))`
    const [answers, empty, list, names, sum] = askPython<[Record<string, unknown[]>, string, string, string[], number]>(script, file.path)
    const zero = '0'.repeat(16)
    expect(answers).toEqual({
      plain: [[3], [3], null, null, false, [zero, zero, zero]],
      scalar: [[], [], null, null, false, 'text'],
      limits: [
        [2, 3],
        [null, 5],
        [2, 3],
        null,
        false,
        [
          [zero, zero, zero],
          [zero, zero, zero],
        ],
      ],
      level: [[3], [3], [3], 7, false, ['i1', 'i2', 'i3']],
      both: [[3], [3], [2], 4, true, ['i1', 'i2', 'i3']],
      shuffled: [[3], [3], [3], null, true, ['3ff0000000000000', '4000000000000000', '4008000000000000']],
      filled: [[3], [3], null, null, false, ['i-7', 'i-7', 'i-7']],
      grown: [[4], [null], [2], null, false, ['abc', 'abc', 'abc', 'abc']],
      spread: [
        [2, 2],
        [2, 2],
        null,
        null,
        false,
        [
          ['i5', 'i5'],
          ['i5', 'i5'],
        ],
      ],
      shaped: [
        [2, 2],
        [2, 2],
        null,
        null,
        false,
        [
          ['i1', 'i2'],
          ['i3', 'i4'],
        ],
      ],
      nothing: [[0, 3], [0, 3], null, null, false, []],
      'deep/in/groups': [[], [], null, null, false, true],
      empty: [null, null, null, null, false, 'empty'],
    })
    expect([empty, list, names, sum]).toEqual(['empty', 'replaced', ['empty', 'large', 'list'], 40_000])
  })

  test('are groups and links, too, and names in any script.', async () => {
    const file = await newFile()
    file.write(
      { do: 'createGroup', path: '/a/b', exist: false },
      { do: 'createGroup', path: '/a/b', exist: true },
      { do: 'createDataset', path: '/a/größe 漢', options: { data: 1 } },
      { do: 'createLink', path: '/links/hard', link: { type: 'hard', target: '/a/größe 漢' } },
      { do: 'createLink', path: '/links/soft', link: { type: 'soft', target: '/a/b' } },
      { do: 'createLink', path: '/links/nowhere', link: { type: 'soft', target: '/not/there' } },
      { do: 'createLink', path: '/links/outside', link: { type: 'external', file: 'other.h5', target: '/x' } },
      { do: 'createDataset', path: '/links/soft/through', options: { data: [1n] } },
      { do: 'createDataset', path: '/a/b/old', options: { data: [1, 2, 3] } },
      { do: 'createDataset', path: '/a/b/old', options: { data: 'new', overwrite: true } },
      { do: 'createGroup', path: '/rubbish/more', exist: false },
      { do: 'delete', path: '/rubbish' },
      { do: 'delete', path: '/links/nowhere' },
      { do: 'createLink', path: '/links/again', link: { type: 'soft', target: 'hard' } },
      { do: 'write', path: '/links/again', selection: [], value: 4 },
    )
    const script = `${SHOW}
with h5py.File(json.load(sys.stdin), 'r') as f:
    links = {n: f['links'].get(n, getlink=True) for n in f['links']}
    names = []
    f.visit(names.append)
    print(json.dumps([names, {n: [type(l).__name__, getattr(l, 'path', None), getattr(l, 'filename', None)] for n, l in links.items()}, f['links/hard'][()], f['a/b/old'].asstr()[()], f['a/größe 漢'] == f['links/again']]))`
    expect(askPython(script, file.path)).toEqual([
      ['a', 'a/b', 'a/b/old', 'a/b/through', 'a/größe 漢', 'links'],
      {
        again: ['SoftLink', 'hard', null],
        hard: ['HardLink', null, null],
        outside: ['ExternalLink', '/x', 'other.h5'],
        soft: ['SoftLink', '/a/b', null],
      },
      4,
      'new',
      true,
    ])
  })
})

describe('A write', () => {
  test('that cannot be done says why, has announced no change, and leaves the file as it was, byte for byte.', async () => {
    const file = await newFile()
    file.write(
      { do: 'createDataset', path: '/g/fixed', options: { shape: [3, 4], dtype: 'u1' } },
      { do: 'createDataset', path: '/g/chunked', options: { shape: [3], dtype: 'S4', maxShape: [5] } },
      { do: 'createDataset', path: '/g/names', options: { data: ['a', 'b'] } },
      { do: 'createDataset', path: '/g/points', options: { data: [{ x: 1, y: 2 }], dtype: { x: 'f4', y: 'i2' } } },
      { do: 'createDataset', path: '/g/empty', options: { data: null as never } },
      { do: 'setAttribute', path: '/g', name: 'unit', value: 'mm' },
      { do: 'createLink', path: '/g/nowhere', link: { type: 'soft', target: '/not/there' } },
      { do: 'createLink', path: '/g/circle', link: { type: 'soft', target: '/g/circle' } },
      { do: 'createLink', path: '/g/outside', link: { type: 'external', file: 'other.h5', target: '/x' } },
    )
    const before = readFileSync(file.path)
    const create = (path: string, options: CreateDatasetOptions): WriteOperation => ({ do: 'createDataset', path, options })
    const write = (path: string, value: unknown, ...selection: (number | null)[]): WriteOperation => ({
      do: 'write',
      path,
      selection,
      value: value as never,
    })
    const cases: [Hdf5ErrorCode, string, WriteOperation][] = [
      ['HDF5_RANGE', 'element 1: 256 does not fit uint8', write('/g/fixed', [1, 256, 3, 4], 0)],
      ['HDF5_RANGE', '0.5 does not fit uint8', write('/g/fixed', 0.5)],
      ['HDF5_TYPE', '"a" is no number', write('/g/fixed', 'a')],
      ['HDF5_SHAPE', 'a value of the shape [3] does not fit the shape [3, 4]', write('/g/fixed', [1, 2, 3])],
      ['HDF5_SHAPE', 'ragged', write('/g/fixed', [[1], [1, 2]])],
      ['HDF5_BOUNDS', 'index 3 is out of bounds for axis 0', write('/g/fixed', 1, 3)],
      ['HDF5_RANGE', '"12345" takes 5 bytes', write('/g/chunked', '12345')],
      ['HDF5_TYPE', 'has a NUL in it', write('/g/names', ['a', 'b\0'])],
      ['HDF5_TYPE', 'has no member "y"', write('/g/points', { x: 1 })],
      ['HDF5_SHAPE', 'the dataset is empty', write('/g/empty', 1)],
      ['HDF5_KIND', 'it is a group, not a dataset', write('/g', 1)],
      ['HDF5_NO_OBJECT', 'there is no such object', write('/g/missing', 1)],
      ['HDF5_KIND', '/g/fixed is a dataset, not a group', write('/g/fixed/x', 1)],
      ['HDF5_LINK', 'the soft link /g/nowhere leads nowhere', write('/g/nowhere', 1)],
      ['HDF5_LINK', 'more than 16 soft links', write('/g/circle', 1)],
      ['HDF5_UNSUPPORTED', '/g/outside is an external link to /x in other.h5', write('/g/outside', 1)],
      ['HDF5_UNSUPPORTED', 'external link', create('/g/outside/new', { data: 1 })],
      ['HDF5_EXISTS', 'overwrite: true replaces it', create('/g/fixed', { data: 1 })],
      ['HDF5_EXISTS', 'overwrite: true', create('/g/nowhere', { data: 1 })],
      ['HDF5_KIND', '/g/fixed is a dataset', create('/g/fixed/new', { data: 1 })],
      ['HDF5_INVALID', 'needs data or a shape', create('/new', {})],
      ['HDF5_INVALID', 'the level of gzip', create('/new', { data: [1], gzip: 10 })],
      ['HDF5_INVALID', 'need chunks', create('/new', { data: [1], gzip: 1, chunks: false })],
      ['HDF5_INVALID', 'that have axes', create('/new', { data: 1, gzip: 1 })],
      ['HDF5_SHAPE', 'a chunk of the shape [2] is longer', create('/new', { data: [1], chunks: [2] })],
      ['HDF5_SHAPE', 'chunks [0] are not', create('/new', { data: [1], chunks: [0] })],
      ['HDF5_SHAPE', 'less than 4 GiB', create('/new', { shape: [2 ** 32], chunks: [2 ** 31] })],
      ['HDF5_SHAPE', 'maxShape [1] does not limit', create('/new', { shape: [2], maxShape: [1] })],
      ['HDF5_SHAPE', 'the shape [2, 2] has 4 elements', create('/new', { data: [1, 2, 3], shape: [2, 2] })],
      ['HDF5_SHAPE', 'a shape is a list of lengths', create('/new', { shape: [-1] })],
      ['HDF5_RANGE', '300 does not fit uint8', create('/new/in/groups', { data: [300], dtype: 'u1' })],
      ['HDF5_RANGE', '300 does not fit uint8', create('/new', { shape: [1], dtype: 'u1', fillValue: 300 })],
      ['HDF5_TYPE', 'is no type', create('/new', { shape: [1], dtype: 'U3' })],
      ['HDF5_SHAPE', 'it was created for at most [5]', { do: 'resize', path: '/g/chunked', shape: [6] }],
      ['HDF5_SHAPE', 'only a dataset in chunks', { do: 'resize', path: '/g/fixed', shape: [6, 4] }],
      ['HDF5_SHAPE', 'at most [5]', { do: 'resize', path: '/g/chunked', shape: [3, 3] }],
      ['HDF5_NO_OBJECT', 'there is no such object', { do: 'delete', path: '/g/missing' }],
      ['HDF5_INVALID', 'the root group', { do: 'delete', path: '/' }],
      ['HDF5_RANGE', '300 does not fit uint8', { do: 'setAttribute', path: '/g', name: 'unit', value: 300, dtype: 'u1' }],
      ['HDF5_NO_OBJECT', 'there is no such object', { do: 'setAttribute', path: '/g/missing', name: 'unit', value: 300 }],
      ['HDF5_NO_OBJECT', 'there is no such attribute', { do: 'deleteAttribute', path: '/g', name: 'missing' }],
      ['HDF5_EXISTS', 'is there already', { do: 'createGroup', path: '/g', exist: false }],
      ['HDF5_EXISTS', 'is there already', { do: 'createGroup', path: '/', exist: false }],
      ['HDF5_KIND', 'it is a dataset, not a group', { do: 'createGroup', path: '/g/fixed', exist: true }],
      ['HDF5_LINK', 'leads nowhere', { do: 'createGroup', path: '/g/nowhere', exist: true }],
      ['HDF5_EXISTS', 'is there already', { do: 'createLink', path: '/g', link: { type: 'soft', target: '/x' } }],
      ['HDF5_NO_OBJECT', 'there is no such object', { do: 'createLink', path: '/h', link: { type: 'hard', target: '/x' } }],
      ['HDF5_INVALID', 'a target', { do: 'createLink', path: '/h', link: { type: 'external', target: '/x', file: '' } }],
    ]
    for (const [code, words, operation] of cases) {
      const { error, hasChanged } = file.failure(operation)
      const label = JSON.stringify(operation)
      expect(isHdf5Error(error, code), `${label}: ${error}`).toBe(true)
      expect((error as Error).message, label).toContain(words)
      expect((error as Error).message, label).toContain(file.path)
      expect(hasChanged, label).toBe(false)
    }
    expect(readFileSync(file.path).equals(before)).toBe(true)
  })

  test('of nothing changes nothing.', async () => {
    const file = await newFile()
    file.write({ do: 'createDataset', path: '/d', options: { data: [1, 2, 3], maxShape: [5] } })
    const before = readFileSync(file.path)
    file.write(
      { do: 'write', path: '/d', selection: [slice(2, 1)], value: 7 },
      { do: 'write', path: '/d', selection: [slice(9, 12)], value: [] },
      { do: 'resize', path: '/d', shape: [3] },
      { do: 'createGroup', path: '/', exist: true },
    )
    expect(readFileSync(file.path).equals(before)).toBe(true)
  })
})

describe('A dataset made by h5py or others', () => {
  test.skipIf(!hasH5py)('is written in the types and paddings that it has.', async () => {
    const file = (await newFile()).beside('theirs.h5')
    const make = `${SHOW}
import h5py.h5t as t
with h5py.File(json.load(sys.stdin), 'w') as f:
    f['mixed'] = numpy.zeros(2, dtype=[('a', '>i4'), ('b', '<f8'), ('pad', 'S3')])
    f['padded'] = numpy.zeros(2, dtype=numpy.dtype({'names': ['a', 'b'], 'formats': ['i1', '>f8'], 'offsets': [3, 8], 'itemsize': 24}))
    f['big'] = numpy.zeros(2, dtype='>u8')
    f.create_dataset('colour', (3,), dtype=h5py.enum_dtype({'RED': 1, 'BLUE': 500}, basetype='>i2'))
    for name, padding in [('terminated', t.STR_NULLTERM), ('spaces', t.STR_SPACEPAD)]:
        s = t.C_S1.copy(); s.set_size(4); s.set_strpad(padding)
        h5py.h5d.create(f.id, name.encode(), s, h5py.h5s.create_simple((2,)))
    f['to'] = f.ref
    f.attrs['large'] = 'old'
    f.create_dataset('region', data=f['big'].regionref[0:1], dtype=h5py.regionref_dtype)
print('null')`
    askPython(make, file.path)
    const reference = file.read('/to').elements[0]!
    const region = file.read('/region').elements[0]!
    file.write(
      { do: 'write', path: '/mixed', selection: [1], value: { a: -5, b: 0.5, pad: 'xy' } },
      { do: 'write', path: '/padded', selection: [1], value: { a: -5, b: 0.5 } },
      { do: 'write', path: '/big', selection: [], value: [1n, 2n ** 64n - 1n] },
      { do: 'write', path: '/colour', selection: [slice(2)], value: ['RED', 500] },
      { do: 'write', path: '/terminated', selection: [], value: ['abc', ''] },
      { do: 'write', path: '/spaces', selection: [], value: ['abcd', 'a'] },
      { do: 'createDataset', path: '/references', options: { data: [reference] } },
      { do: 'createDataset', path: '/regions', options: { data: [region] } },
    )
    const look = `${SHOW}
with h5py.File(json.load(sys.stdin), 'r') as f:
    print(json.dumps([[show(f[n][()]) for n in ('mixed', 'padded', 'big', 'colour', 'terminated', 'spaces')], f[f['references'][0]].name, f[f['regions'][0]].name]))`
    const zero = '0'.repeat(16)
    expect(askPython(look, file.path)).toEqual([
      [
        [
          { a: 'i0', b: zero, pad: '' },
          { a: 'i-5', b: '3fe0000000000000', pad: 'xy' },
        ],
        [
          { a: 'i0', b: zero },
          { a: 'i-5', b: '3fe0000000000000' },
        ],
        ['i1', `i${2n ** 64n - 1n}`],
        ['i1', 'i500', 'i0'],
        ['abc', ''],
        ['abcd', 'a'],
      ],
      '/',
      '/big',
    ])
    expect(file.read('/mixed').elements).toEqual([
      { a: 0, b: 0, pad: '' },
      { a: -5, b: 0.5, pad: 'xy' },
    ])
    expect(file.read('/colour').elements).toEqual(Int16Array.of(1, 500, 0))
    // Objects in the old format have room for 64 KiB.
    const before = readFileSync(file.path)
    const tooLarge: WriteOperation = { do: 'setAttribute', path: '/', name: 'large', value: new Float64Array(9000) }
    expect(() => file.write(tooLarge)).toThrow(/72000 bytes do not fit: .* store it as a dataset/)
    expect(readFileSync(file.path).equals(before)).toBe(true)
  })
})

function hasStrings(dtype: Dtype): boolean {
  if (typeof dtype !== 'object') return dtype === 'string'
  if (dtype.type === 'string') return dtype.length === null
  if (dtype.type === 'array' || dtype.type === 'vlen') return hasStrings(dtype.base)
  return dtype.type === 'compound' && dtype.fields.some((field) => hasStrings(field.dtype))
}
