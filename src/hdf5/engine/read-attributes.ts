// SPDX-License-Identifier: MIT
// Reads attributes.
import { ndArray, sizeOf } from '../values/nd-array.ts'
import { plain } from './codec.ts'
import { factsOf } from './metadata.ts'
import { axesOf } from './nested.ts'
import { kindOf } from './objects.ts'
import type { OpenFile } from './open-file.ts'
import type { AttributeValue } from './protocol.ts'
import { readAttributeData } from './read-elements.ts'

/** In the order of creation where the file keeps it, else by name. @throws Hdf5Error `HDF5_NO_OBJECT`, `HDF5_KIND`, `HDF5_LINK` */
export function attributeNames(file: OpenFile, path: string): string[] {
  kindOf(file, path)
  return [...file.call(path, ({ module, id }) => module.get_attribute_names(id, path))]
}

/** Null when there is none of that name. */
export function readAttribute(file: OpenFile, path: string, name: string): AttributeValue | null {
  return attributeNames(file, path).includes(name) ? attributeAt(file, path, name) : null
}

export function readAttributes(file: OpenFile, path: string): { name: string; value: AttributeValue }[] {
  return attributeNames(file, path).map((name) => ({ name, value: attributeAt(file, path, name) }))
}

function attributeAt(file: OpenFile, path: string, name: string): AttributeValue {
  const metadata = file.call(`${path}@${name}`, ({ module, id }) => module.get_attribute_metadata(id, path, name))
  const { shape, layout, dtype } = factsOf(metadata)
  if (shape === null) return { dtype, value: null }
  const elements = readAttributeData(file, path, name, sizeOf(shape), layout)
  const whole = [...shape, ...axesOf(layout)]
  return { dtype, value: whole.length === 0 ? plain(elements, layout) : ndArray(elements, whole) }
}
