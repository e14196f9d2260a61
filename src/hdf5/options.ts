// SPDX-License-Identifier: MIT
// What may be said when a file is opened, an access is made or a dataset is created; whatever is wrong with it is found before a lock is taken.
import { LockSpace } from '../lock-space.ts'
import type { CreateDatasetOptions, Durability } from './engine/protocol.ts'
import { Hdf5Error } from './errors.ts'
import type { Index } from './values/selection.ts'
import { shown } from './where.ts'

/**
 * As h5py's: `r` reads, `r+` reads and writes, and the file must exist for both; `w` makes an empty file in place of what is there; `w-`, or
 * `x`, makes it and fails if there is one; `a` reads and writes, and makes it if there is none.
 */
export type FileMode = 'r' | 'r+' | 'w' | 'w-' | 'x' | 'a'

const MODES: readonly FileMode[] = ['r', 'r+', 'w', 'w-', 'x', 'a']

/** How long to wait for others. Nothing here ends an access that has begun. */
export interface AccessOptions {
  /** Gives up waiting after so many milliseconds, with `LOCK_TIMEOUT`. 0: does not wait. Default: as long as it takes. */
  readonly timeout?: number | undefined
  /** Gives up waiting when it aborts, with `signal.reason`. */
  readonly signal?: AbortSignal | undefined
  /** Shown to people who ask who holds what. */
  readonly name?: string | undefined
}

/** `timeout`, `signal` and `name` hold for opening and for every access; `with()` of an object gives it others. */
export interface FileOptions extends AccessOptions {
  /** The lock space. Default: the one of {@link setDefaultLocks}, else kernel files. */
  readonly locks?: LockSpace | undefined
  /** What to lock in place of the file's real path. Needed where the lock space spans hosts, whose paths may differ. */
  readonly lockPath?: string | undefined
  /** `process` (the default): a transaction survives the death of programs. `power`: of the machine, too. */
  readonly durability?: Durability | undefined
}

export function misused(message: string, file?: string): Hdf5Error {
  return new Hdf5Error('HDF5_INVALID', message, { file })
}

export function checkMode(mode: unknown): asserts mode is FileMode {
  if (!MODES.includes(mode as FileMode)) throw misused(`A mode is one of ${MODES.join(', ')}, not ${shown(mode)}.`)
}

export function checkAccessOptions(options: unknown): asserts options is AccessOptions {
  checkNames(options, ACCESS_NAMES, 'the options of an access')
  const { timeout, signal, name } = options as AccessOptions
  if (timeout !== undefined && (typeof timeout !== 'number' || !(timeout >= 0))) {
    throw misused(`timeout is a number of milliseconds, 0 or more, not ${shown(timeout)}.`)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw misused(`signal is an AbortSignal, not ${shown(signal)}.`)
  if (name !== undefined && typeof name !== 'string') throw misused(`name is a string, not ${shown(name)}.`)
}

export function checkFileOptions(options: unknown): asserts options is FileOptions {
  checkNames(options, FILE_NAMES, 'the options of a file')
  const { locks, lockPath, durability, timeout, signal, name } = options as FileOptions
  checkAccessOptions({ timeout, signal, name })
  if (locks !== undefined) checkLocks(locks)
  if (lockPath !== undefined && (typeof lockPath !== 'string' || lockPath === '')) {
    throw misused(`lockPath is a path of the lock space, not ${shown(lockPath)}.`)
  }
  if (durability !== undefined && durability !== 'process' && durability !== 'power') {
    throw misused(`durability is "process" or "power", not ${shown(durability)}.`)
  }
}

export function checkLocks(locks: unknown): asserts locks is LockSpace {
  const { read, write } = (locks ?? {}) as Partial<LockSpace>
  if (locks instanceof LockSpace || (typeof read === 'function' && typeof write === 'function')) return
  throw misused(`locks is a LockSpace, not ${shown(locks)}.`)
}

const ACCESS_NAMES: ReadonlySet<string> = new Set(['timeout', 'signal', 'name'])
const FILE_NAMES: ReadonlySet<string> = new Set([...ACCESS_NAMES, 'locks', 'lockPath', 'durability'])
const DATASET_NAMES: ReadonlySet<string> = new Set([
  'data',
  'shape',
  'dtype',
  'chunks',
  'maxShape',
  'gzip',
  'shuffle',
  'fillValue',
  'overwrite',
])

/** @param more names that are allowed beside the usual ones. */
export function checkDatasetOptions(options: unknown, more: readonly string[] = []): asserts options is CreateDatasetOptions {
  checkNames(options, more.length === 0 ? DATASET_NAMES : new Set([...DATASET_NAMES, ...more]), 'the options of a dataset')
  const { data, shape, chunks, maxShape, gzip, shuffle, overwrite } = options as CreateDatasetOptions
  if (data === undefined && shape === undefined) throw misused('A dataset needs data, or a shape.')
  if (shape !== undefined) checkShape(shape)
  if (chunks !== undefined && typeof chunks !== 'boolean' && !isListOf(chunks, (length) => isLength(length) && length > 0)) {
    throw misused(`chunks is true, false or a list of lengths above 0, not ${listed(chunks)}.`)
  }
  if (maxShape !== undefined && !isListOf(maxShape, (length) => length === null || isLength(length))) {
    throw misused(`maxShape is a list of lengths, null for no limit, not ${listed(maxShape)}.`)
  }
  if (gzip !== undefined && typeof gzip !== 'boolean' && !(isLength(gzip) && gzip <= 9)) {
    throw misused(`gzip is a level from 0 to 9, true or false, not ${shown(gzip)}.`)
  }
  for (const [name, value] of Object.entries({ shuffle, overwrite })) {
    if (value !== undefined && typeof value !== 'boolean') throw misused(`${name} is true or false, not ${shown(value)}.`)
  }
}

export function checkShape(shape: unknown): asserts shape is readonly number[] {
  if (!isListOf(shape, isLength)) throw misused(`A shape is a list of lengths, not ${listed(shape)}.`)
}

/** What can be seen without the dataset. @throws Hdf5Error `HDF5_BOUNDS` */
export function checkSelection(selection: readonly unknown[]): asserts selection is readonly Index[] {
  for (const index of selection) {
    if (index === null || typeof index === 'number' || index === '...') continue
    if (typeof index === 'object' && 'start' in index && 'stop' in index) continue
    throw new Hdf5Error('HDF5_BOUNDS', `An index is a number, a slice, null or '...', not ${shown(index)}.`)
  }
}

function checkNames(options: unknown, known: ReadonlySet<string>, what: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw misused(`${capital(what)} are an object, not ${shown(options)}.`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw misused(`"${name}" is not among ${what}: ${[...known].join(', ')}.`)
  }
}

function isLength(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isListOf(value: unknown, fits: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits)
}

function listed(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(shown).join(', ')}]` : shown(value)
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
