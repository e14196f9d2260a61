// SPDX-License-Identifier: MIT
// prctl(2) with PR_SET_PDEATHSIG: a child process ends with the thread that started it.
import { libc, systemError } from './libc.ts'

const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

/**
 * From here on the kernel kills this process when the thread that started it ends, however it does. That one may have ended before: whoever asks for this
 * makes sure afterwards.
 */
export function endWithParent(): void {
  const prctl = libc().library.func('int prctl(int option, unsigned long value)') as (option: number, value: number) => number
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) !== 0) throw systemError('prctl')
}
