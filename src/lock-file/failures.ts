// SPDX-License-Identifier: MIT
// What the system's error numbers mean to somebody who wants to lock a file.
import { isLockError, LockError, type LockErrorCode } from '../core/errors.ts'

const NO_SUCH_LOCKS = 'this file system does not know both flock and open file description locks'

const MEANING: Readonly<Record<string, readonly [LockErrorCode, string]>> = {
  EACCES: ['LOCK_DENIED', 'permission is denied. To read under the lock the file must be readable, to write writable, too'],
  EPERM: ['LOCK_DENIED', 'permission is denied. To read under the lock the file must be readable, to write writable, too'],
  EROFS: ['LOCK_DENIED', 'the file system is mounted read-only. Only files that are there can be locked, to read'],
  ETXTBSY: ['LOCK_DENIED', 'it is a program that runs, which nobody may write'],
  ENOENT: ['LOCK_INVALID', 'the folder in which it should lie does not exist, or it is a link to nothing'],
  ENOTDIR: ['LOCK_INVALID', 'something on the way to it is no folder'],
  ELOOP: ['LOCK_INVALID', 'its symbolic links run in a circle'],
  ENAMETOOLONG: ['LOCK_INVALID', 'the name is too long'],
  ENOSPC: ['LOCK_UNAVAILABLE', 'the file system is full (of bytes or of inodes)'],
  EDQUOT: ['LOCK_UNAVAILABLE', 'the disk quota is used up'],
  EMFILE: ['LOCK_UNAVAILABLE', 'this process has no file descriptor left: raise its limit (ulimit -n)'],
  ENFILE: ['LOCK_UNAVAILABLE', 'the system has no file descriptor left'],
  ENOLCK: ['LOCK_UNAVAILABLE', 'the system has no lock left'],
  EIO: ['LOCK_UNAVAILABLE', 'the disk fails'],
  EINVAL: ['LOCK_UNSUPPORTED', NO_SUCH_LOCKS],
  EOPNOTSUPP: ['LOCK_UNSUPPORTED', NO_SUCH_LOCKS],
  ENOSYS: ['LOCK_UNSUPPORTED', NO_SUCH_LOCKS],
}

/** A LockError that says what the system refused. LockErrors pass as they are. */
export function asLockError(error: unknown, path: string): LockError {
  if (isLockError(error)) return error
  const system = (error as { code?: unknown }).code
  const [code, why] = (typeof system === 'string' ? MEANING[system] : undefined) ?? ['LOCK_UNAVAILABLE', 'see the cause']
  const what = error instanceof Error ? error.message : String(error)
  return new LockError(code, `The lock file ${path} cannot be used: ${why} (${what}).`, { cause: error })
}
