// SPDX-License-Identifier: MIT
// Waiting until programs that do not use our locks (h5py, h5dump) let go of a file. The main thread hears by inotify that somebody closed it; a
// worker thread, where that is not safe, and everybody in between, looks again and again.
//
// Looking is one flock(2) on a descriptor that stays open: opening and closing the file for each look would wake all who listen, ourselves first.
import * as fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { LockError } from '../../core/errors.ts'
import { LongTimer } from '../../long-timer.ts'
import { lockFile, unlockFile } from '../../native/flock.ts'
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, Inotify } from '../../native/inotify.ts'
import type { Mode } from './locking.ts'
import type { Patience } from './patience.ts'
import { asHolder, namesOf, rivalsOf } from './rival.ts'

/** The kernel tells of a closing a moment before it drops the lock: after an event these are the pauses between looks, in milliseconds. */
const AFTER_EVENT_MS = [0, 1, 5, 20, 50]
/** Then, where events come: this often. */
const WATCHED_MS = 1000
/** And where none come. */
const BLIND_MS = [0, 5, 10, 20, 50]
/** A look this near need not be brought forward. */
const SOON_MS = 2
/** So much longer after each look that was wrong, as others were quicker or the file system knows no such locks; ten times this at most. */
const WRONG_LOOK_MS = 5
/** A wait longer than this is worth a process warning, once. */
const LONG_WAIT_MS = 10_000

/** One instance for all who wait: a user has only 128. Its watches let the process end, the timers of those who wait do not. */
let inotify: Inotify | null = null
let listeners = 0

/** Null where nothing can be heard. The answer stops it. */
function listen(file: string, heard: () => void): (() => void) | null {
  if (!isMainThread) return null
  try {
    inotify ??= new Inotify()
    const stop = inotify.watch(file, IN_CLOSE_WRITE | IN_CLOSE_NOWRITE, heard)
    listeners++
    return () => {
      stop()
      if (--listeners === 0) close()
    }
  } catch {
    if (listeners === 0) close()
    return null
  }
}

function close(): void {
  inotify?.close()
  inotify = null
}

// An event that comes while Node takes its environment apart would find no JavaScript to call, and koffi aborts the process over it.
process.once('exit', close)

/** The wait of one access for the rivals of one file. Call {@link end} in any case. */
export class RivalWait {
  private readonly file: string
  private readonly mode: Mode
  private readonly patience: Patience
  private readonly since: number = performance.now()
  private readonly fd: number | null
  private readonly stop: (() => void) | null
  private readonly warning: NodeJS.Timeout
  private readonly patienceOver: LongTimer = new LongTimer()
  private pause: NodeJS.Timeout | undefined
  private due = 0
  private looks = 0
  private wrongLooks = -1
  private lookNow: (() => void) | null = null

  constructor(file: string, mode: Mode, patience: Patience) {
    this.file = file
    this.mode = mode
    this.patience = patience
    this.stop = listen(file, () => this.heard())
    this.fd = openToLook(file)
    this.warning = setTimeout(() => this.warn(), LONG_WAIT_MS)
    this.warning.unref()
  }

  /**
   * Resolves when the file may be free, so that it is worth to try again.
   *
   * @throws LockError `LOCK_TIMEOUT`, saying who has the file open; the reason of the caller's signal
   */
  free(): Promise<void> {
    const { signal } = this.patience.options
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const { left } = this.patience
      if (left === 0) return reject(this.timedOut())
      const settle = (): void => {
        clearTimeout(this.pause)
        this.lookNow = null
        this.patienceOver.stop()
        signal?.removeEventListener('abort', aborted)
      }
      const aborted = (): void => {
        settle()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', aborted)
      if (left !== undefined) {
        this.patienceOver.start(left, () => {
          settle()
          reject(this.timedOut())
        })
      }
      this.lookNow = () => {
        const pauseMs = this.nextPause()
        this.due = performance.now() + pauseMs
        clearTimeout(this.pause)
        this.pause = setTimeout(() => {
          if (!this.isFree()) return this.lookNow?.()
          settle()
          resolve()
        }, pauseMs)
      }
      this.wrongLooks++
      this.lookNow()
    })
  }

  end(): void {
    clearTimeout(this.pause)
    clearTimeout(this.warning)
    this.stop?.()
    if (this.fd !== null) fs.closeSync(this.fd)
  }

  /** A look that is about to be taken stays: events may come faster than timers run out. */
  private heard(): void {
    this.looks = 0
    if (this.due - performance.now() > SOON_MS) this.lookNow?.()
  }

  private nextPause(): number {
    const pauses = this.stop === null ? BLIND_MS : AFTER_EVENT_MS
    const last = this.stop === null ? BLIND_MS.at(-1)! : WATCHED_MS
    return Math.max(pauses[this.looks++] ?? last, Math.min(this.wrongLooks, 10) * WRONG_LOOK_MS)
  }

  /** True also where it cannot be told: then the thread that opens the file finds out. */
  private isFree(): boolean {
    if (this.fd === null) return true
    try {
      if (!lockFile(this.fd, this.mode === 'read' ? 'shared' : 'exclusive')) return false
      unlockFile(this.fd)
    } catch {}
    return true
  }

  private timedOut(): LockError {
    const rivals = rivalsOf(this.file)
    const { timeout = 0 } = this.patience.options
    const waited = timeout === 0 ? 'It is busy now' : `Not granted within ${timeout} ms`
    const holders = rivals.map((rival) => asHolder(this.file, rival))
    return new LockError('LOCK_TIMEOUT', `${waited}: ${this.mode} ${this.file}. Another program has it open: ${namesOf(rivals)}.`, {
      holders,
    })
  }

  private warn(): void {
    process.emitWarning(
      `A request has waited ${Math.round((performance.now() - this.since) / 1000)} s for: ${this.mode} ${this.file}. ` +
        `Another program has it open: ${namesOf(rivalsOf(this.file))}.`,
      { type: 'HoldfastWarning', code: 'HOLDFAST_LONG_WAIT' },
    )
  }
}

/** Null when it cannot be opened: it was removed, or is not ours to read. */
function openToLook(file: string): number | null {
  try {
    return fs.openSync(file, 'r')
  } catch {
    return null
  }
}
