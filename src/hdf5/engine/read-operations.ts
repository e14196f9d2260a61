// SPDX-License-Identifier: MIT
// The operations that read.
import type { Element } from '../values/nd-array.ts'
import { datasetInfo, dtypeOfMetadata } from './metadata.ts'
import { expectKind, kindOf, linkAt, optionalKind, softOrExternal } from './objects.ts'
import type { OpenFile } from './open-file.ts'
import { findObject } from './places.ts'
import type { Answers, ObjectInfo, ObjectKind, ReadOperation } from './protocol.ts'
import { attributeNames, readAttribute, readAttributes } from './read-attributes.ts'
import { readDataset } from './read-elements.ts'

/** Does what is asked. @throws Hdf5Error */
export function performRead(file: OpenFile, operation: ReadOperation): Answers[ReadOperation['do']] {
  const { path } = operation
  switch (operation.do) {
    case 'describe':
      return infoOf(file, path, kindOf(file, path))
    case 'has':
      return optionalKind(file, path) !== null
    case 'keys':
      return keys(file, path)
    case 'items':
      return keys(file, path).map((name) => ({ name, info: optionalInfo(file, join(path, name)) }))
    case 'walk':
      return walk(file, path)
    case 'link':
      return linkAt(file, path)
    case 'read':
      return readDataset(file, path, operation.selection)
    case 'attributeNames':
      return attributeNames(file, path)
    case 'attribute':
      return readAttribute(file, path, operation.name)
    case 'attributes':
      return readAttributes(file, path)
    case 'reference':
      return reference(file, path)
  }
}

/** In the order of creation where the group keeps it, else by name. */
function keys(file: OpenFile, path: string): string[] {
  expectKind(file, path, 'group')
  return [...file.call(path, ({ module, id }) => module.get_names(id, path, false))]
}

/** Hard links only, and each object but once, by the first of its names: as `H5Ovisit` does. */
function walk(file: OpenFile, path: string): { name: string; info: ObjectInfo }[] {
  expectKind(file, path, 'group')
  const seen = new Set([addressOf(file, path)])
  const found: { name: string; info: ObjectInfo }[] = []
  for (const name of file.call(path, ({ module, id }) => module.get_names(id, path, true))) {
    const whole = join(path, name)
    if (softOrExternal(file, whole) !== null) continue
    const info = optionalInfo(file, whole)
    if (info === null) continue
    const address = addressOf(file, whole)
    if (seen.has(address)) continue
    seen.add(address)
    found.push({ name, info })
  }
  return found
}

/** A reference means something in this file only: what an external link leads to has none. */
function reference(file: OpenFile, path: string): Element {
  const own = findObject(file, path).path
  return { type: 'reference', path: own, to: 'object', bytes: referenceBytes(file, own) }
}

function infoOf(file: OpenFile, path: string, kind: ObjectKind): ObjectInfo {
  if (kind === 'group') return { kind }
  return file.call(path, ({ module, id }) => {
    if (kind === 'dataset') return datasetInfo(module, id, path)
    return { kind, dtype: dtypeOfMetadata(module.get_datatype_metadata(id, path)) }
  })
}

function optionalInfo(file: OpenFile, path: string): ObjectInfo | null {
  const kind = optionalKind(file, path)
  return kind === null ? null : infoOf(file, path, kind)
}

/** Where the object lies in the file: the same for all of its names. */
function addressOf(file: OpenFile, path: string): string {
  return referenceBytes(file, path).join()
}

function referenceBytes(file: OpenFile, path: string): Uint8Array {
  return Uint8Array.from(file.call(path, ({ module, id }) => module.create_object_reference(id, path)))
}

function join(group: string, name: string): string {
  return group === '/' ? `/${name}` : `${group}/${name}`
}
