// SPDX-License-Identifier: MIT
// What the system's error numbers mean to somebody who wants a lock.
import { isLockError, LockError, type LockErrorCode } from '../../core/errors.ts'

const MEANING: Readonly<Record<string, readonly [LockErrorCode, string]>> = {
  EACCES: ['LOCK_DENIED', 'it must be readable, writable and searchable for everybody who shares it'],
  EPERM: ['LOCK_DENIED', 'it must be readable, writable and searchable for everybody who shares it'],
  EROFS: ['LOCK_DENIED', 'the file system is mounted read-only: choose a folder on another'],
  ENOSPC: ['LOCK_UNAVAILABLE', 'the file system is full (of bytes or of inodes)'],
  EDQUOT: ['LOCK_UNAVAILABLE', 'the disk quota is used up'],
  EMFILE: ['LOCK_UNAVAILABLE', 'this process has no file descriptor left: raise its limit (ulimit -n)'],
  ENFILE: ['LOCK_UNAVAILABLE', 'the system has no file descriptor left'],
  ENOLCK: ['LOCK_UNAVAILABLE', 'the system has no lock left'],
  EIO: ['LOCK_UNAVAILABLE', 'the disk fails'],
  ENOTDIR: ['LOCK_INVALID', 'something on the way to it is no folder'],
  ELOOP: ['LOCK_INVALID', 'its symbolic links run in a circle'],
  ENAMETOOLONG: ['LOCK_INVALID', 'the name is too long'],
  EINVAL: ['LOCK_UNSUPPORTED', 'this file system does not know open file description locks'],
  EOPNOTSUPP: ['LOCK_UNSUPPORTED', 'this file system does not know open file description locks'],
  ENOSYS: ['LOCK_UNSUPPORTED', 'this kernel does not know open file description locks'],
}

/** Something was removed while we looked for it. */
export function isMissing(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return code === 'ENOENT' || cause?.code === 'ENOENT'
}

/** A LockError that says what the system refused, and what helps. LockErrors pass as they are. */
export function asLockError(error: unknown, directory: string): LockError {
  if (isLockError(error)) return error
  const system = (error as { code?: unknown }).code
  const [code, help] = (typeof system === 'string' ? MEANING[system] : undefined) ?? ['LOCK_UNAVAILABLE', 'see the cause']
  const what = error instanceof Error ? error.message : String(error)
  return new LockError(code, `The lock directory ${directory} cannot be used: ${help} (${what}).`, { cause: error })
}
