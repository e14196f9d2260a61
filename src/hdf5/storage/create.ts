// SPDX-License-Identifier: MIT
// A new HDF5 file, which gets its name when it is complete: nobody meets half of it, also after a crash.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { renameIfFree } from '../../native/rename.ts'
import type { Durability } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import { giveTo, syncFolderOf, writeAt } from './disk.ts'
import { asHdf5Error, codeOf } from './failures.ts'
import { journalPath } from './journal.ts'
import { readHeader } from './journal-format.ts'
import { readBeginning } from './journal-reader.ts'
import { LeaseGuard } from './lease-guard.ts'
import { type LockedFile, openLocked, refuseHardLinks } from './open-locked.ts'

/** A name that is free and taken by turns, so often in a row, is busy. */
const ATTEMPTS = 10

export interface CreateRequest {
  /** The real path of the file that there is, or of the one to come. */
  readonly path: string
  /** Put it in place of a file that is there, whatever that is; else such a file is an error. */
  readonly replace: boolean
  readonly durability: Durability
  readonly lease: SharedArrayBuffer | null
}

/**
 * Makes a file with this content. One that it replaces is locked meanwhile, and leaves its permissions and, where possible, its owner to the new
 * one. `busy`: somebody has it open; nothing was done.
 *
 * @throws Hdf5Error `HDF5_FILE_EXISTS`, `HDF5_NO_FILE` (no folder), `HDF5_NOT_HDF5` (not a regular file), `HDF5_HARD_LINKED`, `HDF5_DENIED`,
 * `HDF5_FULL`; LockError `LOCK_LOST`
 */
export function createFile(request: CreateRequest, empty: Uint8Array): 'done' | 'busy' {
  const { path, replace, lease } = request
  const guard = new LeaseGuard(lease, path)
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      guard.check()
      if (!fs.existsSync(path)) {
        if (makeNew(request, empty, guard)) return 'done'
      } else if (replace) {
        const outcome = replaceOld(request, empty, guard)
        if (outcome !== 'gone') return outcome
      }
      if (!replace) throw new Hdf5Error('HDF5_FILE_EXISTS', `${path} exists already.`, { file: path })
    }
    return 'busy'
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asHdf5Error(error, path, 'made')
    throw new Hdf5Error('HDF5_NO_FILE', `${path} cannot be made: there is no such folder.`, { cause: error, file: path })
  }
}

/** False when the name was taken meanwhile. */
function makeNew({ path, durability }: CreateRequest, empty: Uint8Array, guard: LeaseGuard): boolean {
  const temporary = write(path, empty, null, durability)
  try {
    guard.check()
    let outcome = renameIfFree(temporary, path)
    if (outcome === 'unsupported') outcome = linkIfFree(temporary, path)
    if (outcome === 'exists') return false
    if (durability === 'power') syncFolderOf(path)
    return true
  } finally {
    fs.rmSync(temporary, { force: true })
  }
}

/** On file systems that cannot rename so. A crash between the two steps leaves the file with two names. */
function linkIfFree(temporary: string, path: string): 'done' | 'exists' {
  try {
    fs.linkSync(temporary, path)
    fs.unlinkSync(temporary)
    return 'done'
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'exists'
    throw error
  }
}

function replaceOld({ path, durability }: CreateRequest, empty: Uint8Array, guard: LeaseGuard): 'done' | 'busy' | 'gone' {
  let old: LockedFile | 'busy'
  try {
    old = openLocked(path, 'write', 'exclusive')
  } catch (error) {
    if (codeOf(error) === 'HDF5_NO_FILE') return 'gone'
    throw error
  }
  if (old === 'busy') return 'busy'
  try {
    refuseHardLinks(old)
    const journal = ownJournal(old)
    const temporary = write(path, empty, old, durability)
    try {
      guard.check()
      fs.renameSync(temporary, path)
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
    if (durability === 'power') syncFolderOf(path)
    if (journal !== null) fs.rmSync(journal, { force: true })
    return 'done'
  } finally {
    fs.closeSync(old.fd)
  }
}

/** A complete file under a name of its own. */
function write(path: string, content: Uint8Array, old: LockedFile | null, durability: Durability): string {
  const temporary = join(dirname(path), `.holdfast-${process.pid}-${randomBytes(6).toString('hex')}.new`)
  const fd = fs.openSync(temporary, 'wx', old === null ? 0o666 : 0o600)
  let complete = false
  try {
    if (old !== null) giveTo(fd, old.stats)
    writeAt(fd, content, 0)
    if (durability === 'power') fs.fsyncSync(fd)
    complete = true
    return temporary
  } finally {
    fs.closeSync(fd)
    if (!complete) fs.rmSync(temporary, { force: true })
  }
}

/** A journal that only the file could need that is about to go. */
function ownJournal({ path, stats }: LockedFile): string | null {
  const journal = journalPath(path)
  try {
    const beginning = readBeginning(journal)
    const header = beginning && readHeader(beginning)
    return header !== null && header.device === BigInt.asUintN(64, stats.dev) && header.inode === BigInt.asUintN(64, stats.ino)
      ? journal
      : null
  } catch {
    return null
  }
}
