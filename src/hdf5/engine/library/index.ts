// SPDX-License-Identifier: MIT
// A file open in the system's HDF5 library, for what h5wasm cannot do.
import { randomUUID } from 'node:crypto'
import { takeProcessLock } from '../../../native/process-lock.ts'
import { asHdf5Error } from '../../storage/failures.ts'
import type { StoredFile } from '../../storage/stored-file.ts'
import type { Dtype } from '../../values/dtype.ts'
import { problem, type Where } from '../../where.ts'
import { encode, layoutOf } from '../codec.ts'
import type { LibraryFile, NewDataset } from '../open-file.ts'
import { DEFAULT, type Id } from './calls.ts'
import { datasetCreation, namedInUtf8, spaceOf } from './creation.ts'
import { type Engine, engine } from './engine.ts'
import { Ids } from './ids.ts'
import { ProcessMemory } from './memory.ts'
import { TypeMaker } from './types.ts'

export interface OpenLibraryFile extends LibraryFile {
  /**
   * Writes what the library still holds, and lets go of the file, whatever fails. Idempotent.
   *
   * @throws Hdf5Error, LockError when it could not all be written: the transaction can only be rolled back
   */
  close(): void
}

const READ_WRITE = 1

let isBusy = false

/**
 * Opens a file that was opened for writing, and that nothing else in this thread has open. One thread of the process at a time has the library:
 * others stand still until `close`.
 *
 * @param what what it is needed for, for the message: `deleting /a`
 * @throws Hdf5Error `HDF5_NEEDS_LIBRARY`, `HDF5_NOT_HDF5`, `HDF5_UNSUPPORTED`
 */
export function openLibrary(stored: StoredFile, what: string): OpenLibraryFile {
  if (isBusy) throw new Error('The HDF5 library has another file open in this thread.')
  const unlock = takeProcessLock()
  isBusy = true
  const letGo = (): void => {
    isBusy = false
    unlock()
  }
  try {
    return new LibrarySession(engine(what, stored.path), stored, letGo)
  } catch (error) {
    letGo()
    throw error
  }
}

type Work<Result> = (ids: Ids, memory: ProcessMemory, types: TypeMaker) => Result

class LibrarySession implements OpenLibraryFile {
  private readonly engine: Engine
  private readonly stored: StoredFile
  private readonly letGo: () => void
  private readonly file: Id
  private isOpen = true

  constructor(engine: Engine, stored: StoredFile, letGo: () => void) {
    this.engine = engine
    this.stored = stored
    this.letGo = letGo
    const { calls, driver, access, name } = engine
    driver.begin(stored)
    let file: Id | null = null
    try {
      this.file = this.attempt('/', `Opening the file with ${name}`, (ids) => {
        file = ids.check(calls.H5Fopen(stored.path, READ_WRITE, access), 'HDF5_NOT_HDF5')
        return file
      })
    } catch (error) {
      if (file !== null) calls.H5Fclose(file)
      driver.end()
      throw error
    }
  }

  deleteLink(path: string): void {
    this.attempt(path, 'Deleting it', (ids) => {
      if (/^\/*$/.test(path)) throw problem('HDF5_INVALID', ids.where, 'The root group cannot be deleted.')
      const isThere = ids.check(ids.calls.H5Lexists(this.file, whole(path, ids.where), DEFAULT)) > 0
      if (!isThere) throw problem('HDF5_NO_OBJECT', ids.where, 'There is no such link.')
      ids.check(ids.calls.H5Ldelete(this.file, path, DEFAULT))
    })
  }

  createDataset(path: string, dataset: NewDataset): void {
    this.attempt(path, 'Creating it', (ids, memory, types) => {
      const creation = datasetCreation(dataset, ids, memory, types)
      const space = spaceOf(dataset.shape, dataset.maxShape, ids)
      const type = types.make(dataset.dtype, 'file')
      const link = namedInUtf8('LINK', ids)
      ids.keep(ids.calls.H5Dcreate2(this.file, whole(path, ids.where), type, space, link, creation, DEFAULT))
    })
  }

  /** The new one is written under another name before the old one goes, so that a failure leaves the old one in place. */
  setAttribute(path: string, name: string, dtype: Dtype, shape: readonly number[] | null, elements: ArrayLike<unknown>): void {
    this.attempt(`${path}@${name}`, 'Setting it', (ids, memory, types) => {
      const { calls, where } = ids
      const bytes = encode(elements, layoutOf(dtype, memory.pointerSize), memory, where)
      const type = types.make(dtype, 'file')
      const memoryType = types.make(dtype, 'memory')
      const space = spaceOf(shape, null, ids)
      const creation = namedInUtf8('ATTRIBUTE', ids)
      const object = ids.keep(calls.H5Oopen(this.file, whole(path, where), DEFAULT))
      const isThere = ids.check(calls.H5Aexists(object, whole(name, where))) > 0
      const first = isThere ? randomUUID() : name
      const attribute = ids.keep(calls.H5Acreate2(object, first, type, space, creation, DEFAULT))
      if (bytes.length > 0) ids.check(calls.H5Awrite(attribute, memoryType, bytes))
      if (isThere) {
        ids.check(calls.H5Adelete(object, name))
        ids.check(calls.H5Arename(object, first, name))
      }
    })
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const { stored, engine } = this
    const { calls, driver, errors } = engine
    const closed = calls.H5Fclose(this.file)
    const failure =
      this.broken() ?? (closed < 0 ? errors.failure('HDF5_FAILED', { file: stored.path, object: '/' }, 'Closing the file') : null)
    driver.end()
    this.letGo()
    if (failure === null) return
    stored.discard()
    throw failure
  }

  /** Whatever `work` was handed out by the library and by us is given back at its end. */
  private attempt<Result>(object: string, what: string, work: Work<Result>): Result {
    const { calls, driver, errors, library } = this.engine
    const where: Where = { file: this.stored.path, object }
    const ids = new Ids(calls, errors, where, what)
    const memory = new ProcessMemory(library)
    driver.otherFile = null
    try {
      const result = work(ids, memory, new TypeMaker(ids, memory))
      ids.close()
      const failure = this.broken()
      if (failure !== null) throw failure
      return result
    } catch (error) {
      const other = driver.otherFile
      if (other === null) throw this.broken() ?? error
      throw problem('HDF5_LINK', where, `The path leads through an external link into ${other}: only what is in this file can be changed.`)
    } finally {
      ids.release()
      memory.free()
    }
  }

  /** What kept us from reading or writing the file, if anything did: then there is no going on. */
  private broken(): Error | null {
    const failure = this.stored.failure ?? this.engine.driver.failure
    if (failure === undefined) return null
    this.stored.discard()
    return asHdf5Error(failure, this.stored.path, this.stored.failure === undefined ? 'read' : 'written')
  }
}

/** C would cut a name off at a NUL, and do its work on something else. */
function whole(name: string, where: Where): string {
  if (name.includes('\0')) throw problem('HDF5_INVALID', where, 'A name cannot have a NUL in it.')
  return name
}
