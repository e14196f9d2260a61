// SPDX-License-Identifier: MIT
// CLOCK_BOOTTIME: a clock that all processes of a machine share, that nobody sets, and that goes on while the machine is suspended.
import { libc, systemError } from './libc.ts'

const CLOCK_BOOTTIME = 7

/** struct timespec on 64-bit Linux is two 64-bit numbers: seconds, and nanoseconds. One serves all calls. */
class BootClock {
  private readonly call: (clock: number, time: number) => number
  private readonly address: number
  private readonly words: BigInt64Array

  constructor() {
    const { koffi, library } = libc()
    const memory = koffi.alloc('int64_t', 2)
    this.call = library.func('clock_gettime', 'int', ['int', 'intptr_t']) as (clock: number, time: number) => number
    this.address = Number(koffi.address(memory))
    this.words = new BigInt64Array(koffi.view(memory, 16))
  }

  now(): bigint {
    if (this.call(CLOCK_BOOTTIME, this.address) !== 0) throw systemError('clock_gettime')
    return this.words[0]! * 1_000_000_000n + this.words[1]!
  }
}

let clock: BootClock | null = null

/** Nanoseconds since this machine was started, time in suspend included. */
export function bootTime(): bigint {
  clock ??= new BootClock()
  return clock.now()
}
