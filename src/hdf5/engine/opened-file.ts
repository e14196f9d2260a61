// SPDX-License-Identifier: MIT
// A stored file as the operations of a session work on it: in h5wasm, or for a moment in the system's library.
import { problem } from '../where.ts'
import type { LibraryFile, OpenFile, WasmFile } from './open-file.ts'
import { ReadAhead } from './read-ahead.ts'
import type { Engine } from './wasm.ts'
import type { Attachment, Source } from './wasm-files.ts'

/** What a session needs of {@link StoredFile} to work on it. */
export interface WorkingSource extends Source {
  readonly path: string
  readonly mode: 'read' | 'write'
}

/** Opens the same file in the system's library; `what` it is needed for. */
export type OpenLibrary<Stored> = (stored: Stored, what: string) => LibraryFile & { close(): void }

export class OpenedFile<Stored extends WorkingSource = WorkingSource> implements OpenFile {
  readonly path: string
  /** An operation has begun to change the file. */
  hasChanged = false
  private readonly stored: Stored
  private readonly engine: Engine
  private readonly openLibrary: OpenLibrary<Stored>
  private readonly attachment: Attachment
  private open: WasmFile | null = null

  constructor(stored: Stored, engine: Engine, openLibrary: OpenLibrary<Stored>) {
    this.path = stored.path
    this.stored = stored
    this.engine = engine
    this.openLibrary = openLibrary
    this.attachment = { path: stored.path, source: stored.mode === 'read' ? new ReadAhead(stored) : stored }
  }

  wasm(): WasmFile {
    const { engine, attachment, stored } = this
    this.open ??= { module: engine.module, id: engine.open(attachment, stored.mode) }
    return this.open
  }

  call<Result>(object: string, work: (file: WasmFile) => Result): Result {
    const file = this.wasm()
    return this.engine.call(this.attachment, { file: this.path, object }, () => work(file))
  }

  changing(): void {
    if (this.stored.mode === 'read') throw problem('HDF5_READ_ONLY', { file: this.path, object: '/' }, 'the file was opened for reading.')
    this.hasChanged = true
  }

  withLibrary<Result>(what: string, work: (library: LibraryFile) => Result): Result {
    this.close()
    const library = this.openLibrary(this.stored, what)
    let result: Result
    try {
      result = work(library)
    } catch (error) {
      try {
        library.close()
      } catch {
        // The first failure is the one to tell of.
      }
      throw error
    }
    library.close()
    return result
  }

  /** Closes it in h5wasm, which writes what it still had in memory. @throws Hdf5Error when that failed */
  close(): void {
    const { open } = this
    if (open === null) return
    this.open = null
    try {
      this.engine.close(this.attachment, open.id)
    } catch (error) {
      // What was done before may be lost.
      this.hasChanged = true
      throw error
    }
  }
}
