// SPDX-License-Identifier: MIT
// sched_yield(2): for loops that wait for another process, which may need this processor.
import { libc } from './libc.ts'

/** Makes the call: other processes that are ready to run come first. */
export function processorYielder(): () => void {
  return libc().library.func('sched_yield', 'int', []) as () => void
}
