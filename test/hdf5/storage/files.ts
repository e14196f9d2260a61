// SPDX-License-Identifier: MIT
// What the tests of the storage have in common: files, and short ways to open them.
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isHdf5Error } from '../../../src/hdf5/errors.ts'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { SIGNATURE } from '../../../src/hdf5/storage/signature.ts'
import { StoredFile, type StoredFileRequest } from '../../../src/hdf5/storage/stored-file.ts'
import { isLockError } from '../../../src/index.ts'
import { generator } from '../../support/random.ts'
import { content } from './transactions.ts'

export const FOR_EVER: bigint = 2n ** 63n - 1n

/** A cell as a lease mirrors itself in. */
export function leaseUntil(moment: bigint): { readonly lease: SharedArrayBuffer; set(moment: bigint): void } {
  const lease = new SharedArrayBuffer(8)
  const cell = new BigInt64Array(lease)
  const set = (value: bigint): void => void Atomics.store(cell, 0, value)
  set(moment)
  return { lease, set }
}

/** A file of 20,000 bytes, as it is before anything is done to it. */
export function makeFile(folder: string, name: string = 'data.h5', at: number = 0): { path: string; before: Buffer } {
  const path = join(folder, name)
  const before = content(generator(7), 20_000, at)
  writeFileSync(path, before)
  return { path, before }
}

export function tryOpen(path: string, options: Partial<StoredFileRequest> = {}): StoredFile | 'busy' | 'torn' {
  return StoredFile.open({ path, mode: 'write', durability: 'process', lease: null, ...options })
}

/** Opens, or fails the test. */
export function open(path: string, options: Partial<StoredFileRequest> = {}): StoredFile {
  const stored = tryOpen(path, options)
  if (typeof stored === 'string') throw new Error(`${path} is ${stored}.`)
  return stored
}

/** Leaves a file as a writer does that dies in the middle: some pages written, its end cut off. */
export function tear(path: string): void {
  const stored = open(path)
  stored.write(Buffer.alloc(5000, 'torn'), 3000)
  stored.write(Buffer.alloc(100, 'torn'), 12_000)
  stored.truncate(15_000)
  stored.close()
}

export function hasJournal(path: string): boolean {
  return existsSync(journalPath(path))
}

/** True when an HDF5 library would take the file for whole. */
export function isWhole(path: string, at: number = 0): boolean {
  return readFileSync(path)
    .subarray(at, at + 8)
    .equals(SIGNATURE)
}

/** Overwrites bytes in place: the file stays the same file. */
export function overwrite(path: string, position: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, position)
  closeSync(fd)
}

export interface Failure {
  readonly code: string
  readonly message: string
}

/** How something fails: the code of our errors, or of a system error. */
export function failureOf(work: () => unknown): Failure {
  try {
    work()
  } catch (error) {
    if (isHdf5Error(error) || isLockError(error)) return error
    const { code } = error as NodeJS.ErrnoException
    if (code !== undefined) return { code, message: String(error) }
    throw error
  }
  throw new Error('It did not fail.')
}

/** Does something as a user who may read the file and no more. */
export function asStranger<Result>(work: () => Result): Result {
  if (process.geteuid?.() !== 0) return work()
  process.seteuid?.(65_534)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}
