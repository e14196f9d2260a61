// SPDX-License-Identifier: MIT
// An array of any rank over flat data, in the convention of the JavaScript libraries that read Zarr: `{data, shape, stride}`.
import { Hdf5Error } from '../errors.ts'
import { shownShape } from '../where.ts'

/** The numbers of one kind, flat. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array

/** One element that is not a number: a string, a record of a compound type, a reference, a list of variable length, bytes. */
export type Element = string | number | bigint | boolean | Uint8Array | TypedArray | Reference | Row | readonly Element[]

/** An element of a compound type: its members by name. */
export interface Row {
  readonly [member: string]: Element
}

/** A reference to an object, or to a region of a dataset. */
export interface Reference {
  readonly type: 'reference'
  /** The path of the object, null when it is gone or the reference is empty. */
  readonly path: string | null
  readonly to: 'object' | 'region'
  /** The bytes that HDF5 stores; they mean something in this file only. */
  readonly bytes: Uint8Array
}

/**
 * `data` in C order: the element at `[i, j]` is `data[i * stride[0] + j * stride[1]]`. Strides count elements. A scalar has the shape `[]`
 * and one element.
 */
export interface NdArray<Data extends TypedArray | readonly Element[] = TypedArray | readonly Element[]> {
  readonly data: Data
  readonly shape: readonly number[]
  readonly stride: readonly number[]
}

/** The strides of an array in C order. */
export function strideOf(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length)
  let step = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    stride[axis] = step
    step *= shape[axis]!
  }
  return stride
}

/** How many elements an array of this shape has. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1)
}

/**
 * An array in C order over flat data.
 *
 * @throws Hdf5Error `HDF5_SHAPE` when `data` does not have as many elements as the shape
 */
export function ndArray<Data extends TypedArray | readonly Element[]>(data: Data, shape: readonly number[]): NdArray<Data> {
  for (const length of shape) {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new Hdf5Error('HDF5_SHAPE', `A shape is a list of lengths, not ${shownShape(shape)}.`)
    }
  }
  if (data.length !== sizeOf(shape)) {
    throw new Hdf5Error('HDF5_SHAPE', `${data.length} elements cannot have the shape ${shownShape(shape)}, which has ${sizeOf(shape)}.`)
  }
  return { data, shape, stride: strideOf(shape) }
}

/** Lists in lists, one level for each axis; a scalar's one element by itself. */
export type Nested<Item> = Item | Nested<Item>[]

/** What one element of such data is. */
export type ElementOf<Data> = Data extends BigInt64Array | BigUint64Array
  ? bigint
  : Data extends TypedArray
    ? number
    : Data extends readonly (infer One)[]
      ? One
      : never

/**
 * The array as lists in lists, as `tolist()` of NumPy gives them.
 *
 * @example
 * ```ts
 * toNested(await dataset.read()) // [[1, 2], [3, 4]]
 * ```
 */
export function toNested<Data extends TypedArray | readonly Element[]>(array: NdArray<Data>): Nested<ElementOf<Data>> {
  const { data, shape, stride } = array
  function from(axis: number, position: number): Nested<ElementOf<Data>> {
    if (axis === shape.length) return data[position] as ElementOf<Data>
    return Array.from({ length: shape[axis]! }, (_, index) => from(axis + 1, position + index * stride[axis]!))
  }
  return from(0, 0)
}
