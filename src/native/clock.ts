// SPDX-License-Identifier: MIT
// CLOCK_BOOTTIME: a clock that all processes of a machine share, that nobody sets, and that goes on while the machine is suspended.
import { type LibC, libc } from './libc.ts'

const CLOCK_BOOTTIME = 7

let read: (() => bigint) | null = null

/**
 * Nanoseconds since this machine was started, time in suspend included. Where the C library cannot be reached, of a monotonic clock that
 * stands still while the machine is suspended.
 */
export function bootNow(): bigint {
  read ??= clock()
  return read()
}

function clock(): () => bigint {
  let c: LibC
  try {
    c = libc()
  } catch {
    return () => process.hrtime.bigint()
  }
  // struct timespec on 64-bit Linux is two 64-bit numbers: seconds, and nanoseconds. One serves all calls.
  const memory = c.koffi.alloc('int64_t', 2)
  const words = new BigInt64Array(c.koffi.view(memory, 16))
  const address = Number(c.koffi.address(memory))
  const call = c.library.func('clock_gettime', 'int', ['int', 'intptr_t']) as (clock: number, time: number) => number
  return () => {
    call(CLOCK_BOOTTIME, address)
    return words[0]! * 1_000_000_000n + words[1]!
  }
}
