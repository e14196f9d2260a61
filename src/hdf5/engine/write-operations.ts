// SPDX-License-Identifier: MIT
// The operations that change a file. Each checks all it can before it announces the first change; what fails later costs the transaction.
import { resolve } from '../values/selection.ts'
import { problem, shown, shownShape, type Where } from '../where.ts'
import { createDataset } from './create-dataset.ts'
import { type DatasetFacts, datasetFacts } from './metadata.ts'
import type { OpenFile } from './open-file.ts'
import { at, findObject, findOptional, findSlot, makeGroups, type Slot } from './places.ts'
import type { WriteOperation } from './protocol.ts'
import { readValue } from './values.ts'
import { deleteAttribute, setAttribute } from './write-attributes.ts'
import { check, writeElements } from './write-elements.ts'

type Asked<Name extends WriteOperation['do']> = Extract<WriteOperation, { do: Name }>
type Perform = { readonly [Name in WriteOperation['do']]: (file: OpenFile, operation: Asked<Name>) => void }

const PERFORM: Perform = {
  createGroup,
  createDataset: (file, { path, options }) => createDataset(file, path, options),
  write,
  resize,
  delete: deleteLink,
  setAttribute,
  deleteAttribute,
  createLink,
}

/** Does what is asked. @throws Hdf5Error */
export function performWrite<Name extends WriteOperation['do']>(file: OpenFile, operation: Asked<Name>): void {
  const perform: (file: OpenFile, operation: Asked<Name>) => void = PERFORM[operation.do as Name]
  perform(file, operation)
}

function createGroup(file: OpenFile, { path, exist }: Asked<'createGroup'>): void {
  if (exist) {
    const found = findOptional(file, path)
    if (found !== null && found.kind !== 'group') throw problem('HDF5_KIND', at(file, path), `it is a ${found.kind}, not a group.`)
    if (found !== null) return
  }
  const slot = freeSlot(file, path)
  file.changing()
  makeGroups(file, [...slot.missingGroups, slot.path])
}

function write(file: OpenFile, { path, selection, value, grow }: Asked<'write'>): void {
  const where = at(file, path)
  const dataset = datasetAt(file, path)
  const { path: own, layout, dtype, chunks } = dataset
  if (dataset.shape === null) throw problem('HDF5_SHAPE', where, 'the dataset is empty: it has no place for an element.')
  if (grow !== undefined) checkResize(dataset, grow, where)
  const part = resolve(selection, grow ?? dataset.shape, where)
  const checked = check(readValue(value, dtype, where), part.shape, layout, where)
  if (grow !== undefined) setShape(file, dataset, grow)
  if (part.count.includes(0)) return
  file.changing()
  writeElements(file, { path: own, layout, chunks, where }, part, checked)
}

function resize(file: OpenFile, { path, shape }: Asked<'resize'>): void {
  const dataset = datasetAt(file, path)
  checkResize(dataset, shape, at(file, path))
  setShape(file, dataset, shape)
}

function checkResize({ shape: old, maxShape, chunks }: DatasetFacts, shape: readonly number[], where: Where): void {
  if (old === null || chunks === null) {
    throw problem('HDF5_SHAPE', where, 'only a dataset in chunks can be resized: create it with maxShape.')
  }
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw problem('HDF5_SHAPE', where, `a shape is a list of lengths, not ${Array.isArray(shape) ? shownShape(shape) : shown(shape)}.`)
  }
  const limits = maxShape ?? old
  const fits = shape.length === old.length && shape.every((length, axis) => limits[axis] === null || length <= limits[axis]!)
  if (!fits) {
    throw problem(
      'HDF5_SHAPE',
      where,
      `it cannot be resized from ${shownShape(old)} to ${shownShape(shape)}: it was created for at most ${shownShape(limits)}.`,
    )
  }
  // Seen with HDF5 1.10.8 and 2.0.0: the place of an only chunk outlives the chunk. Grown again, the dataset reads, and in the end frees, what
  // has become somebody else's.
  const onlyChunk = chunks.every((length, axis) => limits[axis] !== null && length >= limits[axis]!)
  if (onlyChunk && shape.includes(0) && !old.includes(0)) {
    throw problem(
      'HDF5_UNSUPPORTED',
      where,
      'a dataset that is one chunk for good cannot be made empty: HDF5 would damage the file when it grows again. Create it with smaller chunks, or ' +
        'with an axis without limit.',
    )
  }
}

function setShape(file: OpenFile, { path, shape: old }: DatasetFacts & { readonly path: string }, shape: readonly number[]): void {
  if (shape.every((length, axis) => length === old![axis])) return
  file.changing()
  file.call(path, ({ module, id }) => module.resize_dataset(id, path, shape.map(BigInt)))
}

/** Deletes the name, and what it names with its last one. */
function deleteLink(file: OpenFile, { path }: Asked<'delete'>): void {
  const slot = findSlot(file, path)
  if (slot.path === '/') throw problem('HDF5_INVALID', at(file, path), 'the root group cannot be deleted.')
  if (!slot.taken) throw problem('HDF5_NO_OBJECT', at(file, path), 'there is no such object.')
  file.withLibrary('deleting', (library) => {
    file.changing()
    library.deleteLink(slot.path)
  })
}

function createLink(file: OpenFile, { path, link }: Asked<'createLink'>): void {
  const where = at(file, path)
  const slot = freeSlot(file, path)
  if (link.target === '' || (link.type === 'external' && link.file === '')) {
    throw problem('HDF5_INVALID', where, 'a link needs a target that is not empty.')
  }
  const target = link.type === 'hard' ? findObject(file, link.target).path : link.target
  file.changing()
  makeGroups(file, slot.missingGroups)
  file.call(path, ({ module, id }) => {
    if (link.type === 'hard') return module.create_hard_link(id, target, slot.path)
    if (link.type === 'soft') return module.create_soft_link(id, target, slot.path)
    return module.create_external_link(id, link.file, target, slot.path)
  })
}

function freeSlot(file: OpenFile, path: string): Slot {
  const slot = findSlot(file, path)
  if (slot.taken) throw problem('HDF5_EXISTS', at(file, path), 'something of that name is there already.')
  return slot
}

function datasetAt(file: OpenFile, path: string): DatasetFacts & { readonly path: string } {
  const place = findObject(file, path)
  if (place.kind !== 'dataset') throw problem('HDF5_KIND', at(file, path), `it is a ${place.kind}, not a dataset.`)
  return { ...datasetFacts(file, place.path), path: place.path }
}
