// SPDX-License-Identifier: MIT
// Lists in lists, typed arrays and arrays with a shape, to flat elements in C order.
import { Hdf5Error } from '../errors.ts'
import { type NdArray, sizeOf, strideOf, type TypedArray } from '../values/nd-array.ts'
import { shown, shownShape } from '../where.ts'
import type { Layout } from './codec.ts'

export interface Flat {
  readonly elements: ArrayLike<unknown>
  readonly shape: readonly number[]
}

/** What is one element, where an element is a list itself. */
export interface ElementForm {
  /** How many levels of lists belong to an element. */
  readonly lists: number
  /** A Uint8Array is one element. */
  readonly bytes: boolean
}

const SINGLE: ElementForm = { lists: 0, bytes: false }
const DEEPEST = 64

/** The form of elements as {@link flatten} is to leave them; the axes of an array type are left to be flattened. */
export function formOf(layout: Layout): ElementForm {
  if (layout.kind === 'array') return formOf(layout.base!)
  if (layout.kind === 'opaque') return { lists: 0, bytes: true }
  if (layout.kind !== 'vlen') return SINGLE
  const base = formOf(layout.base!)
  return { lists: 1 + axesOf(layout.base!).length + base.lists, bytes: base.bytes }
}

/** The axes that an array type adds to those of the dataset. */
export function axesOf(layout: Layout): readonly number[] {
  return layout.kind === 'array' ? [...layout.shape!, ...axesOf(layout.base!)] : []
}

/** The innermost type of an array type. */
export function innermost(layout: Layout): Layout {
  return layout.kind === 'array' ? innermost(layout.base!) : layout
}

/** @throws Hdf5Error `HDF5_SHAPE` for ragged lists, `HDF5_TYPE` for what is no value at all */
export function flatten(value: unknown, form: ElementForm = SINGLE, depth: number = 0): Flat {
  if (depth > DEEPEST) throw new Hdf5Error('HDF5_SHAPE', `lists are nested more than ${DEEPEST} levels deep`)
  if (isNdArray(value)) return inOrder(value)
  if (isTyped(value)) {
    return levelsOf(value, form) > form.lists ? { elements: usual(value), shape: [value.length] } : { elements: [value], shape: [] }
  }
  if (!Array.isArray(value)) return { elements: [scalar(value)], shape: [] }
  if (form.lists > 0 && levelsOf(value, form) <= form.lists) return { elements: [value], shape: [] }
  // Where elements are lists, an empty one is an element.
  if (value.length === 0) return form.lists > 0 ? { elements: [value], shape: [] } : { elements: [], shape: [0] }
  if (form === SINGLE && !isCollection(value[0])) return flatList(value)
  return joined(value.map((part) => flatten(part, form, depth + 1)))
}

/**
 * The elements of lists whose lengths are known, flat: what lies as deep as `shape` has axes is an element, whatever it is. Typed arrays may
 * stand for all the axes that are left.
 *
 * @throws Hdf5Error `HDF5_SHAPE`, `HDF5_TYPE`
 */
export function descend(value: unknown, shape: readonly number[]): ArrayLike<unknown> {
  if (shape.length === 0) return [value]
  if (isTyped(value) && value.length === sizeOf(shape)) return usual(value)
  if (isNdArray(value) && value.shape.length === shape.length && value.shape.every((length, axis) => length === shape[axis])) {
    return inOrder(value).elements
  }
  if (!Array.isArray(value) && !isTyped(value) && !isNdArray(value)) throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no list`)
  if (!Array.isArray(value) || value.length !== shape[0]) {
    throw new Hdf5Error('HDF5_SHAPE', `${shown(value)} does not have the shape ${shownShape(shape)}`)
  }
  return shape.length === 1 ? value : value.flatMap((part) => Array.from(descend(part, shape.slice(1))))
}

/** True for `{data, shape}` over flat data, with or without strides. */
export function isNdArray(value: unknown): value is NdArray {
  if (typeof value !== 'object' || value === null || !('data' in value && 'shape' in value)) return false
  return Array.isArray(value.shape) && (Array.isArray(value.data) || isTyped(value.data))
}

export function isTyped(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/** The typed arrays that have no type of their own in {@link TypedArray}, as one that has. */
function usual(array: TypedArray): TypedArray {
  if (array instanceof Uint8ClampedArray || Buffer.isBuffer(array)) return new Uint8Array(array.buffer, array.byteOffset, array.length)
  return array.constructor.name === 'Float16Array' ? new Float32Array(array as unknown as Float32Array) : array
}

function scalar(value: unknown): unknown {
  if (value instanceof Date) throw new Hdf5Error('HDF5_TYPE', 'HDF5 has no dates; store the milliseconds as int64 (a BigInt), or a string')
  if (value instanceof DataView || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} does not say what its bytes are; wrap it in a typed array`)
  }
  if (value === null || value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} cannot be stored`)
  }
  if (value instanceof Map || value instanceof Set)
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} cannot be stored; take a list or a plain object`)
  return value
}

