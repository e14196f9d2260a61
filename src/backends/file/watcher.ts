// SPDX-License-Identifier: MIT
// How this thread hears of files. In the main thread by inotify of our own, which tells also that a file was closed, as it is when a process
// dies. In a worker thread by fs.watch, which does not: a poll through koffi would take the whole process down if the thread were terminated
// while an event is pending. And where the user has no inotify instance left, not at all.
import * as fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { IN_ATTRIB, IN_CLOSE_WRITE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_MOVED_FROM, Inotify } from '../../native/inotify.ts'

/** What happened to a lock file: somebody rang, or something else that is worth another look. */
export type FileEvent = 'bell' | 'closed'

export interface Watcher {
  /** True if it hears of the death of a process that had the file open. */
  readonly hearsDeath: boolean
  /** Keeps the process alive while somebody waits for an event, or does not. */
  ref(keep: boolean): void
  /** Until the answer is called. Throws when the file cannot be watched. */
  watchFile(path: string, listener: (event: FileEvent) => void): () => void
  /** Names of entries that went, and the empty name for the folder itself. */
  watchFolder(path: string, listener: (name: string) => void): () => void
  close(): void
}

const FILE_EVENTS = IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF
const FOLDER_EVENTS = IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF

class InotifyWatcher implements Watcher {
  readonly hearsDeath = true
  private readonly inotify: Inotify = new Inotify()

  ref(keep: boolean): void {
    this.inotify.ref(keep)
  }

  watchFile(path: string, listener: (event: FileEvent) => void): () => void {
    return this.inotify.watch(path, FILE_EVENTS, ({ mask }) => listener((mask & IN_ATTRIB) !== 0 ? 'bell' : 'closed'))
  }

  watchFolder(path: string, listener: (name: string) => void): () => void {
    return this.inotify.watch(path, FOLDER_EVENTS, ({ name }) => listener(name))
  }

  close(): void {
    this.inotify.close()
  }
}

class NodeWatcher implements Watcher {
  readonly hearsDeath = false
  private readonly open = new Set<fs.FSWatcher>()
  private keep = false

  ref(keep: boolean): void {
    this.keep = keep
    for (const watcher of this.open) this.apply(watcher)
  }

  watchFile(path: string, listener: (event: FileEvent) => void): () => void {
    return this.watch(path, (type) => listener(type === 'change' ? 'bell' : 'closed'))
  }

  watchFolder(path: string, listener: (name: string) => void): () => void {
    return this.watch(path, (type, name) => {
      if (type === 'rename') listener(name ?? '')
    })
  }

  close(): void {
    for (const watcher of this.open) watcher.close()
    this.open.clear()
  }

  private watch(path: string, listener: (type: string, name: string | null) => void): () => void {
    const watcher = fs.watch(path, listener)
    watcher.on('error', () => undefined)
    this.open.add(watcher)
    this.apply(watcher)
    return () => {
      this.open.delete(watcher)
      watcher.close()
    }
  }

  private apply(watcher: fs.FSWatcher): void {
    if (this.keep) watcher.ref()
    else watcher.unref()
  }
}

let shared: Watcher | null = null
let users = 0

/** The one watcher of this thread, or null when the user has no inotify instance left. Give it back with {@link releaseWatcher}. */
export function acquireWatcher(): Watcher | null {
  try {
    shared ??= isMainThread ? new InotifyWatcher() : new NodeWatcher()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EMFILE' && code !== 'ENFILE') throw error
    return null
  }
  users++
  return shared
}

export function releaseWatcher(watcher: Watcher | null): void {
  if (watcher === null || --users > 0) return
  shared?.close()
  shared = null
}

// An event that comes while Node takes its environment apart would find no JavaScript to call, and koffi aborts the process over it.
process.once('exit', () => shared?.close())
