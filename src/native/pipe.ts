// SPDX-License-Identifier: MIT
// pipe2(2): a pipe that stays out of the way of children and never blocks.
import { libc, systemError } from './libc.ts'

const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

/** A new pipe. Reading an empty one or writing to a full one fails with EAGAIN; children do not inherit it. */
export function openPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends = new Int32Array(2)
  const pipe2 = libc().library.func('int pipe2(int *ends, int flags)') as (ends: Int32Array, flags: number) => number
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) !== 0) throw systemError('pipe2')
  return { readEnd: ends[0]!, writeEnd: ends[1]! }
}
