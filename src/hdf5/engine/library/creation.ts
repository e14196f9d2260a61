// SPDX-License-Identifier: MIT
// What datasets and attributes are created with: their extent, and how elements are laid out, compressed and filled in.
import type { Dtype } from '../../values/dtype.ts'
import { sizeOf } from '../../values/nd-array.ts'
import { problem, shownShape } from '../../where.ts'
import { encode, layoutOf } from '../codec.ts'
import { flatten, formOf } from '../nested.ts'
import type { NewDataset } from '../open-file.ts'
import type { Id } from './calls.ts'
import type { Ids } from './ids.ts'
import type { ProcessMemory } from './memory.ts'
import type { TypeMaker } from './types.ts'

const SCALAR = 0
const NO_ELEMENTS = 2
const UNLIMITED = 0xffff_ffff_ffff_ffffn
const UTF8 = 1
/** So that what was cut off does not come back when a dataset is extended again. */
const WHEN_ALLOCATED = 0

/** A dataspace. */
export function spaceOf(shape: readonly number[] | null, maxShape: readonly (number | null)[] | null, ids: Ids): Id {
  const { calls } = ids
  if (shape === null) return ids.keep(calls.H5Screate(NO_ELEMENTS))
  if (shape.length === 0) return ids.keep(calls.H5Screate(SCALAR))
  const limits = maxShape?.map((limit) => (limit === null ? UNLIMITED : BigInt(limit)))
  const lengths = BigUint64Array.from(shape, BigInt)
  return ids.keep(calls.H5Screate_simple(shape.length, lengths, limits === undefined ? null : BigUint64Array.from(limits)), 'HDF5_SHAPE')
}

/** The properties that a dataset is created with; filters in h5py's order. */
export function datasetCreation(dataset: NewDataset, ids: Ids, memory: ProcessMemory, types: TypeMaker): Id {
  const { calls } = ids
  const { chunks, shuffle, gzip, fillValue, dtype } = dataset
  const list = ids.keep(calls.H5Pcreate(calls.constant('H5P_CLS_DATASET_CREATE_ID_g')))
  ids.check(calls.H5Pset_obj_track_times(list, false))
  if (chunks !== null) {
    ids.check(calls.H5Pset_chunk(list, chunks.length, BigUint64Array.from(chunks, BigInt)), 'HDF5_SHAPE')
    ids.check(calls.H5Pset_fill_time(list, WHEN_ALLOCATED))
  }
  if (shuffle) ids.check(calls.H5Pset_shuffle(list))
  if (gzip !== null) ids.check(calls.H5Pset_deflate(list, gzip), 'HDF5_INVALID')
  if (fillValue !== undefined) {
    const bytes = encode(oneElement(fillValue, dtype, ids), layoutOf(dtype, memory.pointerSize), memory, ids.where)
    ids.check(calls.H5Pset_fill_value(list, types.make(dtype, 'memory'), bytes), 'HDF5_TYPE')
  }
  return list
}

/** For links and attributes: their names are in UTF-8. */
export function namedInUtf8(kind: 'LINK' | 'ATTRIBUTE', ids: Ids): Id {
  const { calls } = ids
  const list = ids.keep(calls.H5Pcreate(calls.constant(`H5P_CLS_${kind}_CREATE_ID_g`)))
  ids.check(calls.H5Pset_char_encoding(list, UTF8))
  return list
}

/** As the codec takes it: of an array type its elements, flat; a single value stands for all of them. */
function oneElement(value: unknown, dtype: Dtype, { where }: Ids): ArrayLike<unknown> {
  if (typeof dtype === 'string' || dtype.type !== 'array') return [value]
  let { shape } = dtype
  for (let base = dtype.base; typeof base !== 'string' && base.type === 'array'; base = base.base) shape = [...shape, ...base.shape]
  const { elements, shape: given } = flatten(value, formOf(layoutOf(dtype, 8)))
  if (elements.length === sizeOf(shape)) return elements
  if (elements.length === 1) return new Array<unknown>(sizeOf(shape)).fill(elements[0])
  throw problem('HDF5_SHAPE', where, `a fill value of the shape ${shownShape(given)} is no element, whose shape is ${shownShape(shape)}.`)
}
