// SPDX-License-Identifier: MIT
// space.lock: one file whose bytes stand for facts about the whole directory.
//
//   byte 0   somebody changes tokens.json at the moment (exclusive)
//   byte 1   the offset in tokens.json is in use (shared, by every process that takes part)
//   byte 2   somebody waits, at whatever node (shared): whoever comes or goes looks here first, and mostly need look no further
import * as fs from 'node:fs'
import { LockError } from '../../core/errors.ts'
import { blockerOf, EXCLUSIVE, lockRange, SHARED, unlockRange } from '../../native/ofd-locks.ts'
import type { LockDirectory } from './directory.ts'

const CHANGE = 0
const USERS = 1
const WAITING = 2

/** Some twenty locks. */
const MOMENT_NS = 100_000
const CHANGE_PATIENCE_MS = 5000
const CHANGE_RETRY_MS = 1

export class SpaceLock {
  private readonly fd: number
  private readonly directory: LockDirectory
  private waiting = 0
  /** The last answer was that nobody waits. */
  private calm = false
  private askedAt = 0

  constructor(directory: LockDirectory) {
    this.directory = directory
    this.fd = directory.open('space.lock')
  }

  /** Runs `work` while nobody else changes tokens.json. Blocks the thread: for the few milliseconds of a file's writing, a few times a day. */
  changing<Result>(work: () => Result): Result {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    for (let waited = 0; !lockRange(this.fd, EXCLUSIVE, CHANGE, 1); waited += CHANGE_RETRY_MS) {
      if (waited >= CHANGE_PATIENCE_MS) {
        throw new LockError(
          'LOCK_UNAVAILABLE',
          `Another process has kept ${this.directory.file('tokens.json')} for ${waited} ms: is it stopped?`,
        )
      }
      Atomics.wait(pause, 0, 0, CHANGE_RETRY_MS)
    }
    try {
      return work()
    } finally {
      unlockRange(this.fd, CHANGE, 1)
    }
  }

  /** This process relies on the recorded offset from now on, for as long as it lives. */
  use(): void {
    if (!lockRange(this.fd, SHARED, USERS, 1)) throw new Error('The users byte is only ever held exclusively inside changing().')
  }

  /** Runs `work` if no process relies on the recorded offset; false if some does. Only inside {@link changing}. */
  alone(work: () => void): boolean {
    if (!lockRange(this.fd, EXCLUSIVE, USERS, 1)) return false
    try {
      work()
    } finally {
      unlockRange(this.fd, USERS, 1)
    }
    return true
  }

  /** A request of this process begins to wait. */
  beginWaiting(): void {
    if (this.waiting++ === 0) lockRange(this.fd, SHARED, WAITING, 1)
  }

  endWaiting(): void {
    if (--this.waiting === 0) unlockRange(this.fd, WAITING, 1)
  }

  /** Another process waits for something in this directory. For whoever leaves: it must ring then. */
  othersWait(): boolean {
    const wait = blockerOf(this.fd, EXCLUSIVE, WAITING, 1) !== null
    this.calm = !wait
    return wait
  }

  /**
   * The same for whoever comes, and must not overtake those that wait. It may rely on an answer that is a moment old: a process that comes and
   * goes asks at every going, so a waiter is overtaken once at most, or for that moment.
   */
  othersWaitedLately(): boolean {
    const [seconds, nanoseconds] = process.hrtime()
    const now = seconds * 1e9 + nanoseconds
    if (this.calm && now - this.askedAt < MOMENT_NS) return false
    this.askedAt = now
    return this.othersWait()
  }

  get intact(): boolean {
    return fs.fstatSync(this.fd).nlink > 0
  }

  close(): void {
    fs.closeSync(this.fd)
  }
}
