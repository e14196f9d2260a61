// SPDX-License-Identifier: MIT
// What `holdfast` ends with when it is not the command's own exit code. The numbers up to 78 are those of <sysexits.h> where it has one.
import { isLockError, type LockErrorCode } from '../core/errors.ts'
import { isHdf5Error } from '../hdf5/errors.ts'

export const EXIT = {
  /** Wrong words on the command line, or a wrong path or URL. Nothing was taken, nothing was run. */
  usage: 64,
  /** A file is not what it should be, and cannot be made so from here. */
  badData: 65,
  /** There is no such file. */
  noInput: 66,
  /** The engine cannot be reached, is full, or cannot do it here. */
  unavailable: 69,
  /** A defect of Holdfast's own, or its output cannot be written. */
  internal: 70,
  /** No space, or an error of the disk. */
  inputOutput: 74,
  /** Somebody else has the lock: `--nonblock`, or the time given ran out. `--conflict-exit-code` replaces it. */
  busy: 75,
  /** The lease was lost while the command ran; the command was stopped. */
  lost: 76,
  /** No permission. */
  denied: 77,
  /** A check of `holdfast verify` failed, or `holdfast torture` saw a promise broken. */
  failed: 78,
  /** The command was found and cannot be run. */
  notExecutable: 126,
  notFound: 127,
  /** Plus the number of the signal that ended the command. */
  signalled: 128,
} as const

const OF_ERROR: Readonly<Record<LockErrorCode, number>> = {
  LOCK_TIMEOUT: EXIT.busy,
  LOCK_LOST: EXIT.lost,
  LOCK_INVALID: EXIT.usage,
  LOCK_REENTRANT: EXIT.internal,
  LOCK_DENIED: EXIT.denied,
  LOCK_UNAVAILABLE: EXIT.unavailable,
  LOCK_UNSUPPORTED: EXIT.unavailable,
  LOCK_SPLIT: EXIT.unavailable,
  LOCK_CLOSED: EXIT.internal,
  CONFIG_INVALID: EXIT.usage,
}

const OF_HDF5_ERROR: Readonly<Record<string, number>> = {
  HDF5_NO_FILE: EXIT.noInput,
  HDF5_NOT_HDF5: EXIT.badData,
  HDF5_TORN: EXIT.badData,
  HDF5_NEEDS_RECOVERY: EXIT.denied,
  HDF5_DENIED: EXIT.denied,
  HDF5_FULL: EXIT.inputOutput,
  HDF5_INVALID: EXIT.usage,
  HDF5_NEEDS_LIBRARY: EXIT.unavailable,
}

export function exitCodeOf(error: unknown): number {
  if (isHdf5Error(error)) return OF_HDF5_ERROR[error.code] ?? EXIT.badData
  return isLockError(error) ? OF_ERROR[error.code] : EXIT.internal
}
