// SPDX-License-Identifier: MIT
// Tries one lock on one file, through a descriptor of its own.
import { closeSync, openSync } from 'node:fs'
import { lockFile } from '../native/flock.ts'
import { EXCLUSIVE, lockRange, SHARED } from '../native/ofd-locks.ts'

export type FileLockKind = 'ofd' | 'flock'
export type FileLockType = 'shared' | 'exclusive'

/** Takes a lock on the file of a descriptor, without waiting. False when somebody is in the way. Throws as the system does. */
export function takeFileLock(fd: number, kind: FileLockKind, type: FileLockType): boolean {
  return kind === 'flock' ? lockFile(fd, type) : lockRange(fd, type === 'shared' ? SHARED : EXCLUSIVE, 0, 1)
}

/** Whether a lock is to be had at this moment; it is given back at once. */
export function tryFileLock(path: string, kind: FileLockKind, type: FileLockType): boolean {
  const fd = openSync(path, 'r+')
  try {
    return takeFileLock(fd, kind, type)
  } finally {
    closeSync(fd)
  }
}
