// SPDX-License-Identifier: MIT
// Which lock stands for a file: its real path (or the path given for it) in a lock space. Without one of the user's, kernel files of our own.
import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import { LockDirectory } from '../../backends/file/directory.ts'
import { fileBackend } from '../../backends/file/index.ts'
import { LockError } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { LockSpace } from '../../lock-space.ts'
import { checkLocks, misused } from '../options.ts'
import type { Patience } from './patience.ts'
import { realPathOf } from './real-path.ts'

export type Mode = 'read' | 'write'

/** A lock that was granted, and the real path of the file that it stands for. */
export interface Granted {
  readonly lease: Lease
  readonly file: string
}

let chosen: LockSpace | null = null
let ours: LockSpace | null = null

/**
 * The lock space of all files that are opened from now on without `locks` of their own; null for the usual one: kernel files, in a folder of
 * their own in the user's default lock directory, with waiting writers first. The space stays the caller's to close.
 *
 * @throws Hdf5Error `HDF5_INVALID`
 */
export function setDefaultLocks(locks: LockSpace | null): void {
  if (locks !== null) checkLocks(locks)
  chosen = locks
}

/** Made when it is first needed, and shared by all files of the process. */
function defaultLocks(): LockSpace {
  if (chosen !== null) return chosen
  if (ours === null) {
    // Looked at for what is below it: in a place where everybody may make folders, it must be this user's.
    const { path } = new LockDirectory(undefined)
    ours = new LockSpace(fileBackend({ directory: join(path, 'hdf5'), prefer: 'writers' }))
  }
  return ours
}

/** A session that the present task runs in. */
export interface Held {
  readonly lock: FileLock
  readonly key: string
  over: boolean
}

/** The sessions around the present task. Made with the first session: the programs that have none pay nothing for it. */
let around: AsyncLocalStorage<readonly Held[]> | null = null

/** Runs `work` so that a request in it for what `held` stands for is refused, in place of waiting for itself. */
export function runHolding<Result>(held: Held, work: () => Result): Result {
  around ??= new AsyncLocalStorage()
  return around.run([...heldAround(), held], work)
}

/** The sessions around the present task that are not over. */
export function heldAround(): readonly Held[] {
  return around?.getStore()?.filter((one) => !one.over) ?? []
}

/** The lock of one file. */
export class FileLock {
  /** The path of the file, absolute, links not followed. */
  readonly path: string
  readonly space: LockSpace
  readonly lockPath: string | undefined
  /** Whether it lies in the usual lock space, and not in one that was handed in. */
  readonly usual: boolean

  /** @throws Hdf5Error `HDF5_INVALID` where the space spans hosts and no `lockPath` is given. */
  constructor(path: string, locks: LockSpace | undefined, lockPath: string | undefined) {
    this.path = path
    this.space = locks ?? defaultLocks()
    this.usual = locks === undefined
    this.lockPath = lockPath
    if (this.space.backend.supports.scope === 'network' && lockPath === undefined) {
      throw misused(
        `The lock space of ${path} spans hosts, where one file may have several paths. Say with lockPath what to lock for it, the same on every host.`,
        path,
      )
    }
  }

  /** The path that is locked for the file at this real path. */
  keyOf(file: string): string {
    return this.lockPath ?? file
  }

  /**
   * The lock if it is free and the engine can say so at once; null if it has to be waited for.
   *
   * @throws Hdf5Error `HDF5_NO_FILE`, `HDF5_DENIED`; LockError as the lock space says
   */
  tryTake(mode: Mode, name: string | undefined): Granted | null {
    const file = realPathOf(this.path)
    const key = this.keyOf(file)
    if (around !== null) refuseToWaitForSelf(this, key, mode)
    const { space } = this
    if (!space.backend.supports.immediate) return null
    const options = name === undefined ? undefined : { name }
    const lease = mode === 'read' ? space.tryReadSync(key, options) : space.tryWriteSync(key, options)
    return lease === null ? null : { lease, file }
  }

  /**
   * Waits for the lock.
   *
   * @param locate where the file lies, asked again when the lock is there, as it may have been moved meanwhile.
   */
  async take(mode: Mode, patience: Patience, locate: (path: string) => string = realPathOf): Promise<Granted> {
    for (;;) {
      const file = locate(this.path)
      const key = this.keyOf(file)
      if (around !== null) refuseToWaitForSelf(this, key, mode)
      const lease = await this.space[mode](key, patience.forLock())
      try {
        if (locate(this.path) === file) return { lease, file }
      } catch (error) {
        await lease.release()
        throw error
      }
      await lease.release()
    }
  }
}

/** Two locks of which one would wait for the other, as their paths are the same or one lies below the other. Readers do, behind a writer. */
function refuseToWaitForSelf(lock: FileLock, key: string, mode: Mode): void {
  const own = heldAround().find((held) => held.lock.space === lock.space && (covers(held.key, key) || covers(key, held.key)))
  if (own === undefined) return
  const what = mode === 'read' ? 'reads' : 'writes'
  throw new LockError(
    'LOCK_REENTRANT',
    `This task would wait for itself: it ${what} ${lock.path} inside a session of the same file, or of one with the same lock. ` +
      'Inside file.read and file.write, use the view or the transaction that is handed to the function.',
  )
}

function covers(above: string, below: string): boolean {
  return above === below || above === '/' || below.startsWith(`${above}/`)
}
