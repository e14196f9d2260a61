// SPDX-License-Identifier: MIT
// Numbers to typed arrays of another type: never truncated, never wrapped around.

import { Hdf5Error } from '../../errors.ts'
import type { IntegerType, NumberType } from '../../values/dtype.ts'
import type { TypedArray } from '../../values/nd-array.ts'
import { isIntegerType, NUMBERS } from '../../values/number-types.ts'
import { shown } from '../../where.ts'
import { toHalf } from './half.ts'

type Arrays = { readonly [Word in NumberType]: new (length: number) => TypedArray }

/** What holds the bytes of each type; halves as their bits. */
export const ARRAYS: Arrays = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
}

/** The type of the numbers in a typed array. */
export function typeOfArray(array: TypedArray): Exclude<NumberType, 'float16'> {
  if (array instanceof BigInt64Array) return 'int64'
  if (array instanceof BigUint64Array) return 'uint64'
  const kind = array instanceof Float32Array || array instanceof Float64Array ? 'float' : /^U/.test(array.constructor.name) ? 'uint' : 'int'
  return `${kind}${8 * array.BYTES_PER_ELEMENT}` as Exclude<NumberType, 'float16'>
}

/**
 * `elements` as numbers of this type: themselves if they are, else a copy. Integers are checked, floats are rounded to the nearest.
 *
 * @param failedAt told the index of the element that is refused
 * @throws Hdf5Error `HDF5_TYPE`, `HDF5_RANGE`
 */
export function toNumbers(elements: ArrayLike<unknown>, word: NumberType, failedAt: (index: number) => void): TypedArray {
  if (ArrayBuffer.isView(elements)) {
    const source = elements as unknown as TypedArray
    const from = typeOfArray(source)
    if (from === word) return source
    if (word !== 'float16' && convertsExactly(from, word)) {
      return new (ARRAYS[word] as Float64ArrayConstructor)(source as Float64Array)
    }
  }
  const target = new ARRAYS[word](elements.length) as Float64Array
  let index = 0
  try {
    if (word === 'float16') for (; index < elements.length; index++) target[index] = toHalf(float(elements[index], word))
    else if (!isIntegerType(word)) for (; index < elements.length; index++) target[index] = float(elements[index], word)
    else if (NUMBERS[word].size === 8) {
      for (; index < elements.length; index++) (target as unknown as BigInt64Array)[index] = wide(elements[index], word)
    } else {
      const [low, high] = [Number(NUMBERS[word].low), Number(NUMBERS[word].high)]
      for (; index < elements.length; index++) {
        const value = elements[index]
        target[index] = typeof value === 'number' && value >= low && value <= high && Number.isInteger(value) ? value : narrow(value, word)
      }
    }
  } catch (error) {
    failedAt(index)
    throw error
  }
  return target
}

/** One number, checked: a BigInt for the types of 64 bits, the bits for a half. */
export function toNumber(value: unknown, word: NumberType): number | bigint {
  if (word === 'float16') return toHalf(float(value, word))
  if (!isIntegerType(word)) return float(value, word)
  return NUMBERS[word].size === 8 ? wide(value, word) : narrow(value, word)
}

/** JavaScript's own conversion does: to floats from numbers, to integers from those of a smaller range. */
function convertsExactly(from: NumberType, to: NumberType): boolean {
  const isBig = from.endsWith('64') && isIntegerType(from)
  if (!isIntegerType(to)) return !isBig
  if (!isIntegerType(from) || isBig !== to.endsWith('64')) return false
  return NUMBERS[to].low <= NUMBERS[from].low && NUMBERS[from].high <= NUMBERS[to].high
}

function float(value: unknown, word: NumberType): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'bigint') throw notANumber(value, word)
  const number = Number(value)
  if (!Number.isFinite(number)) throw new Hdf5Error('HDF5_RANGE', `${value}n is beyond ${word}`)
  return number
}

function narrow(value: unknown, word: IntegerType): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'number' && typeof value !== 'bigint') throw notANumber(value, word)
  const { low, high } = NUMBERS[word]
  if ((typeof value === 'number' && !Number.isInteger(value)) || value < low || value > high) throw outOfRange(value, word)
  return Number(value)
}

function wide(value: unknown, word: IntegerType): bigint {
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value !== 'number' && typeof value !== 'bigint') throw notANumber(value, word)
  const { low, high } = NUMBERS[word]
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new Hdf5Error('HDF5_RANGE', `${value} is beyond the integers that a number holds exactly; give ${word} a BigInt`)
  }
  if ((typeof value === 'number' && !Number.isInteger(value)) || value < low || value > high) throw outOfRange(value, word)
  return BigInt(value)
}

function outOfRange(value: number | bigint, word: IntegerType): Hdf5Error {
  const { low, high } = NUMBERS[word]
  return new Hdf5Error('HDF5_RANGE', `${shown(value)} does not fit ${word}, which holds the integers from ${low} to ${high}`)
}

function notANumber(value: unknown, word: NumberType): Hdf5Error {
  return new Hdf5Error('HDF5_TYPE', `${shown(value)} is no number, as ${word} needs`)
}
