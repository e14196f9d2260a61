// SPDX-License-Identifier: MIT
// The class that users hold in their hands: one file as a lock.
import { resolve } from 'node:path'
import { invalid } from '../core/errors.ts'
import type { Inspection } from '../core/inspection.ts'
import type { LockNode } from '../core/path.ts'
import '../diagnostics.ts'
import { type CloseOptions, type LockOptions, LockSpace, type TryOptions, type Work } from '../lock-space.ts'
import { libc } from '../native/libc.ts'
import { LockFileBackend } from './backend.ts'
import type { LockFileLease } from './lease.ts'

export interface LockFileOptions {
  /** Permission bits of the file if it has to be made, such as `0o666` for a lock that all users share. Default: what the umask leaves of that. */
  readonly mode?: number | undefined
  /** Write who holds the lock into the file, for people to read, if we made it. False for a file that is to become data. Default: true. */
  readonly note?: boolean | undefined
}

/** What runs under the lock. */
export type LockFileWork<Result> = (lease: LockFileLease) => Result | Promise<Result>

/**
 * One file as a lock that other programs honour: flock(1), lockmgr, py-filelock, fasteners, portalocker, HDF5's own.
 *
 * ```ts
 * const lock = new LockFile('/var/lock/nightly.lock')
 * {
 *   await using lease = await lock.write({ timeout: 5_000 })
 *   await backUp({ signal: lease.signal })
 * }
 * ```
 *
 * The file is made, empty, if there is none; it is never removed. Every method that returns a promise rejects, and never throws. Errors are LockErrors with
 * a stable code. There is nothing to close.
 */
export class LockFile implements AsyncDisposable {
  /** The file, as an absolute path. Links on the way are followed whenever it is opened. */
  readonly path: string
  private readonly space: LockSpace
  private readonly node: LockNode

  /** @throws LockError `LOCK_INVALID`; `LOCK_UNSUPPORTED` elsewhere than on Linux. The file is not looked at before a lock is asked for. */
  constructor(path: string, options: LockFileOptions = {}) {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalid('The path of a lock file is a string, and not empty.')
    if (typeof options !== 'object' || options === null) throw invalid(`The options are an object, not ${String(options)}.`)
    const { mode, note = true } = options
    if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777))
      throw invalid('mode is permission bits, such as 0o666.')
    if (typeof note !== 'boolean') throw invalid('note is true or false.')
    libc()
    this.path = resolve(path)
    this.node = { key: this.path, ancestors: [] }
    this.space = new LockSpace(new LockFileBackend(this.path, { permissions: mode, note }))
  }

  /** Shares the file with other readers, and keeps writers out. */
  read(options?: LockOptions): Promise<LockFileLease> {
    return this.space.read(this.node, options) as Promise<LockFileLease>
  }

  /** Has the file alone. */
  write(options?: LockOptions): Promise<LockFileLease> {
    return this.space.write(this.node, options) as Promise<LockFileLease>
  }

  /** As {@link read}, but null when somebody is in the way. */
  tryRead(options?: TryOptions): Promise<LockFileLease | null> {
    return this.space.tryRead(this.node, options) as Promise<LockFileLease | null>
  }

  /** As {@link write}, but null when somebody is in the way. */
  tryWrite(options?: TryOptions): Promise<LockFileLease | null> {
    return this.space.tryWrite(this.node, options) as Promise<LockFileLease | null>
  }

  /** Runs `work` under {@link read} and releases then, whatever happened; rejects with `LOCK_LOST` if the lease was lost meanwhile. */
  withRead<Result>(work: LockFileWork<Result>): Promise<Result>
  withRead<Result>(options: LockOptions, work: LockFileWork<Result>): Promise<Result>
  withRead<Result>(options: LockOptions | LockFileWork<Result>, work?: LockFileWork<Result>): Promise<Result> {
    return this.space.withRead(this.node, options as LockOptions, work as Work<Result>)
  }

  /** Runs `work` under {@link write}; as {@link withRead} otherwise. */
  withWrite<Result>(work: LockFileWork<Result>): Promise<Result>
  withWrite<Result>(options: LockOptions, work: LockFileWork<Result>): Promise<Result>
  withWrite<Result>(options: LockOptions | LockFileWork<Result>, work?: LockFileWork<Result>): Promise<Result> {
    return this.space.withWrite(this.node, options as LockOptions, work as Work<Result>)
  }

  /** Requests of this object that wait at the moment. */
  get waiting(): number {
    return this.space.waiting
  }

  /** Who holds the file, of whatever program, as far as the kernel lets us see it, and who of this thread waits. */
  inspect(): Promise<Inspection> {
    return this.space.inspect()
  }

  /** Refuses new requests and those that wait (`LOCK_CLOSED`), and waits for the leases. Only for programs that want to end in order. */
  close(options?: CloseOptions): Promise<void> {
    return this.space.close(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
