// SPDX-License-Identifier: MIT
// The types of numbers: bytes and limits.
import type { IntegerType, NumberType } from './dtype.ts'

/** Bytes and limits of each type of number. */
export const NUMBERS: Readonly<Record<NumberType, { readonly size: 1 | 2 | 4 | 8; readonly low: bigint; readonly high: bigint }>> = {
  int8: integer(1, true),
  int16: integer(2, true),
  int32: integer(4, true),
  int64: integer(8, true),
  uint8: integer(1, false),
  uint16: integer(2, false),
  uint32: integer(4, false),
  uint64: integer(8, false),
  // Of floats, the integers up to which each one is held exactly.
  float16: { size: 2, low: -(2n ** 11n), high: 2n ** 11n },
  float32: { size: 4, low: -(2n ** 24n), high: 2n ** 24n },
  float64: { size: 8, low: -(2n ** 53n), high: 2n ** 53n },
}

/** True for the word of a type of number. */
export function isNumberType(word: unknown): word is NumberType {
  return typeof word === 'string' && Object.hasOwn(NUMBERS, word)
}

/** True for the word of a type of integers. */
export function isIntegerType(word: unknown): word is IntegerType {
  return isNumberType(word) && !word.startsWith('float')
}

function integer(size: 1 | 2 | 4 | 8, signed: boolean): { size: 1 | 2 | 4 | 8; low: bigint; high: bigint } {
  const bits = BigInt(8 * size)
  return signed ? { size, low: -(2n ** (bits - 1n)), high: 2n ** (bits - 1n) - 1n } : { size, low: 0n, high: 2n ** bits - 1n }
}
