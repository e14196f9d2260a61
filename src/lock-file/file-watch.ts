// SPDX-License-Identifier: MIT
// How this thread hears of lock files: that somebody closed one, as those do that let go and those that die, or that one was removed or replaced. By
// inotify in the main thread. In a worker by fs.watch, which tells of no closing: a poll through koffi would take the whole process down if the thread were
// terminated while an event is pending. Where the user has no inotify instance left, by looking from time to time.
import * as fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { IN_ATTRIB, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_DELETE_SELF, IN_MOVE_SELF, Inotify } from '../native/inotify.ts'

/** `changed`: perhaps it is not the file at this path any more. */
export type FileEvent = 'closed' | 'changed'

export interface Watch {
  /** True if it tells of closings. */
  readonly hearsClosing: boolean
  end(): void
}

const EVENTS = IN_ATTRIB | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE | IN_DELETE_SELF | IN_MOVE_SELF
const CLOSINGS = IN_CLOSE_WRITE | IN_CLOSE_NOWRITE
/** Without events, and for what no event tells of: a folder above was renamed. */
const BLIND_LOOK_MS = 1000
const SLOW_LOOK_MS = 5000
/** Closing an instance costs milliseconds: it is kept for a while when nobody watches. */
const LINGER_MS = 1000

/** One instance for all: a user has only 128. */
let inotify: Inotify | null = null
let watches = 0
let lingers = false

/** Calls `listener` until it is ended. Does not keep the process alive. */
export function watchFile(path: string, listener: (event: FileEvent) => void): Watch {
  const stop = isMainThread ? byInotify(path, listener) : byNode(path, listener)
  const look = setInterval(() => listener('changed'), stop === null ? BLIND_LOOK_MS : SLOW_LOOK_MS)
  look.unref()
  return {
    hearsClosing: isMainThread && stop !== null,
    end() {
      clearInterval(look)
      stop?.()
    },
  }
}

function byInotify(path: string, listener: (event: FileEvent) => void): (() => void) | null {
  try {
    inotify ??= new Inotify()
    const stop = inotify.watch(path, EVENTS, ({ mask }) => listener((mask & CLOSINGS) !== 0 ? 'closed' : 'changed'))
    watches++
    return () => {
      stop()
      if (--watches === 0) linger()
    }
  } catch {
    if (watches === 0) linger()
    return null
  }
}

function byNode(path: string, listener: (event: FileEvent) => void): (() => void) | null {
  try {
    const watcher = fs.watch(path, { persistent: false }, () => listener('changed'))
    watcher.on('error', () => undefined)
    return () => watcher.close()
  } catch {
    return null
  }
}

function linger(): void {
  if (lingers) return
  lingers = true
  setTimeout(() => {
    lingers = false
    if (watches === 0) close()
  }, LINGER_MS).unref()
}

function close(): void {
  inotify?.close()
  inotify = null
}

// An event that comes while Node takes its environment apart would find no JavaScript to call, and koffi aborts the process over it.
process.once('exit', close)
