// SPDX-License-Identifier: MIT
// What a thread does for the requests that it gets: sessions, each with one file open, and work on whole files. Knows nothing of threads.
import { isLockError } from '../../core/errors.ts'
import { Hdf5Error, isHdf5Error } from '../errors.ts'
import { createFile } from '../storage/create.ts'
import { asHdf5Error } from '../storage/failures.ts'
import { recoverFile } from '../storage/recover.ts'
import { StoredFile } from '../storage/stored-file.ts'
import { OpenedFile, type OpenLibrary } from './opened-file.ts'
import type { FileRequest, Operation, PostedError, ReadOperation, Reply, Request } from './protocol.ts'
import { performRead } from './read-operations.ts'
import type { Engine } from './wasm.ts'
import { performWrite } from './write-operations.ts'

const READING: ReadonlySet<Operation['do']> = new Set<ReadOperation['do']>([
  'describe',
  'has',
  'keys',
  'items',
  'walk',
  'link',
  'read',
  'attributeNames',
  'attribute',
  'attributes',
  'reference',
])

/** The sessions of one thread. */
export class Sessions {
  private readonly openLibrary: OpenLibrary<StoredFile>
  private readonly sessions = new Map<number, Session>()

  constructor(openLibrary: OpenLibrary<StoredFile>) {
    this.openLibrary = openLibrary
  }

  /** Never throws: whatever happens is in the reply. */
  handle(request: Request | FileRequest, engine: Engine): Reply {
    const { id } = request
    try {
      return 'do' in request ? wholeFile(request, engine) : this.perform(request, engine)
    } catch (error) {
      return { id, outcome: 'failed', error: posted(error) }
    }
  }

  private perform({ id, session: number, open, operations, close }: Request, engine: Engine): Reply {
    let session = this.sessions.get(number)
    if (open !== undefined) {
      if (session !== undefined) throw new Hdf5Error('HDF5_FAILED', `There is a session ${number} already.`, { file: open.file })
      const stored = StoredFile.open({ path: open.file, mode: open.mode, durability: open.durability, lease: open.lease })
      if (stored === 'busy' || stored === 'torn') return { id, outcome: stored }
      session = new Session(stored, engine, this.openLibrary)
    }
    if (session === undefined) throw new Hdf5Error('HDF5_CLOSED', `There is no session ${number}.`)
    const answers: unknown[] = []
    try {
      for (const operation of operations) answers.push(session.perform(operation))
    } catch (error) {
      if (open === undefined && close === undefined) throw error
      this.sessions.delete(number)
      throw session.abandon(error)
    }
    if (close === undefined) {
      this.sessions.set(number, session)
      return { id, outcome: 'done', answers }
    }
    this.sessions.delete(number)
    if (close === 'commit') session.commit()
    else session.rollBack()
    return { id, outcome: 'done', answers }
  }
}

function wholeFile({ id, do: what, file, journal, replace, durability, lease }: FileRequest, engine: Engine): Reply {
  if (what === 'recover') {
    const recovered = recoverFile({ path: file, durability, lease, journal })
    return recovered === 'busy' ? { id, outcome: 'busy' } : { id, outcome: 'done', answers: [recovered] }
  }
  const outcome = createFile({ path: file, replace, durability, lease }, engine.emptyFile())
  return outcome === 'busy' ? { id, outcome } : { id, outcome, answers: [] }
}

/** One file, from opening to closing. Its writes are one transaction. */
class Session {
  private readonly stored: StoredFile
  private readonly file: OpenedFile<StoredFile>
  private readonly engine: Engine
  /** What left the transaction in a state that can only be rolled back. */
  private failure: unknown

  constructor(stored: StoredFile, engine: Engine, openLibrary: OpenLibrary<StoredFile>) {
    this.stored = stored
    this.engine = engine
    this.file = new OpenedFile(stored, engine, openLibrary)
  }

  /** @throws the operation's error. One that came after the first change has failed the whole session. */
  perform(operation: Operation): unknown {
    const { file, stored } = this
    if (this.failure !== undefined) throw this.over()
    file.hasChanged = false
    try {
      if (isReading(operation)) return performRead(file, operation)
      if (stored.mode === 'read') throw new Hdf5Error('HDF5_READ_ONLY', `${stored.path} was opened for reading.`, { file: stored.path })
      performWrite(file, operation)
      if (stored.failure !== undefined) throw stored.failure
      return undefined
    } catch (error) {
      const failure = stored.failure === undefined ? error : asHdf5Error(stored.failure, stored.path, 'written')
      if (file.hasChanged || stored.failure !== undefined || this.engine.hasCrashed) this.failure = failure
      throw failure
    }
  }

  /** @throws what made it impossible; then the file is as it was before the session */
  commit(): void {
    const { stored, file } = this
    if (this.failure !== undefined) throw this.abandon(this.over())
    if (stored.mode === 'read') {
      this.leave()
      return
    }
    try {
      file.close()
      if (stored.failure !== undefined) throw stored.failure
      stored.commit()
    } catch (error) {
      throw this.abandon(stored.failure ?? error)
    }
    stored.close()
  }

  /** @throws when the file could not be restored; then whoever opens it next restores it */
  rollBack(): void {
    const { stored } = this
    if (stored.mode === 'read') {
      this.leave()
      return
    }
    stored.discard()
    try {
      this.leaveEngine()
      stored.rollBack()
    } catch (error) {
      throw asHdf5Error(error, stored.path, 'restored, which is left to whoever opens it next')
    } finally {
      stored.close()
    }
  }

  /** Rolls back because of an error, and answers the one to tell of. */
  abandon(error: unknown): unknown {
    const reason = asHdf5Error(error, this.stored.path, 'written')
    try {
      this.rollBack()
      return reason
    } catch (second) {
      if (isLockError(second)) return second
      const message = `${reason.message} ${(second as Error).message}`
      const { code, file, object } = reason as Hdf5Error
      return isHdf5Error(reason) ? new Hdf5Error(code, message, { file, object, cause: reason }) : reason
    }
  }

  private leave(): void {
    this.leaveEngine()
    this.stored.close()
  }

  /** Closes the file in h5wasm, where nothing of it matters any more. */
  private leaveEngine(): void {
    try {
      this.file.close()
    } catch {
      // The library may have been in the middle of something. It cannot reach the file any more.
    }
  }

  private over(): Hdf5Error {
    const { path } = this.stored
    const { message } = this.failure as Error
    return new Hdf5Error('HDF5_FAILED', `The transaction on ${path} failed before, and is rolled back: ${message}`, {
      file: path,
      cause: this.failure,
    })
  }
}

function isReading(operation: Operation): operation is ReadOperation {
  return READING.has(operation.do)
}

/** An error as it is sent to another thread. */
export function posted(error: unknown): PostedError {
  if (!(error instanceof Error)) return { code: null, message: String(error) }
  const { message, stack } = error
  if (isHdf5Error(error)) return { code: error.code, message, file: error.file, object: error.object, stack }
  if (isLockError(error)) return { code: error.code, message, stack }
  return { code: null, message, stack }
}
