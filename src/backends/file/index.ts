// SPDX-License-Identifier: MIT
// Kernel file locks: the engine for the processes of one machine.
import type { Backend, Preference } from '../../core/backend.ts'
import { invalid } from '../../core/errors.ts'
import { libc } from '../../native/libc.ts'
import { FileBackend } from './backend.ts'
import { defaultDirectory, LockDirectory } from './directory.ts'
import { asLockError } from './failures.ts'

export { FileLease } from './file-lease.ts'
export { defaultDirectory }

export interface FileOptions {
  /** The lock directory: one for all who are to exclude each other, on a local disk. Default: {@link defaultDirectory}. */
  readonly directory?: string | undefined
  /** Who goes first among requests that conflict; recorded in the directory. Default: what is recorded there, else whoever came first. */
  readonly prefer?: Preference | undefined
}

/**
 * An engine for the processes, and the worker threads, of one machine, by locks that the kernel frees when a process ends. Makes the directory if
 * there is none.
 *
 * @throws LockError `LOCK_UNSUPPORTED` elsewhere than on Linux and on network file systems; `LOCK_DENIED`, `LOCK_UNAVAILABLE` where the directory
 * cannot be used; `LOCK_INVALID` when it was made with another policy.
 */
export function fileBackend(options: FileOptions = {}): Backend {
  const { directory, prefer } = options
  if (directory !== undefined && (typeof directory !== 'string' || directory === '' || directory.includes('\0'))) {
    throw invalid('directory is the path of a folder.')
  }
  if (prefer !== undefined && prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  libc()
  try {
    return new FileBackend(new LockDirectory(directory), prefer)
  } catch (error) {
    throw asLockError(error, directory ?? defaultDirectory())
  }
}
