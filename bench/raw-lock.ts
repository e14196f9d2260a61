// SPDX-License-Identifier: MIT
// The floor for kernel locks: what four system calls cost from JavaScript, and nothing else.
import { constants } from 'node:fs'
import koffi from 'koffi'
import type { Case } from './harness.ts'

const F_OFD_SETLK = 37
const F_WRLCK = 1
const F_UNLCK = 2
/** `fs` does not export it. */
const O_CLOEXEC = 0o2000000
const FILE_MODE = 0o666

/** Opens the file, takes a lock of its open file description on one byte range, gives it back, and closes. */
export function rawLock(file: string): Case {
  const library = koffi.load(null)
  const open = library.func('int open(const char *path, int flags, unsigned int mode)') as (
    path: string,
    flags: number,
    mode: number,
  ) => number
  const fcntl = library.func('int fcntl(int fd, int command, void *lock)') as (fd: number, command: number, lock: Buffer) => number
  const close = library.func('int close(int fd)') as (fd: number) => number
  const flags = constants.O_RDWR | constants.O_CREAT | O_CLOEXEC
  const lock = flock(F_WRLCK)
  const unlock = flock(F_UNLCK)
  return {
    name: 'raw',
    run(times) {
      let failures = 0
      for (let i = 0; i < times; i++) {
        const fd = open(file, flags, FILE_MODE)
        failures |= fd | fcntl(fd, F_OFD_SETLK, lock) | fcntl(fd, F_OFD_SETLK, unlock) | close(fd)
      }
      if (failures < 0) throw new Error(`A system call on ${file} failed: errno ${koffi.errno()}.`)
    },
  }
}

/** struct flock on 64-bit Linux: l_type (16 bits) at 0, l_whence (16) at 2, l_start (64) at 8, l_len (64) at 16, l_pid (32) at 24. */
function flock(type: number): Buffer {
  const buffer = Buffer.alloc(32)
  buffer.writeInt16LE(type, 0)
  buffer.writeBigInt64LE(100n, 8)
  buffer.writeBigInt64LE(50n, 16)
  return buffer
}
