// SPDX-License-Identifier: MIT
// Three kinds of locks behind one face, straight from the C library, as a JavaScript program reaches them with koffi.
import koffi, { type TypeObject } from 'koffi'

export const F_SETLK = 6
const F_SETLKW = 7
export const F_OFD_GETLK = 36
export const F_OFD_SETLK = 37
export const F_OFD_SETLKW = 38
const LOCK_NB = 4
const EACCES = 13

/** struct flock on a 64-bit machine. koffi lays it out as a C compiler does, with gaps before l_start and at the end. */
export const FLOCK_64: TypeObject = koffi.struct('flock', {
  l_type: 'int16_t',
  l_whence: 'int16_t',
  l_start: 'int64_t',
  l_len: 'int64_t',
  l_pid: 'int32_t',
})

const library = koffi.load(null)
// fcntl takes a third argument of any type: it is said in each call, behind the two that are fixed.
const fcntl = library.func('int fcntl(int fd, int command, ...)')
const flock = library.func('int flock(int fd, int operation)')

/** What is asked for: F_RDLCK, F_WRLCK, F_UNLCK and LOCK_SH, LOCK_EX, LOCK_UN. */
const TYPES = { read: [0, 1], write: [1, 2], unlock: [2, 8] } as const
export type LockType = keyof typeof TYPES

/** `granted`, `refused`, or the name of the error. */
export type Outcome = string

function outcome(result: number): Outcome {
  if (result === 0) return 'granted'
  const code = koffi.errno()
  const names = koffi.os.errno
  if (code === names.EAGAIN || code === EACCES) return 'refused'
  return Object.keys(names).find((name) => names[name] === code) ?? `errno ${code}`
}

/** fcntl(2) on `length` bytes from `start`, 0 for all from there. `type` may be another layout of the struct, to see what comes of it. */
export function askFcntl(
  fd: number,
  command: number,
  asked: LockType,
  { start = 0, length = 0, pid = 0, type = FLOCK_64 }: { start?: number; length?: number; pid?: number; type?: TypeObject } = {},
): Outcome {
  const lock = { l_type: TYPES[asked][0], l_whence: 0, l_start: start, l_len: length, l_pid: pid }
  return outcome(fcntl(fd, command, koffi.pointer(type), lock))
}

export interface Kind {
  readonly name: string
  /** On a whole file. With `wait` this whole thread stands still, timers, promises, signal handlers and all, until the kernel grants it. */
  readonly ask: (fd: number, asked: LockType, wait?: boolean) => Outcome
  /** With the number of this process in l_pid; null where there is no such thing. */
  readonly askWithPid: ((fd: number) => Outcome) | null
}

export type KindName = 'posix' | 'ofd' | 'flock'

export const KINDS: Readonly<Record<KindName, Kind>> = {
  posix: {
    name: 'F_SETLK',
    ask: (fd, asked, wait = false) => askFcntl(fd, wait ? F_SETLKW : F_SETLK, asked),
    askWithPid: (fd) => askFcntl(fd, F_SETLK, 'write', { pid: process.pid }),
  },
  ofd: {
    name: 'F_OFD_SETLK',
    ask: (fd, asked, wait = false) => askFcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, asked),
    askWithPid: (fd) => askFcntl(fd, F_OFD_SETLK, 'write', { pid: process.pid }),
  },
  flock: {
    name: 'flock',
    ask: (fd, asked, wait = false) => outcome(flock(fd, TYPES[asked][1] | (wait ? 0 : LOCK_NB))),
    askWithPid: null,
  },
}
