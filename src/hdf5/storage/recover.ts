// SPDX-License-Identifier: MIT
// Rolls back what a writer left who died in the middle of a transaction.
import * as fs from 'node:fs'
import type { Durability } from '../engine/protocol.ts'
import { asHdf5Error } from './failures.ts'
import { findJournal, needsRecovery } from './find-journal.ts'
import { LeaseGuard } from './lease-guard.ts'
import { isDenied, type LockedFile, locateIn, openLocked } from './open-locked.ts'
import { restore } from './restore.ts'
import type { Located } from './signature.ts'

export interface RecoverRequest {
  /** The real path of the file. */
  readonly path: string
  readonly durability: Durability
  readonly lease: SharedArrayBuffer | null
  /** A journal to use although it lies elsewhere or was made for the file that this one is a copy of. Its id must be that of the mark. */
  readonly journal?: string | undefined
}

/**
 * Gives a torn file its old content back. False when there was nothing to do. `busy`: somebody has it open; nothing was done.
 *
 * @throws Hdf5Error `HDF5_NO_FILE`, `HDF5_DENIED`, `HDF5_NOT_HDF5`, `HDF5_TORN`, `HDF5_NEEDS_RECOVERY`, `HDF5_FULL`; LockError `LOCK_LOST`
 */
export function recoverFile({ path, durability, lease, journal }: RecoverRequest): boolean | 'busy' {
  const guard = new LeaseGuard(lease, path)
  guard.check()
  let denial: unknown = null
  let file: LockedFile | 'busy'
  try {
    file = openLocked(path, 'write', 'exclusive')
  } catch (error) {
    if (!isDenied(error)) throw error
    denial = error
    file = openLocked(path, 'read', 'shared')
  }
  if (file === 'busy') return 'busy'
  try {
    const located = locateIn(file)
    if (located.journalId === null) return false
    if (denial !== null) throw needsRecovery(path, 'the file may not be written', denial)
    rollBackTorn(file, located, guard, durability, journal)
    return true
  } catch (error) {
    throw asHdf5Error(error, path, 'restored')
  } finally {
    fs.closeSync(file.fd)
  }
}

/** Of a file that is locked, writable, and carries a mark. The journal goes when it was this file's own. */
export function rollBackTorn(
  file: LockedFile,
  { at, journalId }: Located,
  guard: LeaseGuard,
  durability: Durability,
  named?: string,
): void {
  const { fd, reader, own } = findJournal(file, journalId!, at, named)
  try {
    restore(file.fd, reader, guard, durability)
  } finally {
    fs.closeSync(fd)
  }
  if (!own) return
  try {
    fs.unlinkSync(reader.path)
  } catch {
    // Without a mark that names it, it does nothing: the next writer removes it.
  }
}
