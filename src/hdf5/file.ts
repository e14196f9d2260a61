// SPDX-License-Identifier: MIT
// An HDF5 file that any process can read in parallel and write alone. It is opened and closed on each access, under a lock.
import { existsSync } from 'node:fs'
import { LockError } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import { letTravel } from '../travelling.ts'
import { FileAccess, Home } from './access/access.ts'
import { ask, askForFile } from './access/engine-client.ts'
import { enter, leave, mirrored, type Visitor } from './access/entry.ts'
import { FileLock, type Granted, heldAround, type Mode, runHolding } from './access/locking.ts'
import { Patience } from './access/patience.ts'
import { nextRequest } from './access/pool.ts'
import { absolutePath, checkWritable, futurePathOf, realPathOf } from './access/real-path.ts'
import { inSession } from './access/session.ts'
import { Hdf5Error, isHdf5Error } from './errors.ts'
import { Group } from './group.ts'
import { type AccessOptions, checkAccessOptions, checkFileOptions, checkMode, type FileMode, type FileOptions, misused } from './options.ts'
import { shown } from './where.ts'

/** What runs in {@link File.read} or {@link File.write}: the root group of the open file, and the lease. */
export type SessionWork<Result> = (root: Group, lease: Lease) => Result | Promise<Result>

/**
 * An HDF5 file, which is its root group.
 *
 * ```ts
 * const file = await File.open('study.h5', 'a')
 * const trace = await file.requireDataset('run-7/trace', { shape: [8000, 1500], dtype: 'float32' })
 * const { data, shape, stride } = await trace.read(slice(0, 50))
 * await file.write(async (tx) => { … })   // all of it or nothing
 * ```
 *
 * Every access takes the lock, opens the file, closes it and lets go: readers in parallel, a writer alone, in any process.
 */
export class File extends Group implements AsyncDisposable {
  /** The path it was opened with, made absolute. */
  readonly path: string
  readonly mode: FileMode
  private readonly home: Home

  /**
   * Opens a file. Mode `w` makes an empty file in place of what is there at once: under the write lock, so that nobody loses it in the middle of
   * his work, and in one step.
   *
   * @param mode default `r`
   * @throws Hdf5Error `HDF5_INVALID`, `HDF5_NO_FILE`, `HDF5_FILE_EXISTS`, `HDF5_NOT_HDF5`, `HDF5_DENIED`; LockError as the lock space says
   */
  static async open(path: string | URL, mode: FileMode = 'r', options: FileOptions = {}): Promise<File> {
    const place = absolutePath(path)
    checkMode(mode)
    checkFileOptions(options)
    const { locks, lockPath, durability = 'process', timeout, signal, name } = options
    const home = new Home(new FileLock(place, locks, lockPath), mode !== 'r', durability, { timeout, signal, name })
    if (mode === 'w') await create(home, true)
    else if (mode === 'w-' || mode === 'x') await createNew(home)
    else if (mode === 'a' && !existsSync(place)) await create(home, false).catch(ignoreExisting)
    if (mode === 'r' || mode === 'r+' || mode === 'a') await look(home)
    return new File(home, mode)
  }

  static {
    // On another rank it is opened anew: the same file, in a mode that makes nothing, under that rank's usual locks.
    letTravel<File>({
      kind: 'holdfast/hdf5 File',
      is: (value) => value instanceof File,
      pack: ({ path, mode, home: { lock, durability } }) => {
        if (!lock.usual) {
          throw misused(
            `${path} was opened with \`locks\` of its own, which no other rank has. Call setDefaultLocks on every rank, or open it there.`,
            path,
          )
        }
        return { path, mode: mode === 'r' ? 'r' : 'r+', options: { durability, lockPath: lock.lockPath } }
      },
      make: (words) => {
        const { path, mode, options } = words as { path: string; mode: FileMode; options: FileOptions }
        return File.open(path, mode, options)
      },
    })
  }

  private constructor(home: Home, mode: FileMode) {
    super(new FileAccess(home, home.options), '/')
    this.path = home.path
    this.mode = mode
    this.home = home
    home.file = this
  }

  override get file(): File {
    return this
  }

  /**
   * Several reads of one state of the file, under one lock. What is got from `view` is good until `work` ends.
   *
   * @throws what `work` throws; LockError `LOCK_LOST` if the lock was lost meanwhile
   */
  read<Result>(work: SessionWork<Result>, options?: AccessOptions): Promise<Result> {
    return this.session('read', work, options)
  }

  /**
   * A transaction: what `work` writes becomes the file's when it ends, all of it. When it throws, or this process dies, the file is as before. What is
   * got from `tx` is good until `work` ends.
   *
   * @throws what `work` throws; LockError `LOCK_LOST` if the lock was lost meanwhile; Hdf5Error
   */
  write<Result>(work: SessionWork<Result>, options?: AccessOptions): Promise<Result> {
    return this.session('write', work, options)
  }

  /** No more accesses: they reject with `HDF5_CLOSED`. Waits for those under way. The file on disk is closed in any case. */
  async close(): Promise<void> {
    if (heldAround().some(({ lock }) => lock === this.home.lock)) {
      throw new LockError('LOCK_REENTRANT', `${this.path} is closed inside a session of its own, and would wait for it to end.`)
    }
    await this.home.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async session<Result>(mode: Mode, work: SessionWork<Result>, options: AccessOptions = {}): Promise<Result> {
    if (typeof work !== 'function') throw misused(`What runs in a session is a function, not ${shown(work)}.`)
    checkAccessOptions(options)
    const { home } = this
    return await inSession({ home, mode, options: { ...home.options, ...options } }, async (session, { lease, file }) => {
      const held = { lock: home.lock, key: home.lock.keyOf(file), over: false }
      try {
        return await runHolding(held, async () => await work(new Group(session, '/'), lease))
      } finally {
        held.over = true
      }
    })
  }
}

/** A file that is not one, or cannot be had, is found out at once, not at the first access. */
async function look({ lock, durability, writable, options }: Home): Promise<void> {
  if (writable) checkWritable(realPathOf(lock.path))
  const knock = ({ file }: Granted) =>
    ask(
      { id: nextRequest(), session: nextRequest(), open: { file, mode: 'read', durability, lease: null }, operations: [], close: 'commit' },
      file,
    )
  const { granted } = await enter({ lock, mode: 'read', durability, knock }, new Patience(options))
  await leave(granted.lease)
}

async function create({ lock, durability, options }: Home, replace: boolean): Promise<void> {
  const visitor: Visitor = {
    lock,
    mode: 'write',
    durability,
    knock: ({ file, lease }) => askForFile({ do: 'create', file, replace, durability, lease: mirrored(lease) }),
    locate: futurePathOf,
  }
  const { granted } = await enter(visitor, new Patience(options))
  await leave(granted.lease)
}

async function createNew(home: Home): Promise<void> {
  const { path: file } = home
  if (existsSync(file)) throw new Hdf5Error('HDF5_FILE_EXISTS', `${file} exists, and mode "w-" makes a new file.`, { file })
  await create(home, false)
}

/** Somebody was quicker. */
function ignoreExisting(error: unknown): void {
  if (!isHdf5Error(error, 'HDF5_FILE_EXISTS')) throw error
}
