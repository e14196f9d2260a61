// SPDX-License-Identifier: MIT
// Returns when a path is free: takes the lock, and gives it back at once.
import { connect } from '../config/url.ts'
import { WaitingNotice } from './waiting-notice.ts'

export interface WaitOptions {
  readonly on?: string
  readonly mode: 'read' | 'write'
  /** In milliseconds. */
  readonly timeout?: number
}

/** @returns the exit code. */
export async function wait(path: string, { on, mode, timeout }: WaitOptions): Promise<number> {
  const locks = await connect(on)
  const wanted = { read: mode === 'read' ? [path] : [], write: mode === 'write' ? [path] : [] }
  const notice = new WaitingNotice(locks, wanted)
  try {
    const lease = await locks.lock(wanted, { timeout })
    await lease.release()
  } finally {
    notice.end()
  }
  await locks.close()
  return 0
}
