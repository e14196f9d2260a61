// SPDX-License-Identifier: MIT
// Byte-range locks that belong to an open file description (fcntl(2), F_OFD_SETLK): two descriptors of one process exclude each other like
// those of two processes, a lock goes when the last copy of its descriptor is closed, and closing another descriptor of the file does no harm.
import { errno, libc, systemError } from './libc.ts'

export const SHARED = 0
export const EXCLUSIVE = 1
const UNLOCK = 2
export type LockType = typeof SHARED | typeof EXCLUSIVE

const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_OFD_SETLKW = 38
const EINTR = 4
const EACCES = 13
const EAGAIN = 11

/** A lock of somebody else that stands in the way. */
export interface Blocker {
  readonly type: LockType
  readonly start: number
  /** 0: to the end of the file, wherever that may come to be. */
  readonly length: number
  /** Of the process that holds a traditional lock (F_SETLK); -1 for a lock that belongs to an open file, as ours do. */
  readonly pid: number
}

/**
 * struct flock on 64-bit Linux is 32 bytes: l_type (16 bits) at 0, l_whence (16) at 2, l_start (64) at 8, l_len (64) at 16, l_pid (32) at 24.
 * One such struct serves all calls, since none of them is asynchronous.
 */
class RangeLocks {
  private readonly call: (fd: number, command: number, lock: number) => number
  private readonly address: number
  private readonly words: Int32Array

  constructor() {
    const { koffi, library } = libc()
    const memory = koffi.alloc('int64_t', 4)
    this.call = library.func('fcntl', 'int', ['int', 'int', 'intptr_t']) as (fd: number, command: number, lock: number) => number
    this.address = Number(koffi.address(memory))
    this.words = new Int32Array(koffi.view(memory, 32))
  }

  set(fd: number, type: LockType | typeof UNLOCK, start: number, length: number, command: number = F_OFD_SETLK): number {
    this.fill(type, start, length)
    return this.call(fd, command, this.address)
  }

  get(fd: number, type: LockType, start: number, length: number): Blocker | null {
    this.fill(type, start, length)
    if (this.call(fd, F_OFD_GETLK, this.address) !== 0) throw systemError('fcntl')
    const found = this.words[0]! & 0xffff
    if (found === UNLOCK) return null
    return { type: found as LockType, start: this.long(2), length: this.long(4), pid: this.words[6]! }
  }

  private fill(type: number, start: number, length: number): void {
    const { words } = this
    words[0] = type // l_whence, the upper half, is SEEK_SET = 0
    words[2] = (start % 2 ** 32) | 0
    words[3] = Math.trunc(start / 2 ** 32)
    words[4] = length
    words[5] = 0
    words[6] = 0
  }

  private long(index: number): number {
    return (this.words[index]! >>> 0) + this.words[index + 1]! * 2 ** 32
  }
}

let calls: RangeLocks | null = null

function ranges(): RangeLocks {
  calls ??= new RangeLocks()
  return calls
}

/**
 * Takes, or converts in one step, a lock on `length` bytes (below 2^31) from `start`; 0 bytes are all, to the end of the file and beyond. False when
 * somebody else's lock is in the way.
 */
export function lockRange(fd: number, type: LockType, start: number, length: number): boolean {
  if (ranges().set(fd, type, start, length) === 0) return true
  const code = errno()
  if (code === EAGAIN || code === EACCES) return false
  throw systemError('fcntl', code)
}

/** As {@link lockRange}, but the thread stands still until nobody is in the way: for a process that has nothing else to do. */
export function awaitRange(fd: number, type: LockType, start: number, length: number): void {
  while (ranges().set(fd, type, start, length, F_OFD_SETLKW) !== 0) {
    const code = errno()
    if (code !== EINTR) throw systemError('fcntl', code)
  }
}

/** Gives up whatever this descriptor holds in the range. */
export function unlockRange(fd: number, start: number, length: number): void {
  if (ranges().set(fd, UNLOCK, start, length) !== 0) throw systemError('fcntl')
}

/** A lock of somebody else that would keep this one from being taken, or null. Takes nothing. */
export function blockerOf(fd: number, type: LockType, start: number, length: number): Blocker | null {
  return ranges().get(fd, type, start, length)
}
