// SPDX-License-Identifier: MIT
// Every failure that Holdfast reports is a LockError with a stable code; the message is for people, the code for programs.
import type { Holder } from './inspection.ts'

/**
 * What went wrong, in a word that stays the same from release to release.
 *
 * | code | meaning |
 * |---|---|
 * | `LOCK_TIMEOUT` | the time given ran out; `holders` names who stood in the way, where that is known |
 * | `LOCK_LOST` | the lease ended before it was released: its holder may no longer be alone |
 * | `LOCK_INVALID` | the request itself is wrong: a path, an option, a policy that the space does not have |
 * | `LOCK_REENTRANT` | the task would wait for a lease that it holds itself |
 * | `LOCK_DENIED` | permission or authentication |
 * | `LOCK_UNAVAILABLE` | the engine cannot be reached, or is full |
 * | `LOCK_UNSUPPORTED` | this engine, file system or platform cannot do it, and nothing weaker was done instead |
 * | `LOCK_SPLIT` | two users of one configuration would lock in different places |
 * | `LOCK_CLOSED` | the lock space was closed |
 * | `CONFIG_INVALID` | a URL or a configuration file is wrong |
 */
export type LockErrorCode =
  | 'LOCK_TIMEOUT'
  | 'LOCK_LOST'
  | 'LOCK_INVALID'
  | 'LOCK_REENTRANT'
  | 'LOCK_DENIED'
  | 'LOCK_UNAVAILABLE'
  | 'LOCK_UNSUPPORTED'
  | 'LOCK_SPLIT'
  | 'LOCK_CLOSED'
  | 'CONFIG_INVALID'

export interface LockErrorOptions {
  readonly cause?: unknown
  readonly holders?: readonly Holder[]
}

const brand = Symbol.for('holdfast.LockError')

/** An error with a stable {@link LockErrorCode}. Recognise it with {@link isLockError}, which also works across copies of the package. */
export class LockError extends Error {
  readonly code: LockErrorCode
  /** Who held or waited in the way when the request gave up. Empty where the engine could not tell in time. */
  readonly holders: readonly Holder[]

  constructor(code: LockErrorCode, message: string, options: LockErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'LockError'
    this.code = code
    this.holders = options.holders ?? []
    Object.defineProperty(this, brand, { value: true })
  }

  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, holders: this.holders }
  }
}

/** True for a Holdfast error, and, with a code, for that one: `isLockError(error, 'LOCK_TIMEOUT')`. */
export function isLockError(value: unknown, code?: LockErrorCode): value is LockError {
  return value instanceof Error && brand in value && (code === undefined || (value as Error as LockError).code === code)
}

export function invalid(message: string): LockError {
  return new LockError('LOCK_INVALID', message)
}
