// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { fromHalf, toHalf } from '../../../src/hdf5/engine/codec/half.ts'
import { decode, dtypeOf, encode, type Layout, layoutOf, plain } from '../../../src/hdf5/engine/codec.ts'
import { axesOf } from '../../../src/hdf5/engine/nested.ts'
import { type Hdf5ErrorCode, isHdf5Error } from '../../../src/hdf5/errors.ts'
import { type DtypeLike, parseDtype, sameDtype } from '../../../src/hdf5/values/dtype.ts'
import { type Element, sizeOf, type TypedArray } from '../../../src/hdf5/values/nd-array.ts'
import { NUMBERS } from '../../../src/hdf5/values/number-types.ts'
import { askPython, hasH5py } from '../../support/python.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { PlainMemory } from './memory.ts'
import { pick, randomDtype, randomElements } from './random-values.ts'

const where = { file: 'data.h5', object: '/x' }
const memory = new PlainMemory(4)
const layoutFor = (like: unknown): Layout => layoutOf(parseDtype(like as DtypeLike, where), 4)

function refusal(code: Hdf5ErrorCode, elements: ArrayLike<unknown>, like: unknown): string {
  try {
    encode(elements, typeof like === 'object' && like !== null && 'kind' in like ? (like as Layout) : layoutFor(like), memory, where)
  } catch (error) {
    if (isHdf5Error(error, code)) return error.message
    throw error
  }
  throw new Error('It was not refused.')
}

function roundTrip(elements: ArrayLike<unknown>, like: unknown): TypedArray | Element[] {
  const layout = layoutFor(like)
  return decode(encode(elements, layout, memory, where), elements.length, layout, memory)
}

