// SPDX-License-Identifier: MIT
// inotify(7), with the events that fs.watch does not ask for: a file was closed, which also happens when its opener is killed.
// From its module: a test that replaces the global one, to freeze time, must not freeze events.
import { setImmediate } from 'node:timers'
import { libc, systemError } from './libc.ts'

export const IN_ATTRIB = 0x4
export const IN_CLOSE_WRITE = 0x8
export const IN_CLOSE_NOWRITE = 0x10
export const IN_MOVED_FROM = 0x40
export const IN_DELETE = 0x200
export const IN_DELETE_SELF = 0x400
export const IN_MOVE_SELF = 0x800
/** Set by the kernel: the queue overflowed, events are missing. */
export const IN_Q_OVERFLOW = 0x4000
/** Set by the kernel: the watch is gone. */
export const IN_IGNORED = 0x8000

const IN_NONBLOCK = 0o4000
const IN_CLOEXEC = 0o2000000
const BUFFER_BYTES = 16_384
const HEADER_BYTES = 16

export interface WatchEvent {
  readonly mask: number
  /** The name of the file in a watched directory; empty for the watched file itself. */
  readonly name: string
}

export type Listener = (event: WatchEvent) => void

interface Calls {
  readonly init: (flags: number) => number
  readonly add: (fd: number, path: string, mask: number) => number
  readonly remove: (fd: number, watch: number) => number
  readonly read: (fd: number, into: Buffer, length: number) => number
  readonly close: (fd: number) => number
}

let known: Calls | null = null

function calls(): Calls {
  if (known === null) {
    const { library } = libc()
    known = {
      init: library.func('int inotify_init1(int flags)') as Calls['init'],
      add: library.func('int inotify_add_watch(int fd, str path, uint32_t mask)') as Calls['add'],
      remove: library.func('int inotify_rm_watch(int fd, int wd)') as Calls['remove'],
      read: library.func('intptr_t read(int fd, void *buffer, size_t length)') as Calls['read'],
      close: library.func('int close(int fd)') as Calls['close'],
    }
  }
  return known
}

/** One inotify instance. A watch on a path is shared by its listeners, as the kernel has one for each inode. */
export class Inotify {
  private readonly fd: number
  private readonly poll: { ref(): void; unref(): void; close(): void }
  private readonly buffer: Buffer = Buffer.alloc(BUFFER_BYTES)
  private readonly listeners = new Map<number, Set<Listener>>()
  private closed = false

  /** @throws an error with `code` EMFILE when the user has no instance left. */
  constructor() {
    this.fd = calls().init(IN_NONBLOCK | IN_CLOEXEC)
    if (this.fd < 0) throw systemError('inotify_init1')
    this.poll = libc().koffi.node.poll(this.fd, { readable: true }, () => this.polled())
    this.poll.unref()
  }

  /** Keeps the process alive while somebody waits for an event. */
  ref(keep: boolean): void {
    if (keep) this.poll.ref()
    else this.poll.unref()
  }

  /** Calls `listener` for the events of `mask` at `path`, until the answer is called. All listeners of one path must ask for the same mask. */
  watch(path: string, mask: number, listener: Listener): () => void {
    const watch = calls().add(this.fd, path, mask)
    if (watch < 0) throw systemError('inotify_add_watch')
    let all = this.listeners.get(watch)
    if (all === undefined) {
      all = new Set()
      this.listeners.set(watch, all)
    }
    all.add(listener)
    return () => {
      if (!all.delete(listener) || all.size > 0 || this.closed) return
      if (this.listeners.get(watch) === all) {
        this.listeners.delete(watch)
        calls().remove(this.fd, watch)
      }
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.poll.close()
    calls().close(this.fd)
    this.listeners.clear()
  }

  private polled(): void {
    if (this.closed) return
    this.drain()
    // Promises that were settled go on only when Node itself has called something, and this was not Node: with version 26 they waited for the next timer.
    setImmediate(nothing)
  }

  private drain(): void {
    const length = calls().read(this.fd, this.buffer, BUFFER_BYTES)
    for (let at = 0; at + HEADER_BYTES <= length; ) {
      const watch = this.buffer.readInt32LE(at)
      const mask = this.buffer.readUInt32LE(at + 4)
      const nameLength = this.buffer.readUInt32LE(at + 12)
      const name = this.buffer.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + nameLength).replace(/\0+$/, '')
      at += HEADER_BYTES + nameLength
      const told = (mask & IN_Q_OVERFLOW) !== 0 ? [...this.listeners.values()] : [this.listeners.get(watch) ?? []]
      for (const some of told) for (const listener of [...some]) listener({ mask, name })
      if ((mask & IN_IGNORED) !== 0) this.listeners.delete(watch)
    }
  }
}

function nothing(): void {}
