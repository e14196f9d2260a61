// SPDX-License-Identifier: MIT
// What the threads answer, in the terms of this side: promises of replies, and errors that are errors again.
import { LockError, type LockErrorCode } from '../../core/errors.ts'
import type { FileRequest, PostedError, Reply, Request } from '../engine/protocol.ts'
import { Hdf5Error, type Hdf5ErrorCode } from '../errors.ts'
import { type EngineThread, type Job, nextRequest, submit } from './pool.ts'

/** A reply, and the thread it came from. */
export interface Answer {
  readonly reply: Reply
  readonly thread: EngineThread
}

/** Does what is asked, in the given thread or the idlest. Rejects only when the thread fails; a `failed` reply is a reply. */
export function ask(message: Request | FileRequest, file: string, thread?: EngineThread): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const job: Job = { message, file, settled: (reply, answering) => resolve({ reply, thread: answering }), failed: reject }
    if (thread === undefined) submit(job)
    else thread.submit(job)
  })
}

/** A request for a file as a whole. */
export function askForFile(request: Omit<FileRequest, 'id'>): Promise<Answer> {
  return ask({ id: nextRequest(), ...request }, request.file)
}

/** What went wrong in a thread, as an error of this one. */
export function errorFrom({ code, message, file, object, stack }: PostedError): Error {
  if (code === null) {
    const cause = new Error(message)
    if (stack !== undefined) cause.stack = stack
    return new Hdf5Error('HDF5_FAILED', message, { file, object, cause })
  }
  if (code.startsWith('HDF5_')) return new Hdf5Error(code as Hdf5ErrorCode, message, { file, object })
  return new LockError(code as LockErrorCode, message)
}
