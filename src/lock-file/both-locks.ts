// SPDX-License-Identifier: MIT
// The two kinds of lock that programs put on a whole file, taken together on one descriptor: flock(2), and fcntl(2) on all bytes. The kernel keeps them
// apart, so a program that takes one of them is not seen by a program that takes the other, and we take both.
//
// Invariant: nobody waits for one of them while he has the other. So there is no circle of waiting, whichever of the two others take, and in whatever
// order they take both.
import { awaitFile, type FlockType, lockFile, unlockFile } from '../native/flock.ts'
import { awaitRange, blockerOf, EXCLUSIVE, type LockType, lockRange, SHARED, unlockRange } from '../native/ofd-locks.ts'

/** All bytes, those to come included, as fasteners and Python's lockf take them. */
const START = 0
const TO_THE_END = 0

const RANGE_TYPE: Readonly<Record<FlockType, LockType>> = { shared: SHARED, exclusive: EXCLUSIVE }

/** Takes both, or nothing. Looks before it takes: mostly nobody meets us with one of them alone. */
export function tryBoth(fd: number, type: FlockType): boolean {
  const range = RANGE_TYPE[type]
  if (blockerOf(fd, range, START, TO_THE_END) !== null || !lockFile(fd, type)) return false
  try {
    if (lockRange(fd, range, START, TO_THE_END)) return true
  } catch (error) {
    unlockFile(fd)
    throw error
  }
  unlockFile(fd)
  return false
}

/** Takes both; the thread stands still meanwhile. Waits for the one that is in the way, and looks whether the other is free, too. */
export function awaitBoth(fd: number, type: FlockType): void {
  const range = RANGE_TYPE[type]
  for (;;) {
    awaitRange(fd, range, START, TO_THE_END)
    if (lockFile(fd, type)) return
    unlockRange(fd, START, TO_THE_END)
    awaitFile(fd, type)
    if (lockRange(fd, range, START, TO_THE_END)) return
    unlockFile(fd)
  }
}

/**
 * From exclusive to shared. Either lock keeps writers out while the other is converted. False when the kernel gave the first to somebody else in the
 * middle of its conversion, which flock(2) does not exclude: then nothing can be relied on.
 */
export function weakenBoth(fd: number): boolean {
  return lockRange(fd, SHARED, START, TO_THE_END) && lockFile(fd, 'shared')
}

export function unlockBoth(fd: number): void {
  unlockRange(fd, START, TO_THE_END)
  unlockFile(fd)
}

/**
 * Whether the one in the way looks like a Holdfast of another process: it has all bytes locked by its open file. Such a one closes the file when it
 * lets go, and whoever watches the file hears that. Of others nothing is known: some unlock and keep the file open, of which nothing is heard.
 */
export function blockedByOneOfUs(fd: number, type: FlockType): boolean {
  const blocker = blockerOf(fd, RANGE_TYPE[type], START, TO_THE_END)
  return blocker !== null && blocker.pid < 0 && blocker.start === START && blocker.length === TO_THE_END
}
