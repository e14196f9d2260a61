// SPDX-License-Identifier: MIT
// Files that tests write with the HDF5 library of the system.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { engine } from '../../../src/hdf5/engine/library/engine.ts'
import { type OpenLibraryFile, openLibrary } from '../../../src/hdf5/engine/library/index.ts'
import { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'

const EVERY_FILE = 0x1f
const EVERY_KIND = 0x1f
export const DATA: string = resolve(import.meta.dirname, '../../../examples/data')

/** A copy of one of the real files. */
export function copyOf(name: string, folder: string): string {
  const path = join(folder, basename(name))
  copyFileSync(join(DATA, name), path)
  return path
}

export function openStored(path: string): StoredFile {
  const stored = StoredFile.open({ path, mode: 'write', durability: 'process', lease: null })
  if (typeof stored === 'string') throw new Error(`${path} is ${stored}.`)
  return stored
}

/** Commits what `work` does, or rolls it back when that fails. `damage`: done to the bytes of the file first. */
export function changed<Result>(
  path: string,
  work: (library: OpenLibraryFile) => Result,
  damage: (bytes: Uint8Array) => unknown = () => undefined,
): Result {
  const bytes = readFileSync(path)
  damage(bytes)
  writeFileSync(path, bytes)
  const stored = openStored(path)
  try {
    const library = openLibrary(stored, 'a test')
    let result: Result
    try {
      result = work(library)
    } finally {
      library.close()
    }
    stored.commit()
    return result
  } catch (error) {
    stored.rollBack()
    throw error
  } finally {
    stored.close()
  }
}

/** How many files, objects, types and attributes the library has open in this thread and process. */
export function openIds(): number {
  const { calls } = engine('a test', '')
  return calls.H5Fget_obj_count(EVERY_FILE, EVERY_KIND)
}
