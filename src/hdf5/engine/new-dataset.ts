// SPDX-License-Identifier: MIT
// From what a caller asks of a new dataset to what it is created with, checked before anything is changed.

import type { Hdf5Error } from '../errors.ts'
import type { Dtype } from '../values/dtype.ts'
import { parseDtype } from '../values/dtype.ts'
import { type Element, sizeOf } from '../values/nd-array.ts'
import { problem, shown, shownShape, type Where } from '../where.ts'
import { guessChunks } from './chunks.ts'
import { encode, layoutOf } from './codec.ts'
import type { NewDataset } from './open-file.ts'
import type { CreateDatasetOptions } from './protocol.ts'
import { type ReadValue, readValue } from './values.ts'
import { NOWHERE } from './wasm-heap.ts'

export interface PlannedDataset {
  readonly dataset: NewDataset
  /** What it is filled with; its shape is that of the data as given. */
  readonly data: ReadValue | null
}

const MOST_AXES = 32
const USUAL_GZIP_LEVEL = 4
const MOST_CHUNK_BYTES = 2 ** 32 - 1

/** @throws Hdf5Error `HDF5_INVALID`, `HDF5_SHAPE`, `HDF5_TYPE`, `HDF5_RANGE` */
export function planDataset(options: CreateDatasetOptions, where: Where): PlannedDataset {
  const asked = options.dtype === undefined ? undefined : parseDtype(options.dtype, where)
  // Null as data makes a dataset without a place for any element.
  const isEmpty = (options.data as unknown) === null
  const data = options.data === undefined || isEmpty ? null : readValue(options.data, asked, where)
  const dtype = data?.dtype ?? asked ?? 'float32'
  const shape = isEmpty ? null : shapeOf(options.shape, data, where)
  const gzip = gzipLevel(options.gzip, where)
  const shuffle = options.shuffle === true
  const maxShape = shape === null ? null : limitsOf(options.maxShape, shape, where)
  const chunks = chunksOf(options, shape, maxShape, dtype, gzip !== null || shuffle, where)
  const fillValue = fillValueOf(options.fillValue, dtype, where)
  return { dataset: { dtype, shape, maxShape, chunks, gzip, shuffle, fillValue }, data: data === null ? null : reshaped(data, shape!) }
}

/** Data that has as many elements as the shape takes that shape; else it is spread over it. */
function reshaped(data: ReadValue, shape: readonly number[]): ReadValue {
  return data.shape.length !== 0 && sizeOf(data.shape) === sizeOf(shape) ? { ...data, shape } : data
}

function shapeOf(given: readonly number[] | undefined, data: ReadValue | null, where: Where): readonly number[] {
  if (given === undefined) {
    if (data === null) throw invalid(where, 'a dataset needs data or a shape')
    return checkedShape(data.shape, where)
  }
  const shape = checkedShape(given, where)
  if (data !== null && sizeOf(data.shape) !== sizeOf(shape) && sizeOf(data.shape) !== 1) {
    const found = `data of the shape ${shownShape(data.shape)} has ${sizeOf(data.shape)}`
    throw problem('HDF5_SHAPE', where, `the shape ${shownShape(shape)} has ${sizeOf(shape)} elements, ${found}.`)
  }
  return shape
}

function checkedShape(shape: readonly number[], where: Where): readonly number[] {
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw problem('HDF5_SHAPE', where, `a shape is a list of lengths, not ${Array.isArray(shape) ? shownShape(shape) : shown(shape)}.`)
  }
  if (shape.length > MOST_AXES) throw problem('HDF5_SHAPE', where, `${shape.length} axes are more than HDF5 has, ${MOST_AXES}.`)
  return shape.map((length) => length + 0)
}

function limitsOf(given: CreateDatasetOptions['maxShape'], shape: readonly number[], where: Where): readonly (number | null)[] | null {
  if (given === undefined) return null
  const fits = (limit: number | null, axis: number): boolean => limit === null || (Number.isSafeInteger(limit) && limit >= shape[axis]!)
  if (!Array.isArray(given) || given.length !== shape.length || !given.every(fits)) {
    const limits = Array.isArray(given) ? shownShape(given) : shown(given)
    throw problem('HDF5_SHAPE', where, `maxShape ${limits} does not limit the shape ${shownShape(shape)}: a length or null for each axis.`)
  }
  return [...given]
}

function gzipLevel(gzip: number | boolean | undefined, where: Where): number | null {
  if (gzip === undefined || gzip === false) return null
  if (gzip === true) return USUAL_GZIP_LEVEL
  if (!Number.isInteger(gzip) || gzip < 0 || gzip > 9)
    throw invalid(where, `the level of gzip is 0 to 9, or true for 4, not ${shown(gzip)}`)
  return gzip
}

function chunksOf(
  { chunks }: CreateDatasetOptions,
  shape: readonly number[] | null,
  maxShape: readonly (number | null)[] | null,
  dtype: Dtype,
  isFiltered: boolean,
  where: Where,
): readonly number[] | null {
  const isNeeded = isFiltered || maxShape !== null
  if (chunks === false && isNeeded) throw invalid(where, 'gzip, shuffle and maxShape need chunks')
  if (!isNeeded && (chunks === undefined || chunks === false)) return null
  if (shape === null || shape.length === 0) throw invalid(where, 'chunks, gzip, shuffle and maxShape are for datasets that have axes')
  const elementBytes = layoutOf(dtype, 8).size
  if (chunks === undefined || typeof chunks === 'boolean') return guessChunks(shape, maxShape, elementBytes)
  if (!Array.isArray(chunks) || chunks.length !== shape.length || !chunks.every((length) => Number.isSafeInteger(length) && length >= 1)) {
    const given = Array.isArray(chunks) ? shownShape(chunks) : shown(chunks)
    throw problem('HDF5_SHAPE', where, `chunks ${given} are not a length of at least 1 for each axis of the shape ${shownShape(shape)}.`)
  }
  for (const [axis, length] of chunks.entries()) {
    const limit = maxShape === null ? shape[axis]! : maxShape[axis]!
    if (limit !== null && length > limit) {
      throw problem(
        'HDF5_SHAPE',
        where,
        `a chunk of the shape ${shownShape(chunks)} is longer than the dataset can be on axis ${axis}, ${limit}.`,
      )
    }
  }
  if (sizeOf(chunks) * elementBytes > MOST_CHUNK_BYTES) throw problem('HDF5_SHAPE', where, 'a chunk is of less than 4 GiB.')
  return [...chunks]
}

function fillValueOf(given: Element | undefined, dtype: Dtype, where: Where): Element | undefined {
  if (given === undefined) return undefined
  const { elements, shape } = readValue(given, dtype, where)
  if (shape.length > 0 || elements.length !== 1) throw invalid(where, `a fill value is one element, not ${shown(given)}`)
  encode(elements, layoutOf(dtype, 4), NOWHERE, where)
  return elements[0] as Element
}

function invalid(where: Where, message: string): Hdf5Error {
  return problem('HDF5_INVALID', where, `${message}.`)
}