function isCollection(value: unknown): boolean {
  return Array.isArray(value) || ArrayBuffer.isView(value) || isNdArray(value)
}

function flatList(list: readonly unknown[]): Flat {
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    if (typeof value === 'number') continue
    if (isCollection(value))
      throw new Hdf5Error('HDF5_SHAPE', `the lists are ragged: entry 0 is a single element, entry ${index} is ${shown(value)}`)
    scalar(value)
  }
  return { elements: list, shape: [list.length] }
}

function joined(parts: readonly Flat[]): Flat {
  const [first] = parts
  for (const [index, part] of parts.entries()) {
    if (part.shape.length !== first!.shape.length || part.shape.some((length, axis) => length !== first!.shape[axis])) {
      const shapes = `entry 0 has the shape ${shownShape(first!.shape)}, entry ${index} has ${shownShape(part.shape)}`
      throw new Hdf5Error('HDF5_SHAPE', `the lists are ragged: ${shapes}`)
    }
  }
  const shape = [parts.length, ...first!.shape]
  const kind = first!.elements.constructor
  if (isTyped(first!.elements) && parts.every((part) => part.elements.constructor === kind)) {
    const all = new (kind as Float64ArrayConstructor)(sizeOf(shape))
    for (const [index, part] of parts.entries()) all.set(part.elements as Float64Array, index * part.elements.length)
    return { elements: all, shape }
  }
  const all: unknown[] = []
  for (const { elements } of parts) for (let index = 0; index < elements.length; index++) all.push(elements[index])
  return { elements: all, shape }
}

/** The data in C order: themselves if they are, else a copy. */
function inOrder(array: NdArray): Flat {
  const { shape } = array
  const data = isTyped(array.data) ? usual(array.data) : array.data
  const usualStride = strideOf(shape)
  const stride = array.stride ?? usualStride
  const last = shape.reduce((position, length, axis) => position + (length - 1) * stride[axis]!, 0)
  const size = sizeOf(shape)
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new Hdf5Error('HDF5_SHAPE', `${shownShape(shape)} is no shape`)
  }
  if (
    stride.length !== shape.length ||
    !stride.every((step) => Number.isSafeInteger(step) && step >= 0) ||
    (size > 0 && !(last < data.length))
  ) {
    throw new Hdf5Error(
      'HDF5_SHAPE',
      `${data.length} elements do not make an array of the shape ${shownShape(shape)} and the strides ${shownShape(stride)}`,
    )
  }
  if (shape.every((length, axis) => length <= 1 || stride[axis] === usualStride[axis])) {
    return { elements: data.length === size ? data : data.slice(0, size), shape }
  }
  const copy = Array.isArray(data) ? new Array<unknown>(size) : new (data.constructor as Float64ArrayConstructor)(size)
  const index = new Array<number>(shape.length).fill(0)
  for (let to = 0, from = 0; to < size; to++) {
    copy[to] = data[from] as number
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= stride[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return { elements: copy, shape }
}

/** How many levels of lists there are; bytes that are an element are none. */
function levelsOf(value: unknown, form: ElementForm): number {
  if (isTyped(value)) return form.bytes && value instanceof Uint8Array ? 0 : 1
  if (isNdArray(value)) return value.shape.length
  if (!Array.isArray(value)) return 0
  let levels = 0
  for (const part of value) levels = Math.max(levels, levelsOf(part, form))
  return levels + 1
}
