// SPDX-License-Identifier: MIT
// Locks on a whole file (flock(2)), which belong to an open file description: HDF5's C library takes them on the files that it opens. They know
// nothing of byte-range locks, nor those of them.
import { errno, libc, systemError } from './libc.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const LOCK_UN = 8
const EINTR = 4
const EAGAIN = 11

export type FlockType = 'shared' | 'exclusive'

type Call = (fd: number, operation: number) => number
let call: Call | null = null

function flock(fd: number, operation: number): number {
  call ??= libc().library.func('int flock(int fd, int operation)') as Call
  return call(fd, operation)
}

/**
 * Takes a lock on the file of a descriptor without waiting. False when somebody else's lock is in the way. A conversion is not one step: when it
 * is refused, the lock held before may be gone.
 */
export function lockFile(fd: number, type: FlockType): boolean {
  if (flock(fd, (type === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true
  const code = errno()
  if (code === EAGAIN) return false
  throw systemError('flock', code)
}

/** As {@link lockFile}, but the thread stands still until nobody is in the way: for a process that has nothing else to do. */
export function awaitFile(fd: number, type: FlockType): void {
  while (flock(fd, type === 'shared' ? LOCK_SH : LOCK_EX) !== 0) {
    const code = errno()
    if (code !== EINTR) throw systemError('flock', code)
  }
}

/** Gives up what this descriptor holds. Closing its last copy does so, too. */
export function unlockFile(fd: number): void {
  if (flock(fd, LOCK_UN) !== 0) throw systemError('flock')
}
