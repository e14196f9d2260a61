// SPDX-License-Identifier: MIT
// How types of elements compare, and how messages name them.
import type { Dtype, NumberType, StringType } from './dtype.ts'
import { isNumberType, NUMBERS } from './number-types.ts'

/** True when both describe the same elements, stored the same way. */
export function sameDtype(one: Dtype, other: Dtype): boolean {
  return canonical(one) === canonical(other)
}

/**
 * Whether a dataset of type `have` will do for somebody who requires `want`, by the rule of h5py's `require_dataset`: the same type if
 * `exact`, else any that holds every value of `want` as NumPy's safe casting sees it. Charsets do not count.
 */
export function canHold(have: Dtype, want: Dtype, exact: boolean): boolean {
  const from = stringType(want)
  const to = stringType(have)
  if (from !== null && to !== null) {
    if (exact || from.length === null) return from.length === to.length
    return to.length === null || from.length <= to.length
  }
  if (exact) return sameDtype(have, want)
  const number = numberOf(have)
  const wanted = numberOf(want)
  if (number !== null && want === 'bool') return true
  if (number !== null && wanted !== null) return holdsNumber(number, wanted)
  return sameDtype(have, want)
}

/** A type in a few words, for messages: `float64`, `strings of 10 bytes`, `compound {x: float32, y: float32}`. */
export function describeDtype(dtype: Dtype): string {
  if (typeof dtype === 'string') return dtype
  switch (dtype.type) {
    case 'number':
      return `${dtype.number} (big-endian)`
    case 'string':
      return `strings of ${dtype.length === null ? 'any length' : `${dtype.length} bytes`} (${dtype.charset})`
    case 'enum':
      return `enum of ${dtype.base} {${shortened(Object.entries(dtype.members).map(([name, value]) => `${name}: ${value}`))}}`
    case 'compound':
      return `compound {${shortened(dtype.fields.map((field) => `${field.name}: ${describeDtype(field.dtype)}`))}}`
    case 'array':
      return `arrays [${dtype.shape.join(', ')}] of ${describeDtype(dtype.base)}`
    case 'vlen':
      return `lists of ${describeDtype(dtype.base)}`
    case 'opaque':
      return `opaque elements of ${dtype.size} bytes`
    case 'reference':
      return `references to ${dtype.to === 'object' ? 'objects' : 'regions'}`
  }
}

/** NumPy counts every 64-bit integer as safe in a float64, and any integer of a size in the float of twice that size. */
function holdsNumber(have: NumberType, want: NumberType): boolean {
  const [size, wanted] = [NUMBERS[have].size, NUMBERS[want].size]
  if (!have.startsWith('float'))
    return !want.startsWith('float') && NUMBERS[have].low <= NUMBERS[want].low && NUMBERS[want].high <= NUMBERS[have].high
  return want.startsWith('float') ? wanted <= size : size === 8 || wanted < size
}

function stringType(dtype: Dtype): StringType | null {
  if (dtype === 'string') return { type: 'string', length: null, charset: 'utf-8' }
  return typeof dtype === 'object' && dtype.type === 'string' ? dtype : null
}

function numberOf(dtype: Dtype): NumberType | null {
  if (isNumberType(dtype)) return dtype
  return typeof dtype === 'object' && dtype.type === 'number' ? dtype.number : null
}

/** Equal for equal types, whatever the order of their properties; the order of an enum's members does not count. */
function canonical(dtype: Dtype): string {
  if (typeof dtype === 'string') return JSON.stringify(dtype)
  switch (dtype.type) {
    case 'number':
      return JSON.stringify(['number', dtype.number, dtype.order])
    case 'string':
      return dtype.length === null && dtype.charset === 'utf-8' ? '"string"' : JSON.stringify(['string', dtype.length, dtype.charset])
    case 'enum':
      return JSON.stringify(['enum', dtype.base, Object.entries(dtype.members).sort(([one], [other]) => (one < other ? -1 : 1))])
    case 'compound':
      return JSON.stringify(['compound', dtype.fields.map((field) => [field.name, canonical(field.dtype)])])
    case 'array':
      return JSON.stringify(['array', dtype.shape, canonical(dtype.base)])
    case 'vlen':
      return JSON.stringify(['vlen', canonical(dtype.base)])
    case 'opaque':
      return JSON.stringify(['opaque', dtype.size])
    case 'reference':
      return JSON.stringify(['reference', dtype.to])
  }
}

function shortened(parts: readonly string[]): string {
  return parts.length <= 8 ? parts.join(', ') : `${parts.slice(0, 7).join(', ')}, … ${parts.length - 7} more`
}
