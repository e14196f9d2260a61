// SPDX-License-Identifier: MIT
// Every type of element, one element of it, and both as h5py says them.
import type { Dtype } from '../../../src/hdf5/values/dtype.ts'
import type { Element } from '../../../src/hdf5/values/nd-array.ts'

export interface Case {
  readonly name: string
  readonly dtype: Dtype
  readonly value: Element
  readonly python: string
  readonly pythonValue: string
  /** False: h5py cannot give a fill value of this type. */
  readonly canFill: boolean
}

const NUMBERS = [
  ...(['int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'] as const).map((name) => ({ name, value: 77, pythonValue: '77' })),
  { name: 'int64' as const, value: -(2n ** 62n) - 1n, pythonValue: '-2**62 - 1' },
  { name: 'uint64' as const, value: 2n ** 64n - 1n, pythonValue: '2**64 - 1' },
  ...(['float16', 'float32', 'float64'] as const).map((name) => ({ name, value: -1.625, pythonValue: '-1.625' })),
]

const littleEndian: Case[] = NUMBERS.map((number) => ({
  ...number,
  dtype: number.name,
  python: `np.dtype('${number.name}')`,
  canFill: true,
}))

/** NumPy knows no order for a single byte. */
const bigEndian: Case[] = NUMBERS.filter(({ name }) => !name.endsWith('t8')).map((number) => ({
  ...number,
  name: `big-endian ${number.name}`,
  dtype: { type: 'number', number: number.name, order: 'big' },
  python: `np.dtype('${number.name}').newbyteorder('>')`,
  canFill: true,
}))

const others: Case[] = [
  { name: 'bool', dtype: 'bool', value: true, python: "np.dtype('?')", pythonValue: 'True', canFill: true },
  {
    name: 'enum',
    dtype: { type: 'enum', base: 'int16', members: { BLUE: 300, RED: 0, grün: -7 } },
    value: 'BLUE',
    python: "h5py.enum_dtype({'BLUE': 300, 'RED': 0, 'grün': -7}, 'i2')",
    pythonValue: '300',
    canFill: true,
  },
  { name: 'string', dtype: 'string', value: 'naïve', python: 'h5py.string_dtype()', pythonValue: "'naïve'", canFill: true },
  {
    name: 'ascii string',
    dtype: { type: 'string', length: null, charset: 'ascii' },
    value: 'plain',
    python: "h5py.string_dtype('ascii')",
    pythonValue: "'plain'",
    canFill: true,
  },
  {
    name: 'S10',
    dtype: { type: 'string', length: 10, charset: 'ascii' },
    value: 'fixed',
    python: "np.dtype('S10')",
    pythonValue: "b'fixed'",
    canFill: true,
  },
  {
    name: 'fixed utf-8',
    dtype: { type: 'string', length: 7, charset: 'utf-8' },
    value: 'süß',
    python: "h5py.string_dtype('utf-8', 7)",
    pythonValue: "'süß'.encode()",
    canFill: true,
  },
  {
    name: 'compound',
    dtype: {
      type: 'compound',
      fields: [
        { name: 'tag', dtype: 'uint8' },
        { name: 'x', dtype: { type: 'number', number: 'float64', order: 'big' } },
        { name: 'label', dtype: 'string' },
        {
          name: 'inner',
          dtype: {
            type: 'compound',
            fields: [
              { name: 'ok', dtype: 'bool' },
              { name: 'grid', dtype: { type: 'array', base: 'int16', shape: [2, 2] } },
            ],
          },
        },
      ],
    },
    value: {
      tag: 3,
      x: 2.5,
      label: 'hé',
      inner: {
        ok: true,
        grid: [
          [1, 2],
          [3, 4],
        ],
      },
    },
    python: "np.dtype([('tag', 'u1'), ('x', '>f8'), ('label', h5py.string_dtype()), ('inner', [('ok', '?'), ('grid', 'i2', (2, 2))])])",
    pythonValue: "(3, 2.5, 'hé', (True, [[1, 2], [3, 4]]))",
    canFill: false,
  },
  {
    name: 'opaque',
    dtype: { type: 'opaque', size: 3 },
    value: new Uint8Array([1, 0, 255]),
    python: "np.dtype('V3')",
    pythonValue: "np.void(b'\\x01\\x00\\xff')",
    canFill: true,
  },
  {
    name: 'array',
    dtype: { type: 'array', base: 'int32', shape: [2, 3] },
    value: [1, 2, 3, 4, 5, 6],
    python: "np.dtype(('i4', (2, 3)))",
    pythonValue: '[[1, 2, 3], [4, 5, 6]]',
    canFill: false,
  },
  {
    name: 'vlen',
    dtype: { type: 'vlen', base: { type: 'number', number: 'int16', order: 'big' } },
    value: new Int16Array([5, -6]),
    python: "h5py.vlen_dtype(np.dtype('>i2'))",
    pythonValue: "np.array([5, -6], '>i2')",
    canFill: false,
  },
]

export const CASES: readonly Case[] = [...littleEndian, ...bigEndian, ...others]
