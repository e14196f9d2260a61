// SPDX-License-Identifier: MIT
// lockmgr's face: one lock file, taken and given back by name. Its time-outs are in seconds, as there.
import { invalid, isLockError } from '../core/errors.ts'
import { LockFile, type LockFileLease } from '../lock-file/index.ts'

export interface AcquireLockOptions {
  /** Wait until the lock is free. Otherwise one try is all. Default: false. */
  readonly wait?: boolean | undefined
  /** Seconds to wait, all in all. Default: 30. */
  readonly timeout?: number | undefined
}

/**
 * ```ts
 * const lock = new LockMgr('/tmp/lockdir/foo.lock')
 * if (await lock.acquireLock({ wait: true, timeout: 30 })) {
 *   // …
 *   await lock.releaseLock()
 * }
 * ```
 *
 * It excludes, and is excluded by, whoever locks that file: see {@link LockFile}. What goes wrong is false, and `msg` says what it was.
 */
export class LockMgr {
  readonly lockfile: string
  /** What came of the last call, for people. */
  msg = ''
  private readonly file: LockFile
  private lease: LockFileLease | null = null
  /** Calls take their turns, so that two of them at once are not two holders. */
  private last: Promise<unknown> = Promise.resolve()

  /** @throws LockError `LOCK_INVALID` for what is no path; `LOCK_UNSUPPORTED` elsewhere than on Linux. */
  constructor(lockfile: string) {
    this.file = new LockFile(lockfile)
    this.lockfile = lockfile
  }

  /** True while the lock is held: until it is given back, or somebody removes or replaces the file. */
  get acquired(): boolean {
    return this.lease?.valid === true
  }

  /**
   * True when the lock is held afterwards, also when it was held before. Rejects only for options that mean nothing.
   *
   * @throws LockError `LOCK_INVALID`
   */
  async acquireLock({ wait = false, timeout = 30 }: AcquireLockOptions = {}): Promise<boolean> {
    if (typeof wait !== 'boolean') throw invalid('wait is true or false.')
    if (typeof timeout !== 'number' || Number.isNaN(timeout) || timeout < 0) {
      throw invalid(`timeout is a number of seconds, 0 or more, not ${String(timeout)}.`)
    }
    return await this.inTurn(async () => {
      if (this.acquired) return this.say(true, 'The lock is held already.')
      // It was lost, and may not know that yet.
      await this.lease?.release()
      this.lease = null
      try {
        this.lease = await this.file.write({ timeout: wait ? timeout * 1000 : 0 })
        return this.say(true, 'The lock is held.')
      } catch (error) {
        if (!isLockError(error)) throw error
        return this.say(false, error.message)
      }
    })
  }

  /** True when the lock was held, and is given back. */
  async releaseLock(): Promise<boolean> {
    return await this.inTurn(async () => {
      const { lease, acquired } = this
      this.lease = null
      await lease?.release()
      if (acquired) return this.say(true, 'The lock was given back.')
      return this.say(
        false,
        lease === null ? 'There is no lock to give back.' : 'The lock had been lost: its file was removed or replaced.',
      )
    })
  }

  private say(result: boolean, what: string): boolean {
    this.msg = what
    return result
  }

  private inTurn(step: () => Promise<boolean>): Promise<boolean> {
    const result = this.last.then(step, step)
    this.last = result
    return result
  }
}
