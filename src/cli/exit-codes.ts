// SPDX-License-Identifier: MIT
// What `holdfast` ends with when it is not the command's own exit code. The numbers up to 78 are those of <sysexits.h> where it has one.
import { isLockError, type LockErrorCode } from '../core/errors.ts'

export const EXIT = {
  /** Wrong words on the command line, or a wrong path or URL. Nothing was taken, nothing was run. */
  usage: 64,
  /** The engine cannot be reached, is full, or cannot do it here. */
  unavailable: 69,
  /** A defect of Holdfast's own, or its output cannot be written. */
  internal: 70,
  /** Somebody else has the lock: `--nonblock`, or the time given ran out. `--conflict-exit-code` replaces it. */
  busy: 75,
  /** The lease was lost while the command ran; the command was stopped. */
  lost: 76,
  /** No permission. */
  denied: 77,
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

export function exitCodeOf(error: unknown): number {
  return isLockError(error) ? OF_ERROR[error.code] : EXIT.internal
}
