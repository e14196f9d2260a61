// SPDX-License-Identifier: MIT
// Random types, and random values of a type: what is written, and what has to be read back.

import { fromHalf, toHalf } from '../../../src/hdf5/engine/codec/half.ts'
import { ARRAYS } from '../../../src/hdf5/engine/codec/numbers.ts'
import type { Dtype, IntegerType, NumberType } from '../../../src/hdf5/values/dtype.ts'
import type { Element, TypedArray } from '../../../src/hdf5/values/nd-array.ts'
import { isIntegerType, isNumberType, NUMBERS } from '../../../src/hdf5/values/number-types.ts'

type Next = () => number

export function pick<Item>(next: Next, items: readonly Item[]): Item {
  return items[next() % items.length]!
}

/** @param depth how many types may lie in each other */
export function randomDtype(next: Next, depth: number): Dtype {
  const word = pick(next, Object.keys(NUMBERS) as NumberType[])
  const kinds = [
    'number',
    'number',
    'big',
    'bool',
    'string',
    'fixed',
    'enum',
    'opaque',
    'reference',
    ...(depth > 0 ? ['compound', 'array', 'vlen'] : []),
  ]
  switch (pick(next, kinds)) {
    case 'big':
      return NUMBERS[word].size === 1 ? word : { type: 'number', number: word, order: 'big' }
    case 'bool':
      return 'bool'
    case 'string':
      return next() % 3 === 0 ? { type: 'string', length: null, charset: 'ascii' } : 'string'
    case 'fixed':
      return { type: 'string', length: (next() % 12) + 1, charset: pick(next, ['ascii', 'utf-8']) }
    case 'enum': {
      const base = isIntegerType(word) ? word : 'int16'
      return { type: 'enum', base, members: { NONE: 0, SOME: 1, ALL: Number(base.startsWith('u') ? 100 : -100) } }
    }
    case 'opaque':
      return { type: 'opaque', size: (next() % 9) + 1 }
    case 'reference':
      return { type: 'reference', to: pick(next, ['object', 'region']) }
    case 'compound':
      return {
        type: 'compound',
        fields: Array.from({ length: (next() % 4) + 1 }, (_, index) => ({ name: `m${index}`, dtype: randomDtype(next, depth - 1) })),
      }
    case 'array':
      return { type: 'array', base: randomDtype(next, depth - 1), shape: Array.from({ length: (next() % 2) + 1 }, () => (next() % 3) + 1) }
    case 'vlen':
      return { type: 'vlen', base: randomDtype(next, depth - 1) }
    default:
      return word
  }
}

/** One value of a type, as it is read back from within a record. */
export function randomElement(next: Next, dtype: Dtype): Element {
  if (dtype === 'bool') return next() % 2 === 0
  if (dtype === 'string') return randomText(next, ['a', 'Z', '~', 'ß', '漢', '😀', ' ', '\n'], 8)
  if (typeof dtype === 'string') return randomNumber(next, dtype)
  switch (dtype.type) {
    case 'number':
      return randomNumber(next, dtype.number)
    case 'string':
      return randomString(next, dtype.length, dtype.charset)
    case 'enum': {
      const value = pick(next, Object.values(dtype.members))
      return dtype.base.endsWith('64') ? BigInt(value) : value
    }
    case 'compound':
      return Object.fromEntries(dtype.fields.map((field) => [field.name, randomElement(next, field.dtype)]))
    case 'array':
      return randomList(next, dtype.base, dtype.shape)
    case 'vlen':
      return randomList(next, dtype.base, [next() % 4])
    case 'opaque':
      return randomBytes(next, dtype.size)
    case 'reference':
      return { type: 'reference', path: null, to: dtype.to, bytes: randomBytes(next, dtype.to === 'object' ? 8 : 12) }
  }
}

/** Elements of a type as they are read back flat: a typed array where there is one for them. */
export function randomElements(next: Next, dtype: Dtype, count: number): TypedArray | Element[] {
  const elements = Array.from({ length: count }, () => randomElement(next, dtype))
  const word = numbersOf(dtype)
  if (word === null) return elements
  if (word === 'bool') return Uint8Array.from(elements, Number)
  const array = word === 'float16' ? new Float32Array(count) : new ARRAYS[word](count)
  for (let index = 0; index < count; index++) (array as unknown as unknown[])[index] = elements[index]
  return array
}

function randomList(next: Next, base: Dtype, shape: readonly number[]): Element {
  const [length, ...rest] = shape
  if (rest.length > 0) return Array.from({ length: length! }, () => randomList(next, base, rest))
  if (typeof base !== 'object' || base.type !== 'array') return randomElements(next, base, length!)
  return Array.from({ length: length! }, () => randomElement(next, base))
}

function numbersOf(dtype: Dtype): NumberType | 'bool' | null {
  if (dtype === 'bool' || isNumberType(dtype)) return dtype
  if (typeof dtype === 'string') return null
  return dtype.type === 'number' ? dtype.number : dtype.type === 'enum' ? dtype.base : null
}

function randomNumber(next: Next, word: NumberType): number | bigint {
  if (isIntegerType(word)) return randomInteger(next, word)
  const value = pick(next, [0, -0, 1, -1.5, Number.POSITIVE_INFINITY, Number.NaN, (next() / 2 ** 31 - 1) * 2 ** ((next() % 40) - 20)])
  if (word === 'float16') return fromHalf(toHalf(value))
  return word === 'float32' ? Math.fround(value) : value
}

function randomInteger(next: Next, word: IntegerType): number | bigint {
  const { low, high } = NUMBERS[word]
  const random = low + (((BigInt(next()) << 32n) | BigInt(next())) % (high - low + 1n))
  const value = pick(next, [low, high, 0n, random, random])
  return word.endsWith('64') ? value : Number(value)
}

function randomString(next: Next, length: number | null, charset: 'utf-8' | 'ascii'): string {
  const text = randomText(next, charset === 'ascii' ? ['a', 'Z', '~', ' '] : ['a', 'ß', '漢', '😀'], length ?? 9)
  return length === null || Buffer.byteLength(text) <= length ? text : ''
}

function randomText(next: Next, letters: readonly string[], most: number): string {
  return Array.from({ length: next() % (most + 1) }, () => pick(next, letters)).join('')
}

function randomBytes(next: Next, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next() & 0xff)
}
