// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { isHdf5Error } from '../../src/hdf5/errors.ts'
import { canHold, type Dtype, type DtypeLike, describeDtype, parseDtype, sameDtype } from '../../src/hdf5/values/dtype.ts'
import { askPython, hasH5py } from '../support/python.ts'

const where = { file: 'data.h5', object: '/x' }
const parse = (like: unknown): Dtype => parseDtype(like as DtypeLike, where)

function refusal(like: unknown): string {
  try {
    parse(like)
  } catch (error) {
    if (isHdf5Error(error, 'HDF5_TYPE')) return error.message
    throw error
  }
  throw new Error('It was not refused.')
}

const WORDS = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'float16', 'float32', 'float64', 'bool'] as const

describe('A type', () => {
  test('is a word, or a code of NumPy.', () => {
    for (const word of [...WORDS, 'string'] as const) expect(parse(word)).toBe(word)
    expect(parse('<f4')).toBe('float32')
    expect(parse('|u1')).toBe('uint8')
    expect(parse('?')).toBe('bool')
    expect(parse('b1')).toBe('bool')
    expect(parse('float')).toBe('float64')
    expect(parse('str')).toBe('string')
    expect(parse('>i8')).toEqual({ type: 'number', number: 'int64', order: 'big' })
    expect(parse('>u1')).toBe('uint8')
    expect(parse('S10')).toEqual({ type: 'string', length: 10, charset: 'ascii' })
    expect(parse('V16')).toEqual({ type: 'opaque', size: 16 })
  })

  test.skipIf(!hasH5py)('of one letter is what NumPy takes it for.', () => {
    const letters = [...'?bBhHiIlLqQefd']
    const names = askPython<string[]>(
      'import numpy, json, sys\nprint(json.dumps([numpy.dtype(c).name for c in json.load(sys.stdin)]))',
      letters,
    )
    expect(letters.map(parse)).toEqual(names)
  })

  test('is an object, with defaults.', () => {
    expect(parse({ type: 'string' })).toBe('string')
    expect(parse({ type: 'string', length: 4 })).toEqual({ type: 'string', length: 4, charset: 'utf-8' })
    expect(parse({ type: 'enum', members: { RED: 0, BLUE: 7 } })).toEqual({ type: 'enum', base: 'uint8', members: { RED: 0, BLUE: 7 } })
    expect(parse({ type: 'enum', base: 'i1', members: { TRUE: 1, FALSE: 0 } })).toBe('bool')
    expect(parse({ type: 'array', base: 'f4', shape: [2, 3] })).toEqual({ type: 'array', base: 'float32', shape: [2, 3] })
    expect(parse({ type: 'vlen', base: 'i4' })).toEqual({ type: 'vlen', base: 'int32' })
    expect(parse({ type: 'reference', to: 'object' })).toEqual({ type: 'reference', to: 'object' })
    expect(parse({ type: 'number', number: 'int8', order: 'big' })).toBe('int8')
  })

  test('is compound when its members are named.', () => {
    const fields = [
      { name: 'x', dtype: 'float32' },
      { name: 'name', dtype: 'string' },
    ]
    expect(parse({ x: 'f4', name: 'string' })).toEqual({ type: 'compound', fields })
    expect(parse({ type: 'compound', fields: [{ name: 'x', dtype: '<f4' }, fields[1]] })).toEqual({ type: 'compound', fields })
    expect(parse({ type: 'f4', x: 'f8' })).toMatchObject({ fields: [{ name: 'type', dtype: 'float32' }, { name: 'x' }] })
  })

  test('that HDF5 does not have is refused, with advice.', () => {
    expect(refusal('U10')).toContain("take 'string'")
    expect(refusal('<M8[ns]')).toContain('store them as int64')
    expect(refusal('c16')).toContain("compound {r: 'f8', i: 'f8'}")
    expect(refusal('S')).toContain("such as 'S10'")
    expect(refusal('O')).toContain("take 'string'")
    expect(refusal('f3')).toBe(
      `/x in data.h5: "f3" is no type that can be stored: it is not known. Known are bool, int8 to int64, uint8 to uint64, float16 to float64, string, NumPy's codes ('<f4', '>i8', 'S10', '?'), and objects.`,
    )
  })

  test('that is malformed is refused.', () => {
    expect(refusal(7)).toContain('7 is no type')
    expect(refusal(['f4'])).toContain('a list of 1 is no type')
    expect(refusal({})).toContain('at least one member')
    expect(refusal({ type: 'string', x: 'f4' })).toContain("has no property 'x'")
    expect(refusal({ type: 'string', length: 0 })).toContain('at least 1')
    expect(refusal({ type: 'enum', base: 'f4', members: { A: 1 } })).toContain('integers')
    expect(refusal({ type: 'enum', members: { A: 256 } })).toContain('the value of the member A, 256, is no uint8')
    expect(refusal({ type: 'enum', members: { A: 1, B: 1 } })).toContain('a value of its own')
    expect(refusal({ type: 'enum', members: {} })).toContain('needs members')
    expect(refusal({ type: 'array', base: 'f4', shape: [0] })).toContain('at least 1')
    expect(
      refusal({
        type: 'compound',
        fields: [
          { name: 'x', dtype: 'f4' },
          { name: 'x', dtype: 'f4' },
        ],
      }),
    ).toContain('two members')
    expect(refusal({ 'a\0b': 'f4' })).toContain('cannot be the name')
    expect(refusal({ type: 'vlen' })).toContain('undefined is no type')
  })

  test('is compared by what it describes.', () => {
    expect(sameDtype(parse({ type: 'enum', members: { A: 1, B: 2 } }), parse({ members: { B: 2, A: 1 }, type: 'enum' }))).toBe(true)
    expect(sameDtype(parse({ a: 'f4', b: 'f4' }), parse({ b: 'f4', a: 'f4' }))).toBe(false)
    expect(sameDtype('float32', parse('>f4'))).toBe(false)
    expect(sameDtype('string', { type: 'string', length: null, charset: 'utf-8' })).toBe(true)
  })

  test('is described in a few words.', () => {
    expect(describeDtype(parse({ x: '>f4', s: 'S3', e: { type: 'enum', members: { A: 1 } }, l: { type: 'vlen', base: 'i4' } }))).toBe(
      'compound {x: float32 (big-endian), s: strings of 3 bytes (ascii), e: enum of uint8 {A: 1}, l: lists of int32}',
    )
    expect(describeDtype(parse({ type: 'array', base: { type: 'opaque', size: 3 }, shape: [2] }))).toBe(
      'arrays [2] of opaque elements of 3 bytes',
    )
    expect(
      describeDtype({ type: 'enum', base: 'int8', members: Object.fromEntries([...'abcdefghij'].map((name, value) => [name, value])) }),
    ).toContain('… 3 more')
    expect(describeDtype({ type: 'reference', to: 'region' })).toBe('references to regions')
  })

  test.skipIf(!hasH5py)('will do for another one by the rule of h5py.', () => {
    const codes = [...WORDS, 'S3', 'S5', '>f4', '>i8']
    const script =
      'import numpy, json, sys\nd = [numpy.dtype(c) for c in json.load(sys.stdin)]\nprint(json.dumps([[[numpy.can_cast(w, h), bool(w == h)] for w in d] for h in d]))'
    const table = askPython<[boolean, boolean][][]>(script, codes)
    for (const [row, have] of codes.entries()) {
      for (const [column, want] of codes.entries()) {
        if (have.startsWith('S') !== want.startsWith('S')) continue
        const [loose, exact] = table[row]![column]!
        expect(canHold(parse(have), parse(want), false), `${have} for ${want}`).toBe(loose)
        expect(canHold(parse(have), parse(want), true), `exactly ${have} for ${want}`).toBe(exact)
      }
    }
    expect(canHold('string', parse('S5'), false)).toBe(true)
    expect(canHold('string', parse('S5'), true)).toBe(false)
    expect(canHold(parse('S5'), 'string', false)).toBe(false)
    expect(canHold('float64', 'string', false)).toBe(false)
  })
})
