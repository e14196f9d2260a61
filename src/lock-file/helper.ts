// SPDX-License-Identifier: MIT
// The kernel tells nobody that a program unlocked a file and kept it open; it only wakes those that wait in a system call. A thread of ours that waited
// there could not be called back, and would hold up the end of the process. So a process waits: it inherits the open file to which the locks belong,
// and can be killed at any moment. It dies with the thread that started it (PR_SET_PDEATHSIG).
//
// Invariant: from `go` until the helper has said that it is granted, or has ended, nobody else touches the locks of that open file. A helper that ended
// in any other way may have left them taken, in whole or in part.
import { type ChildProcess, spawn } from 'node:child_process'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FlockType } from '../native/flock.ts'

export interface HelperEvents {
  /** It is there, and does nothing before `go`. */
  ready(): void
  /** The locks belong to the open file now; the helper is done. */
  granted(): void
  /** It could not be started, or ended before it was granted and without being stopped. */
  failed(): void
}

export class Helper {
  private readonly child: ChildProcess | null
  private readonly ended: Promise<void>
  private events: HelperEvents | null

  constructor(fd: number, type: FlockType, events: HelperEvents) {
    this.events = events
    this.child = start(fd, type)
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        resolve()
        this.tell('failed')
      }
      this.child?.once('exit', end).once('error', end)
      if (this.child === null) queueMicrotask(end)
    })
    this.child?.stdin?.on('error', () => undefined)
    this.child?.stdout?.on('error', () => undefined).on('data', (said: Buffer) => this.heard(said.toString('latin1')))
  }

  go(): void {
    this.child?.stdin?.write('g')
  }

  /** Resolves when it is gone; it says nothing any more. What it took belongs to the open file, and is the caller's to unlock. */
  stop(): Promise<void> {
    this.events = null
    this.child?.kill('SIGKILL')
    return this.ended
  }

  private heard(words: string): void {
    for (const word of words) this.tell(word === 'r' ? 'ready' : 'granted')
  }

  private tell(what: keyof HelperEvents): void {
    const { events } = this
    if (what !== 'ready') this.events = null
    events?.[what]()
  }
}

/** An application that has Node inside would be started a second time. */
const IS_NODE = /^node(js)?[-.\d]*$/

/** Null where this process may not start others, or is not plain Node. */
function start(fd: number, type: FlockType): ChildProcess | null {
  if (!IS_NODE.test(basename(process.execPath))) return null
  try {
    // In a session of its own, where ^C at a terminal does not reach it, and in a folder that nobody wants to unmount.
    return spawn(process.execPath, [program(), type], {
      stdio: ['pipe', 'pipe', 'ignore', fd],
      detached: true,
      cwd: '/',
      env: environment(),
    })
  } catch {
    return null
  }
}

/** What is meant for this Node (options, coverage, its channel to a parent) is not meant for the helper. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_')))
}

/** Beside this file; from TypeScript itself, as in a test, where the build puts it. */
function program(): string {
  const place = import.meta.url.endsWith('.ts') ? '../../dist/lock-file/helper-program.js' : './helper-program.js'
  return fileURLToPath(new URL(place, import.meta.url))
}
