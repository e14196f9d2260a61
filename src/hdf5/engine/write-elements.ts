// SPDX-License-Identifier: MIT
// Writes elements into a part of a dataset, in blocks, so that the memory of h5wasm stays small.
import type { Dtype } from '../values/dtype.ts'
import { sizeOf } from '../values/nd-array.ts'
import type { ResolvedSelection } from '../values/selection.ts'
import type { Where } from '../where.ts'
import { blocksOf } from './blocks.ts'
import { hasPointers } from './codec/layout.ts'
import { encode, type Layout } from './codec.ts'
import { axesOf, innermost } from './nested.ts'
import type { OpenFile } from './open-file.ts'
import { broadcast } from './values.ts'
import { NOWHERE, withHeap } from './wasm-heap.ts'

export interface WriteTarget {
  readonly path: string
  readonly layout: Layout
  readonly chunks: readonly number[] | null
  readonly where: Where
}

/** Elements that have been checked, and can be written block by block. */
export interface CheckedElements {
  readonly elements: ArrayLike<unknown>
  /** Encoded, when that can be done once for all: there are no pointers in them. */
  readonly bytes: Uint8Array | null
  /** One element that is written everywhere. */
  readonly repeated: boolean
}

export const BLOCK_BYTES: number = 32 * 1024 * 1024

/**
 * Spreads a value over a shape and checks every element.
 *
 * @throws Hdf5Error `HDF5_SHAPE`, `HDF5_TYPE`, `HDF5_RANGE`, `HDF5_TOO_LARGE`
 */
export function check(
  value: { readonly elements: ArrayLike<unknown>; readonly shape: readonly number[]; readonly dtype?: Dtype },
  shape: readonly number[],
  layout: Layout,
  where: Where,
): CheckedElements {
  const repeated = sizeOf(value.shape) === 1 && value.shape.length <= shape.length && sizeOf(shape) > 1
  const elements = repeated ? value.elements : broadcast(value.elements, value.shape, shape, where, axesOf(layout))
  const bytes = encode(elements, layout, NOWHERE, where)
  return { elements, bytes: hasPointers(layout) ? null : bytes, repeated }
}

/** Writes what was checked to the part of the dataset that is selected, about `limit` bytes at a time. */
export function writeElements(
  file: OpenFile,
  target: WriteTarget,
  part: ResolvedSelection,
  checked: CheckedElements,
  limit: number = BLOCK_BYTES,
): void {
  const { path, layout, chunks } = target
  if (sizeOf(part.count) === 0) return
  const rank = part.count.length
  const wide = (numbers: readonly number[]): bigint[] => numbers.map(BigInt)
  const whole = { start: [], count: [], offset: 0 }
  for (const block of rank === 0 ? [whole] : blocksOf(part, layout.size, chunks, limit)) {
    file.call(path, ({ module, id }) =>
      withHeap(module, (heap) => {
        const bytes = bytesOf(checked, layout, block.offset, sizeOf(block.count), (elements) =>
          encode(elements, layout, heap, target.where),
        )
        const address = BigInt(heap.store(bytes))
        if (rank === 0) return module.set_dataset_data(id, path, null, null, null, address)
        return module.set_dataset_data(id, path, wide(block.count), wide(block.start), wide(part.step), address)
      }),
    )
  }
}

function bytesOf(
  checked: CheckedElements,
  layout: Layout,
  offset: number,
  length: number,
  encodeHere: (elements: ArrayLike<unknown>) => Uint8Array,
): Uint8Array {
  const { elements, bytes, repeated } = checked
  if (repeated) return tiled(bytes ?? encodeHere(elements), length)
  if (bytes !== null) return bytes.subarray(offset * layout.size, (offset + length) * layout.size)
  const each = layout.size / innermost(layout).size
  return encodeHere(Array.prototype.slice.call(elements, offset * each, (offset + length) * each))
}

function tiled(element: Uint8Array, times: number): Uint8Array {
  const bytes = new Uint8Array(element.length * times)
  bytes.set(element)
  for (let done = element.length; done < bytes.length; done *= 2) bytes.copyWithin(done, 0, Math.min(done, bytes.length - done))
  return bytes
}
