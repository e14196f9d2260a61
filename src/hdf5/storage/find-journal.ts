// SPDX-License-Identifier: MIT
// Finds the journal that a torn file's mark names: beside the file, under its own name or, after somebody renamed the file, under another.
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { Hdf5Error } from '../errors.ts'
import { asHdf5Error, codeOf } from './failures.ts'
import { isJournalName, journalPath } from './journal.ts'
import { JournalReader, openRegular } from './journal-reader.ts'
import type { LockedFile } from './open-locked.ts'

export interface FoundJournal {
  readonly fd: number
  readonly reader: JournalReader
  /** Made for this very file, not for one that this is a copy of. */
  readonly own: boolean
}

/**
 * The journal of a torn file, opened. Only the inode says that it is this file's, since the number of a device may change when the machine starts.
 *
 * @param named look only there, and take it even if it was made for the file that this one is a copy of
 * @throws Hdf5Error `HDF5_TORN` when there is none, or only that of another file; `HDF5_NEEDS_RECOVERY` when it may not be read
 */
export function findJournal(file: LockedFile, id: Uint8Array, signatureAt: number, named: string | undefined): FoundJournal {
  const usual = journalPath(file.path)
  const others = named === undefined ? namesBeside(usual) : []
  const foreign: string[] = []
  for (const path of [named ?? usual, ...others]) {
    const found = tryOpen(path, file, id, path === (named ?? usual))
    if (found === null) continue
    if (found.own || named !== undefined) return checkPlace(found, file, signatureAt)
    fs.closeSync(found.fd)
    foreign.push(path)
  }
  throw torn(file.path, named === undefined ? lack(usual, foreign[0], id) : `${named} is not its journal: its id is not ${hex(id)}.`)
}

function tryOpen(path: string, file: LockedFile, id: Uint8Array, expected: boolean): FoundJournal | null {
  let fd: number | null
  try {
    fd = openRegular(path)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || !expected) return null
    if (code !== 'EACCES' && code !== 'EPERM') throw asHdf5Error(cause, file.path, `restored: its journal ${path} cannot be read`)
    throw needsRecovery(file.path, `its journal ${path} may not be read`, cause)
  }
  if (fd === null) {
    if (!expected) return null
    throw torn(file.path, `${path}, the name of its journal, is that of something that is not a regular file. It was not followed.`)
  }
  let kept = false
  try {
    const reader = new JournalReader(fd, path)
    if (Buffer.compare(reader.header.id, id) !== 0) return null
    kept = true
    return { fd, reader, own: reader.header.inode === BigInt.asUintN(64, file.stats.ino) }
  } catch (error) {
    // The right one may lie beside.
    if (codeOf(error) === 'HDF5_TORN') return null
    throw error
  } finally {
    if (!kept) fs.closeSync(fd)
  }
}

function namesBeside(usual: string): string[] {
  const folder = dirname(usual)
  try {
    const names = fs.readdirSync(folder).filter(isJournalName)
    return names.map((name) => join(folder, name)).filter((path) => path !== usual)
  } catch {
    return []
  }
}

function checkPlace(found: FoundJournal, { path }: LockedFile, signatureAt: number): FoundJournal {
  if (found.reader.header.signatureAt === signatureAt) return found
  fs.closeSync(found.fd)
  throw torn(path, `Its journal ${found.reader.path} is for a file whose signature lies elsewhere: the file was changed since.`)
}

function lack(usual: string, foreign: string | undefined, id: Uint8Array): string {
  if (foreign === undefined) {
    return (
      `Its journal (${usual}, id ${hex(id)}) is missing or damaged. Put the journal back beside the file if it was moved, ` +
      'or restore the file from a backup.'
    )
  }
  return (
    `The journal ${foreign} was made for another file, of which this one seems to be a copy. If the copy was made after the writer had died, ` +
    'name the journal when recovering it.'
  )
}

function torn(file: string, why: string): Hdf5Error {
  return new Hdf5Error(
    'HDF5_TORN',
    `A writer died in the middle of a write to ${file}, and it cannot be restored. ${why} Nothing was touched.`,
    {
      file,
    },
  )
}

/** Whoever asks may not do what would restore the file. */
export function needsRecovery(file: string, why: string, cause: unknown): Hdf5Error {
  return new Hdf5Error(
    'HDF5_NEEDS_RECOVERY',
    `A writer died in the middle of a write to ${file}, and it cannot be restored from here: ${why}. Somebody who may write it has to open it, ` +
      'or run: holdfast h5 recover',
    { cause, file },
  )
}

function hex(id: Uint8Array): string {
  return Buffer.from(id).toString('hex')
}
