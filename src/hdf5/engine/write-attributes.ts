// SPDX-License-Identifier: MIT
// Sets and deletes attributes. HDF5 cannot change the type or the shape of one: it is deleted and made anew.

import { isHdf5Error } from '../errors.ts'
import { parseDtype } from '../values/dtype.ts'
import { problem } from '../where.ts'
import { encode, layoutOf } from './codec.ts'
import type { OpenFile } from './open-file.ts'
import { at, findObject } from './places.ts'
import type { WriteOperation } from './protocol.ts'
import { readValue } from './values.ts'
import { NOWHERE, withHeap } from './wasm-heap.ts'
import { isPlainType, wasmAttribute } from './wasm-types.ts'

type SetAttribute = Extract<WriteOperation, { do: 'setAttribute' }>

/** Null as a value makes an attribute without a place for any element. @throws Hdf5Error `HDF5_TYPE`, `HDF5_RANGE`, `HDF5_TOO_LARGE` */
export function setAttribute(file: OpenFile, { path, name, value, dtype: like }: SetAttribute): void {
  const where = at(file, `${path}@${name}`)
  const asked = like === undefined ? undefined : parseDtype(like, where)
  const isEmpty = (value as unknown) === null
  const read = isEmpty ? { elements: [], shape: null, dtype: asked ?? ('float32' as const) } : readValue(value, asked, where)
  const { elements, shape, dtype } = read
  const layout = layoutOf(dtype, 4)
  const bytes = encode(elements, layout, NOWHERE, where)
  const place = findObject(file, path)
  if (shape === null || !isPlainType(dtype)) {
    file.withLibrary('setting an attribute of this kind', (library) => {
      file.changing()
      explained(bytes.length, where, () => library.setAttribute(place.path, name, dtype, shape, elements))
    })
    return
  }
  const isThere = attributeNames(file, place.path).includes(name)
  file.changing()
  if (isThere) file.call(where.object, ({ module, id }) => module.delete_attribute(id, place.path, name))
  explained(bytes.length, where, () =>
    file.call(where.object, ({ module, id }) =>
      withHeap(module, (heap) => {
        const address = BigInt(heap.store(encode(elements, layout, heap, where)))
        return module.create_attribute(id, place.path, name, address, wasmAttribute(layout, shape))
      }),
    ),
  )
}

/** @throws Hdf5Error `HDF5_NO_OBJECT` */
export function deleteAttribute(file: OpenFile, { path, name }: Extract<WriteOperation, { do: 'deleteAttribute' }>): void {
  const where = at(file, `${path}@${name}`)
  const place = findObject(file, path)
  if (!attributeNames(file, place.path).includes(name)) throw problem('HDF5_NO_OBJECT', where, 'there is no such attribute.')
  file.changing()
  file.call(where.object, ({ module, id }) => module.delete_attribute(id, place.path, name))
}

function attributeNames(file: OpenFile, path: string): string[] {
  return file.call(path, ({ module, id }) => module.get_attribute_names(id, path))
}

/** Attributes of objects in the old format lie in their header, which has room for 64 KiB. */
function explained(bytes: number, where: ReturnType<typeof at>, work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!isHdf5Error(error, 'HDF5_FAILED') || bytes < 64_000) throw error
    const advice = 'attributes of objects in this format hold less than 64 KiB; store it as a dataset.'
    throw problem('HDF5_TOO_LARGE', where, `${bytes} bytes do not fit: ${advice}`, error)
  }
}