describe('The codec', () => {
  test('gives back what it was given, of any type.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(1500); round++) {
      const dtype = randomDtype(next, 3)
      const label = `seed ${seed}, round ${round}: ${JSON.stringify(dtype)}`
      const memory = new PlainMemory(pick(next, [4, 8] as const))
      const layout = layoutOf(dtype, memory.pointerSize)
      const count = next() % 5
      const single = innermost(dtype)
      const elements = randomElements(next, single, count * sizeOf(axesOf(layout)))
      const bytes = encode(elements, layout, memory, where)
      expect(bytes.length, label).toBe(count * layout.size)
      expect(decode(bytes, count, layout, memory), label).toEqual(elements)
      expect(sameDtype(dtypeOf(layout), dtype), label).toBe(true)
    }
  })

  test('does not copy numbers that are of the type already.', () => {
    for (const array of [new Float64Array(4).subarray(1), new Uint8Array(4), new BigInt64Array(2)]) {
      const word = { Float64Array: 'float64', Uint8Array: 'uint8', BigInt64Array: 'int64' }[array.constructor.name]
      const bytes = encode(array, layoutFor(word), memory)
      expect([bytes.buffer, bytes.byteOffset, bytes.byteLength]).toEqual([array.buffer, array.byteOffset, array.byteLength])
    }
  })

  test('gives nothing that points into the memory of the library.', () => {
    const layout = layoutFor({ x: 'f8', l: { type: 'vlen', base: 'u1' }, o: 'V2' })
    const own = new PlainMemory(4)
    const bytes = encode([{ x: 1, l: [1, 2], o: Uint8Array.of(3, 4) }], layout, own)
    const decoded = decode(bytes, 1, layout, own)
    const numbers = decode(bytes, 1, layoutFor('float64'), own)
    const before = structuredClone([decoded, numbers])
    bytes.fill(0xff)
    own.view(0, 1024).fill(0xff)
    expect([decoded, numbers]).toEqual(before)
  })

  test('keeps integers of 64 bits without loss.', () => {
    const wide = [0n, 1n, -1n, NUMBERS.int64.low, NUMBERS.int64.high]
    expect(roundTrip(wide, 'int64')).toEqual(BigInt64Array.from(wide))
    expect(roundTrip([5, -5, true, Number.MIN_SAFE_INTEGER], 'int64')).toEqual(BigInt64Array.of(5n, -5n, 1n, -(2n ** 53n) + 1n))
    expect(roundTrip([NUMBERS.uint64.high], 'uint64')).toEqual(BigUint64Array.of(2n ** 64n - 1n))
  })

  test('refuses what an integer type does not hold, naming element, value and type.', () => {
    expect(refusal('HDF5_RANGE', [1, 2, 300], 'uint8')).toBe(
      '/x in data.h5: element 2: 300 does not fit uint8, which holds the integers from 0 to 255.',
    )
    expect(refusal('HDF5_RANGE', [1.5], 'int32')).toContain('1.5 does not fit int32')
    expect(refusal('HDF5_RANGE', [Number.NaN], 'int32')).toContain('NaN')
    expect(refusal('HDF5_RANGE', Float64Array.of(0, 2 ** 31), 'int32')).toContain('element 1: 2147483648 does not fit int32')
    expect(refusal('HDF5_RANGE', Float32Array.of(1, 0.5), 'int32')).toContain('element 1: 0.5 does not fit int32')
    expect(refusal('HDF5_RANGE', [-1n], 'uint64')).toContain('-1n does not fit uint64')
    expect(refusal('HDF5_RANGE', [2n ** 63n], 'int64')).toContain('does not fit int64')
    expect(refusal('HDF5_RANGE', BigUint64Array.of(2n ** 63n), 'int64')).toContain('does not fit int64')
    expect(refusal('HDF5_RANGE', [2 ** 53], 'int64')).toContain('give int64 a BigInt')
    expect(refusal('HDF5_RANGE', [0.5], 'int64')).toContain('0.5 does not fit int64')
    expect(refusal('HDF5_RANGE', [2n ** 2000n], 'float64')).toContain('is beyond float64')
    expect(refusal('HDF5_TYPE', ['1'], 'int32')).toContain('"1" is no number, as int32 needs')
    expect(refusal('HDF5_TYPE', [undefined], 'int64')).toContain('undefined is no number')
    expect(refusal('HDF5_TYPE', [null], 'float64')).toContain('null is no number')
  })

  test('converts between any two types of numbers, or refuses.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const words = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const
    for (const from of words) {
      for (const to of [...words, 'float64'] as const) {
        const source = randomElements(next, from, 6)
        const { low, high } = to === 'float64' ? NUMBERS.int64 : NUMBERS[to]
        const fits = [...source].every((value) => to === 'float64' || (BigInt(value as number) >= low && BigInt(value as number) <= high))
        if (!fits) expect(refusal('HDF5_RANGE', source, to), `seed ${seed}: ${from} to ${to}`).toContain(`does not fit ${to}`)
        else expect([...roundTrip(source, to)].map(Number), `seed ${seed}: ${from} to ${to}`).toEqual([...source].map(Number))
      }
    }
    expect(roundTrip(Float64Array.of(0.1, 1e300), 'float32')).toEqual(Float32Array.of(Math.fround(0.1), Number.POSITIVE_INFINITY))
    expect(roundTrip(Float32Array.of(0.5), 'float64')).toEqual(Float64Array.of(0.5))
    expect(roundTrip(BigInt64Array.of(3n), 'float32')).toEqual(Float32Array.of(3))
  })

  test.skipIf(!hasH5py)('rounds to half precision as NumPy does.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const halves = Array.from({ length: 65536 }, (_, bits) => fromHalf(bits))
    const doubles = [
      65504,
      65519.999,
      65520,
      65536,
      1e300,
      2 ** -24,
      2 ** -25,
      2 ** -25 * 1.0001,
      3 * 2 ** -25,
      2 ** -14 - 2 ** -26,
      5e-324,
    ]
    for (let index = 0; index < 3000; index++) doubles.push((next() / 2 ** 31 - 1) * 2 ** ((next() % 48) - 28))
    // Halfway between two neighbours, and just beside.
    for (let index = 0; index < 3000; index++) {
      const bits = next() % 0x7bff
      const middle = (fromHalf(bits) + fromHalf(bits + 1)) / 2
      doubles.push(middle, middle * (1 + 2 ** -50), middle * (1 - 2 ** -50))
    }
    const words = doubles.map((value) => Buffer.from(Float64Array.of(value).buffer).toString('hex')).join('')
    const script = `
import json, sys, numpy
numpy.seterr(all='ignore')
doubles = numpy.frombuffer(bytes.fromhex(json.load(sys.stdin)), '<f8')
halves = numpy.arange(65536, dtype='<u2').view('<f2').astype('<f8')
print(json.dumps([halves.tobytes().hex(), doubles.astype('<f2').view('<u2').tolist()]))`
    const [hex, rounded] = askPython<[string, number[]]>(script, words)
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
    expect(Float64Array.from(halves)).toEqual(new Float64Array(bytes.buffer))
    expect(doubles.map(toHalf), `seed ${seed}`).toEqual(rounded)
    expect(halves.map(toHalf)).toEqual(halves.map((value, bits) => (Number.isNaN(value) ? 0x7e00 : bits)))
  })

  test('takes bools and enums as numbers or names, and gives numbers; in records, bools.', () => {
    expect(roundTrip([true, false, 1, 0n], 'bool')).toEqual(Uint8Array.of(1, 0, 1, 0))
    expect(plain(Uint8Array.of(0, 1), layoutFor('bool'), 1)).toBe(true)
    const colour = { type: 'enum', base: 'i2', members: { RED: -1, BLUE: 500 } }
    expect(roundTrip(['RED', 500, 'BLUE', 7], colour)).toEqual(Int16Array.of(-1, 500, 500, 7))
    expect(roundTrip([{ ok: true, c: 'RED' }], { ok: '?', c: colour })).toEqual([{ ok: true, c: -1 }])
    expect(refusal('HDF5_TYPE', ['GREEN'], colour)).toContain('"GREEN" is no member of the enum; its members are RED, BLUE')
    expect(refusal('HDF5_RANGE', [2], 'bool')).toContain('2 is no bool')
    expect(refusal('HDF5_RANGE', Uint8Array.of(0, 2), 'bool')).toContain('element 1: 2 is no bool')
    expect(refusal('HDF5_TYPE', ['TRUE'], 'bool')).toContain('"TRUE" is no bool')
  })

  test('refuses strings that HDF5 would cut.', () => {
    expect(refusal('HDF5_TYPE', ['a\0b'], 'string')).toContain('has a NUL in it')
    expect(refusal('HDF5_TYPE', ['\ud800'], 'string')).toContain('half a surrogate pair')
    expect(refusal('HDF5_TYPE', [7], 'string')).toContain('7 is no string')
    expect(refusal('HDF5_RANGE', ['12345'], 'S4')).toContain('"12345" takes 5 bytes, and the string type has room for 4')
    expect(refusal('HDF5_RANGE', ['aé'], { type: 'string', length: 2 })).toContain('takes 3 bytes')
    expect(refusal('HDF5_TYPE', ['é'], 'S4')).toContain('is not ASCII')
    const padded = (padding: 'terminated' | 'space'): Layout => ({ kind: 'string', size: 4, charset: 'ascii', padding })
    expect(refusal('HDF5_RANGE', ['1234'], padded('terminated'))).toContain('room for 3')
    expect(refusal('HDF5_TYPE', ['1 '], padded('space'))).toContain('ends in a space')
    expect(encode(['1'], padded('space'), memory)).toEqual(Uint8Array.from(Buffer.from('1   ')))
  })

  test('reads strings of every padding, and bytes that are not what their type says.', () => {
    const bytes = Uint8Array.from(Buffer.from('ab\0c ', 'latin1'))
    const read = (padding: 'terminated' | 'nul' | 'space', from: Uint8Array = bytes): Element =>
      decode(from, 1, { kind: 'string', size: from.length, charset: 'ascii', padding }, memory)[0]!
    expect(read('terminated')).toBe('ab')
    expect(read('nul')).toBe('ab\0c ')
    expect(read('space')).toBe('ab\0c')
    expect(read('nul', Uint8Array.from(Buffer.from('caf\xe9', 'latin1')))).toBe('café')
    expect(read('nul', Uint8Array.from(Buffer.from('\ufeffcafé')))).toBe('\ufeffcafé')
    expect(decode(new Uint8Array(4), 1, layoutFor('string'), memory)).toEqual([''])
  })

  test('loses nothing of UTF-8 that is none: each such byte becomes half a surrogate pair, as in Python.', () => {
    const read = (...bytes: number[]): Element =>
      decode(Uint8Array.from(bytes), 1, { kind: 'string', size: bytes.length, charset: 'utf-8', padding: 'nul' }, memory)[0]!
    expect(read(0x61, 0xff, 0x62)).toBe('a\udcffb')
    expect(read(0xc3, 0xa9, 0xc3)).toBe('é\udcc3')
    expect(read(0xf0, 0x9f, 0x99, 0x82, 0xe2, 0x82)).toBe('🙂\udce2\udc82')
    expect(read(0xed, 0xa0, 0x80)).toBe('\udced\udca0\udc80')
    expect(read(0x80, 0x41)).toBe('\udc80A')
  })

  test('refuses records that lack a member or have another.', () => {
    const point = { x: 'f4', y: 'i1' }
    expect(refusal('HDF5_TYPE', [{ x: 1, y: 1 }, { x: 1 }], point)).toContain('element 1: the record has no member "y"')
    expect(refusal('HDF5_TYPE', [{ x: 1, y: 1, z: 1 }], point)).toContain('the type has no member "z"; its members are x, y')
    expect(refusal('HDF5_RANGE', [{ x: 1, y: 128 }], point)).toContain('member y: 128 does not fit int8')
    expect(refusal('HDF5_TYPE', [[1, 2]], point)).toContain('a list of 2 is no record with the members x, y')
    expect(roundTrip([JSON.parse('{"__proto__": 3}')], { type: 'compound', fields: [{ name: '__proto__', dtype: 'f4' }] })).toEqual([
      JSON.parse('{"__proto__": 3}'),
    ])
  })

  test('refuses arrays, lists, bytes and references that are not of their type.', () => {
    expect(refusal('HDF5_SHAPE', [{ a: [1, 2] }], { a: { type: 'array', base: 'f4', shape: [3] } })).toContain(
      'member a: a list of 2 does not have the shape [3]',
    )
    expect(refusal('HDF5_TYPE', [3], { type: 'vlen', base: 'f4' })).toContain('3 is no list')
    expect(refusal('HDF5_RANGE', [[1], [2, 300]], { type: 'vlen', base: 'u1' })).toContain('element 1: element 1: 300 does not fit uint8')
    expect(refusal('HDF5_RANGE', [new Uint8Array(3)], 'V4')).toContain('3 bytes are no opaque element, which has 4')
    expect(refusal('HDF5_TYPE', [[1, 2]], 'V2')).toContain('no Uint8Array')
    expect(refusal('HDF5_TYPE', ['/x'], { type: 'reference', to: 'object' })).toContain('"/x" is no reference')
    const region = { type: 'reference', to: 'region', path: null, bytes: new Uint8Array(12) }
    expect(refusal('HDF5_TYPE', [region], { type: 'reference', to: 'object' })).toContain(
      'a reference to a region is no reference to an object',
    )
  })

  test('finds the path of a reference, unless it is empty.', () => {
    const layout = layoutFor({ type: 'reference', to: 'object' })
    const bytes = new Uint8Array(16).fill(7, 8)
    const found = decode(bytes, 2, layout, memory, (own, to) => `${to} ${own[0]}`)
    expect(found).toMatchObject([{ path: null }, { path: 'object 7' }])
  })

  test('reads and writes numbers that are big-endian in memory.', () => {
    const swapped: Layout = { kind: 'integer', size: 4, signed: true, swapped: true }
    expect(encode(Int32Array.of(1), swapped, memory)).toEqual(Uint8Array.of(0, 0, 0, 1))
    expect(decode(Uint8Array.of(0, 0, 1, 0), 1, swapped, memory)).toEqual(Int32Array.of(256))
    const record: Layout = { kind: 'compound', size: 6, fields: [{ name: 'x', offset: 2, layout: swapped }] }
    expect(encode([{ x: 1 }], record, memory)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 1))
    expect(decode(Uint8Array.of(9, 9, 0, 0, 0, 2), 1, record, memory)).toEqual([{ x: 2 }])
  })

  test('names the width of numbers that it does not support.', () => {
    expect(() => dtypeOf({ kind: 'float', size: 16 })).toThrow('Floating-point numbers of 128 bits are not supported.')
    expect(() => dtypeOf({ kind: 'integer', size: 3, signed: true })).toThrow('Integers of 24 bits')
    expect(dtypeOf({ kind: 'bitfield', size: 2 })).toBe('uint16')
  })
})

function innermost(dtype: ReturnType<typeof parseDtype>): ReturnType<typeof parseDtype> {
  return typeof dtype === 'object' && dtype.type === 'array' ? innermost(dtype.base) : dtype
}
