// SPDX-License-Identifier: MIT
// Clocks in nanoseconds that all processes of a machine share: CLOCK_BOOTTIME, which nobody sets and which goes on while the machine is suspended, and
// CLOCK_REALTIME, which goes on while it is off.
import { type LibC, libc } from './libc.ts'

const CLOCK_REALTIME = 0
const CLOCK_BOOTTIME = 7

let readBoot: (() => bigint) | null = null
let readWall: (() => bigint) | null = null

/**
 * Nanoseconds since this machine was started, time in suspend included. Where the C library cannot be reached, of a monotonic clock that
 * stands still while the machine is suspended.
 */
export function bootNow(): bigint {
  readBoot ??= clock(CLOCK_BOOTTIME, () => process.hrtime.bigint())
  return readBoot()
}

/** Nanoseconds since 1970 by the wall clock, which somebody may set. In milliseconds where the C library cannot be reached. */
export function wallNow(): bigint {
  readWall ??= clock(CLOCK_REALTIME, () => BigInt(Date.now()) * 1_000_000n)
  return readWall()
}

function clock(number: number, otherwise: () => bigint): () => bigint {
  let c: LibC
  try {
    c = libc()
  } catch {
    return otherwise
  }
  // struct timespec on 64-bit Linux is two 64-bit numbers: seconds, and nanoseconds. One serves all calls.
  const memory = c.koffi.alloc('int64_t', 2)
  const words = new BigInt64Array(c.koffi.view(memory, 16))
  const address = Number(c.koffi.address(memory))
  const call = c.library.func('clock_gettime', 'int', ['int', 'intptr_t']) as (clock: number, time: number) => number
  return () => {
    call(number, address)
    return words[0]! * 1_000_000_000n + words[1]!
  }
}
