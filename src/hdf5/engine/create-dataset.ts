// SPDX-License-Identifier: MIT
// Creates a dataset, by h5wasm where it does so exactly, else by the system's library, and fills it.
import { isHdf5Error } from '../errors.ts'
import { sizeOf } from '../values/nd-array.ts'
import { problem, type Where } from '../where.ts'
import { encode, type Layout, layoutOf } from './codec.ts'
import { datasetFacts } from './metadata.ts'
import { planDataset } from './new-dataset.ts'
import type { NewDataset, OpenFile } from './open-file.ts'
import { at, findSlot, makeGroups, type Slot } from './places.ts'
import type { CreateDatasetOptions } from './protocol.ts'
import { withHeap } from './wasm-heap.ts'
import { isPlainDataset, wasmDataset } from './wasm-types.ts'
import { BLOCK_BYTES, type CheckedElements, check, writeElements } from './write-elements.ts'

/** @throws Hdf5Error `HDF5_EXISTS` unless `overwrite`, `HDF5_INVALID`, `HDF5_SHAPE`, `HDF5_TYPE`, `HDF5_RANGE`, `HDF5_NEEDS_LIBRARY` */
export function createDataset(file: OpenFile, path: string, options: CreateDatasetOptions): void {
  const where = at(file, path)
  const { dataset, data } = planDataset(options, where)
  const slot = findSlot(file, path)
  if (slot.path === '/') throw problem('HDF5_INVALID', where, 'the root group cannot be a dataset.')
  if (slot.taken && options.overwrite !== true) {
    throw problem('HDF5_EXISTS', where, 'something of that name is there already; overwrite: true replaces it.')
  }
  const layout = layoutOf(dataset.dtype, 4)
  const checked = data === null ? null : check(data, dataset.shape!, layout, where)
  if (!isPlainDataset(dataset)) {
    createByLibrary(file, slot, dataset)
    // h5wasm does not turn all numbers to the order of the processor.
    const actual = datasetFacts(file, slot.path).layout
    if (data !== null) fill(file, slot.path, dataset, actual, check(data, dataset.shape!, actual, where), where)
    return
  }
  if (slot.taken) replaceByNothing(file, slot)
  else file.changing()
  makeGroups(file, slot.missingGroups)
  const isFilled = createPlain(file, slot.path, dataset, layout, checked, where)
  if (checked !== null && !isFilled) fill(file, slot.path, dataset, layout, checked, where)
}

function replaceByNothing(file: OpenFile, slot: Slot): void {
  file.withLibrary('replacing an object', (library) => {
    file.changing()
    library.deleteLink(slot.path)
  })
}

function createByLibrary(file: OpenFile, slot: Slot, dataset: NewDataset): void {
  const what = 'creating a dataset of this kind'
  if (slot.missingGroups.length > 0) {
    // Asks for the library first: without it nothing is to be changed.
    file.withLibrary(what, () => undefined)
    file.changing()
    makeGroups(file, slot.missingGroups)
  }
  file.withLibrary(what, (library) => {
    file.changing()
    if (slot.taken) library.deleteLink(slot.path)
    library.createDataset(slot.path, dataset)
  })
}

/** True when it is filled, too: what fits into one block is written as it is created. */
function createPlain(
  file: OpenFile,
  path: string,
  dataset: NewDataset,
  layout: Layout,
  checked: CheckedElements | null,
  where: Where,
): boolean {
  const description = wasmDataset(layout, dataset)
  const isSmall = checked !== null && !checked.repeated && sizeOf(dataset.shape!) * layout.size <= BLOCK_BYTES
  if (isSmall) {
    file.call(path, ({ module, id }) =>
      withHeap(module, (heap) => {
        const bytes = checked.bytes ?? encode(checked.elements, layout, heap, where)
        return module.create_dataset(id, path, BigInt(heap.store(bytes)), description)
      }),
    )
    return true
  }
  try {
    // Without elements to write the dataset is created, and then the writing fails, which h5wasm always tries.
    file.call(path, ({ module, id }) => module.create_dataset(id, path, 0n, description))
  } catch (error) {
    if (!(isHdf5Error(error) && error.message.includes('no input buffer'))) throw error
  }
  return false
}

function fill(file: OpenFile, path: string, dataset: NewDataset, layout: Layout, checked: CheckedElements, where: Where): void {
  const shape = dataset.shape!
  const all = { start: shape.map(() => 0), count: [...shape], step: shape.map(() => 1), shape: [...shape] }
  writeElements(file, { path, layout, chunks: dataset.chunks, where }, all, checked)
}
