// SPDX-License-Identifier: MIT
// What users give (scalars, nested lists, typed arrays, arrays with a shape) to flat elements, their shape and their type; broadcasting.
import type { Dtype } from '../values/dtype.ts'
import { sizeOf, strideOf, type TypedArray } from '../values/nd-array.ts'
import { NUMBERS } from '../values/number-types.ts'
import { located, problem, shown, shownShape, type Where } from '../where.ts'
import { typeOfArray } from './codec/numbers.ts'
import { layoutOf } from './codec.ts'
import { axesOf, type Flat, flatten, formOf, isTyped } from './nested.ts'

export interface ReadValue {
  /** Flat, in C order; of an array type all elements of each array. Not converted, and not checked against the type. */
  readonly elements: ArrayLike<unknown>
  /** Without the axes of an array type. */
  readonly shape: readonly number[]
  readonly dtype: Dtype
}

/** Elements that one write can hold; more has to be written in parts. */
const MOST_ELEMENTS = 2 ** 31 - 1

/**
 * What a value is. Without `dtype` the type is that of the value: of a typed array its own, of numbers `float64` (which is what they are in
 * JavaScript), of BigInts `int64` (`uint64` if one needs it), of booleans `bool`, of strings `string`, of records a compound of their
 * members, of an empty list `float64`.
 *
 * @throws Hdf5Error `HDF5_SHAPE` for ragged lists, `HDF5_TYPE` for what cannot be stored
 */
export function readValue(value: unknown, dtype: Dtype | undefined, where: Where): ReadValue {
  try {
    if (dtype === undefined) {
      const { elements, shape } = flatten(value)
      return { elements, shape, dtype: guess(elements, where) }
    }
    const layout = layoutOf(dtype, 4)
    return { ...withoutAxes(flatten(value, formOf(layout)), axesOf(layout)), dtype }
  } catch (error) {
    throw located(error, where)
  }
}

/**
 * Elements of the shape `from` spread over the shape `to` as NumPy does: axes are compared from the last, and one of length 1 or missing
 * is repeated. Each element may be several (`axes`, of an array type).
 *
 * @throws Hdf5Error `HDF5_SHAPE`, `HDF5_TOO_LARGE`
 */
export function broadcast(
  elements: ArrayLike<unknown>,
  from: readonly number[],
  to: readonly number[],
  where: Where,
  axes: readonly number[] = [],
): ArrayLike<unknown> {
  const extra = from.slice(0, Math.max(0, from.length - to.length))
  const aligned = [...new Array<number>(Math.max(0, to.length - from.length)).fill(1), ...from.slice(extra.length)]
  if (extra.some((length) => length !== 1) || aligned.some((length, axis) => length !== 1 && length !== to[axis])) {
    throw problem('HDF5_SHAPE', where, `a value of the shape ${shownShape(from)} does not fit the shape ${shownShape(to)}.`)
  }
  if (aligned.every((length, axis) => length === to[axis])) return elements
  const target = [...to, ...axes]
  const size = sizeOf(target)
  if (size > MOST_ELEMENTS) throw problem('HDF5_TOO_LARGE', where, `${size} elements are too many for one write; write them in parts.`)
  return spread(elements, [...aligned, ...axes], target, size)
}

function spread(elements: ArrayLike<unknown>, from: readonly number[], to: readonly number[], size: number): ArrayLike<unknown> {
  const result = isTyped(elements) ? new (elements.constructor as Float64ArrayConstructor)(size) : new Array<unknown>(size)
  const stride = strideOf(from).map((step, axis) => (from[axis] === 1 ? 0 : step))
  let next = 0
  function copy(axis: number, position: number): void {
    if (axis === to.length) {
      result[next++] = elements[position] as number
      return
    }
    const step = stride[axis]!
    for (let index = 0; index < to[axis]!; index++) copy(axis + 1, position + index * step)
  }
  copy(0, 0)
  return result
}

/** The last axes of a value of an array type belong to the type; a single element stands for all of an array. */
function withoutAxes({ elements, shape }: Flat, axes: readonly number[]): Flat {
  if (axes.length === 0) return { elements, shape }
  if (shape.length === 0) return { elements: new Array<unknown>(sizeOf(axes)).fill(elements[0]), shape }
  const own = shape.slice(0, Math.max(0, shape.length - axes.length))
  const theirs = shape.slice(own.length)
  const isEmpty = shape.length === 1 && shape[0] === 0
  if (isEmpty && axes.length > 0) return { elements, shape }
  if (theirs.length < axes.length || theirs.some((length, axis) => length !== axes[axis])) {
    throw problem('HDF5_SHAPE', undefined, `the shape ${shownShape(shape)} does not end in that of the array type, ${shownShape(axes)}`)
  }
  return { elements, shape: own }
}

function guess(elements: ArrayLike<unknown>, where: Where): Dtype {
  if (isTyped(elements)) return typeOfArray(elements as TypedArray)
  if (elements.length === 0) return 'float64'
  const first = elements[0]
  switch (typeof first) {
    case 'number':
    case 'boolean':
    case 'string':
    case 'bigint':
      for (let index = 1; index < elements.length; index++) {
        if (typeof elements[index] === typeof first) continue
        const both = `${shown(first)} and ${shown(elements[index])}`
        throw problem('HDF5_TYPE', undefined, `${both} are not of one type; say which is meant with dtype`)
      }
      if (typeof first === 'bigint') return guessInteger(elements as ArrayLike<bigint>)
      return typeof first === 'number' ? 'float64' : typeof first === 'boolean' ? 'bool' : 'string'
    default:
      return guessObject(first as object, where)
  }
}

function guessInteger(elements: ArrayLike<bigint>): Dtype {
  for (let index = 0; index < elements.length; index++) if (elements[index]! > NUMBERS.int64.high) return 'uint64'
  return 'int64'
}

/** Records and references; the first says what all of them are. */
function guessObject(first: object, where: Where): Dtype {
  const { type, to, bytes } = first as { type?: unknown; to?: unknown; bytes?: unknown }
  if (type === 'reference' && bytes instanceof Uint8Array) return { type: 'reference', to: to === 'region' ? 'region' : 'object' }
  const fields = Object.entries(first).map(([name, value]) => {
    const { shape, dtype } = readValue(value, undefined, where)
    return { name, dtype: shape.length === 0 ? dtype : ({ type: 'array', base: dtype, shape } as const) }
  })
  if (fields.length === 0 || fields.some(({ dtype }) => typeof dtype === 'object' && dtype.type === 'array' && dtype.shape.includes(0))) {
    throw problem('HDF5_TYPE', undefined, `the type of ${shown(first)} cannot be guessed; say it with dtype`)
  }
  return { type: 'compound', fields }
}
