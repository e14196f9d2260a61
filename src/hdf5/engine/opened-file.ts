// SPDX-License-Identifier: MIT
// A stored file as the operations of a session work on it: in h5wasm, or for a moment in the system's library.
import { problem } from '../where.ts'
import type { View } from './kept-files.ts'
import type { LibraryFile, OpenFile, WasmFile } from './open-file.ts'
import type { Engine } from './wasm.ts'
import type { Attachment, Source } from './wasm-files.ts'

/** What a session needs of {@link StoredFile} to work on it. */
export interface WorkingSource extends Source {
  readonly path: string
  readonly mode: 'read' | 'write'
}

/** Opens the same file in the system's library; `what` it is needed for. */
export type OpenLibrary<Stored> = (stored: Stored, what: string) => LibraryFile & { close(): void }

/** That are remembered of one file. */
const MOST_FACTS = 1000

interface Open extends WasmFile {
  readonly attachment: Attachment
  /** Null when it is open to be written. */
  readonly view: View | null
}

export class OpenedFile<Stored extends WorkingSource = WorkingSource> implements OpenFile {
  readonly path: string
  /** An operation has begun to change the file. */
  hasChanged = false
  private readonly stored: Stored
  private readonly engine: Engine
  private readonly openLibrary: OpenLibrary<Stored>
  private open: Open | null = null
  /** A call has failed, so that the library may be in any state about this file. */
  private hasFailed = false

  constructor(stored: Stored, engine: Engine, openLibrary: OpenLibrary<Stored>) {
    this.path = stored.path
    this.stored = stored
    this.engine = engine
    this.openLibrary = openLibrary
  }

  wasm(): WasmFile {
    return this.opened()
  }

  call<Result>(object: string, work: (file: WasmFile) => Result): Result {
    const file = this.opened()
    try {
      return this.engine.call(file.attachment, { file: this.path, object }, () => work(file))
    } catch (error) {
      this.hasFailed = true
      throw error
    }
  }

  callForElements<Result>(object: string, work: (file: WasmFile) => Result): Result {
    const ahead = this.opened().view?.ahead
    if (ahead === undefined) return this.call(object, work)
    ahead.readsElements = true
    try {
      return this.call(object, work)
    } finally {
      ahead.readsElements = false
    }
  }

  known<Fact>(question: string, look: () => Fact): Fact {
    const { view } = this.opened()
    const before = view?.facts.get(question)
    if (before !== undefined) return before as Fact
    const fact = look()
    if (view !== null && view.facts.size < MOST_FACTS && this.engine.kept.isOwn(view)) view.facts.set(question, fact)
    return fact
  }

  changing(): void {
    if (this.stored.mode === 'read') throw problem('HDF5_READ_ONLY', { file: this.path, object: '/' }, 'the file was opened for reading.')
    // What was looked up so far was looked up in a view.
    if (this.open !== null && this.open.view !== null) this.close()
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
    const { open, engine } = this
    if (open === null) return
    this.open = null
    try {
      if (open.view === null) engine.close(open.attachment, open.id)
      else engine.kept.close(open.view, !this.hasFailed)
    } catch (error) {
      // What was done before may be lost.
      this.hasChanged = true
      throw error
    }
  }

  private opened(): Open {
    this.open ??= (this.hasChanged ? null : this.openToRead()) ?? this.openToWrite()
    return this.open
  }

  /** Null in a session that writes, if there is no view at hand: it will open the file to write in any case. */
  private openToRead(): Open | null {
    const { engine, path, stored } = this
    const { kept, module } = engine
    const view = kept.take(path, stored) ?? (stored.mode === 'read' ? kept.open(path, stored) : null)
    return view === null ? null : { module, id: view.id, attachment: view.attachment, view }
  }

  private openToWrite(): Open {
    const { engine, path, stored } = this
    const attachment = { path, source: stored }
    return { module: engine.module, id: engine.open(attachment, 'write'), attachment, view: null }
  }
}
