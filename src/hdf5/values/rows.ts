// SPDX-License-Identifier: MIT
// How many rows of a dataset a value is, as appending needs to know before anything is written.

import type { Value } from '../engine/protocol.ts'
import type { Dtype } from './dtype.ts'
import { ndArray, sizeOf, type TypedArray } from './nd-array.ts'

/** Null for a single row, that is, a value with an axis less than the dataset or more. */
export function rowsIn(value: Value, rank: number, dtype: Dtype): number | null {
  if (isArray(value)) return value.shape.length - arrayAxes(dtype) === rank ? value.shape[0]! : null
  const inside = elementLevels(dtype)
  // An empty list does not say how many axes it has.
  if (inside === 0 && Array.isArray(value) && value.length === 0) return 0
  return listLevels(value) - inside === rank ? (value as ArrayLike<unknown>).length : null
}

interface WithShape {
  readonly data: unknown
  readonly shape: readonly number[]
}

function isArray(value: unknown): value is WithShape {
  return typeof value === 'object' && value !== null && 'data' in value && 'shape' in value && Array.isArray(value.shape)
}

/** Flat numbers that are whole rows of a dataset, as an array of them; any other value as it is. */
export function asRows(value: Value, shape: readonly number[], dtype: Dtype): Value {
  if (shape.length < 2 || !ArrayBuffer.isView(value) || value instanceof DataView || elementLevels(dtype) > 0) return value
  const { length } = value as TypedArray
  const [, ...row] = shape
  const size = sizeOf(row)
  return size > 0 && length % size === 0 ? ndArray(value as TypedArray, [length / size, ...row]) : value
}

/** How deep lists are nested, by their first entries. */
function listLevels(value: unknown): number {
  if (ArrayBuffer.isView(value)) return 1
  if (isArray(value)) return value.shape.length
  return Array.isArray(value) ? 1 + listLevels(value[0]) : 0
}

/** How many of these levels lie inside one element. */
function elementLevels(dtype: Dtype): number {
  if (typeof dtype === 'string') return 0
  if (dtype.type === 'array') return dtype.shape.length + elementLevels(dtype.base)
  if (dtype.type === 'vlen') return 1 + elementLevels(dtype.base)
  return dtype.type === 'opaque' ? 1 : 0
}

/** The axes that an array type adds to the shape of an array of such elements. */
function arrayAxes(dtype: Dtype): number {
  return typeof dtype !== 'string' && dtype.type === 'array' ? dtype.shape.length + arrayAxes(dtype.base) : 0
}
