// SPDX-License-Identifier: MIT
// What happens in each of the two terminals.
import { setTimeout as sleep } from 'node:timers/promises'
import type { LockMgr } from 'holdfast/lock-file'

/** True if the lock was had. */
export async function twoTerminals(lock: LockMgr, seconds: number, tell: (line: string) => void): Promise<boolean> {
  tell(`Asking for the lock on ${lock.lockfile}, for ${seconds} s at most`)
  if (!(await lock.acquireLock({ wait: true, timeout: seconds }))) {
    tell(`  not granted: ${lock.msg}`)
    return false
  }
  tell(`  granted. Working for ${seconds} s`)
  await sleep(seconds * 1000)
  await lock.releaseLock()
  tell('  given back')
  return true
}
