// SPDX-License-Identifier: MIT
// One thread of this process at a time: flock(2) on a file of /proc that is this process's own. Threads find it without having been told of
// each other, and the kernel takes it back from a thread that ends.
import { closeSync, openSync } from 'node:fs'
import { lockFile } from './flock.ts'

const LOOK_AGAIN_MS = 1

/**
 * Waits, with the thread standing still, until no other thread has it. The answer gives it back.
 *
 * It looks again and again: a thread that waited in the kernel could not be ended meanwhile.
 *
 * @param withinMs after which it goes on without it
 */
export function takeProcessLock(withinMs: number = Number.POSITIVE_INFINITY): () => void {
  const fd = openSync('/proc/self/stat', 'r')
  try {
    const never = new Int32Array(new SharedArrayBuffer(4))
    const giveUpAt = performance.now() + withinMs
    while (!lockFile(fd, 'exclusive') && performance.now() < giveUpAt) Atomics.wait(never, 0, 0, LOOK_AGAIN_MS)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return () => closeSync(fd)
}
