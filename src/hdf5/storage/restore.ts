// SPDX-License-Identifier: MIT
// Puts a file back to what it was by its journal. It may be killed at any moment and begun again: the mark goes last.
import * as fs from 'node:fs'
import type { Durability } from '../engine/protocol.ts'
import { readAt, writeAt } from './disk.ts'
import { PAGE_BYTES } from './journal-format.ts'
import type { JournalReader } from './journal-reader.ts'
import type { LeaseGuard } from './lease-guard.ts'
import { markOf, SIGNATURE } from './signature.ts'

/**
 * The file has its old content, byte for byte, and its signature. The journal is left to the caller.
 *
 * @throws Hdf5Error `HDF5_TORN` when the journal is damaged, having touched nothing; LockError `LOCK_LOST`; system errors
 */
export function restore(fd: number, journal: JournalReader, guard: LeaseGuard, durability: Durability): void {
  const { id, originalSize, signatureAt } = journal.header
  journal.verify()
  // It is there, unless whoever rolls back had already begun to commit.
  if (put(fd, markOf(id), signatureAt, guard) && durability === 'power') fs.fdatasyncSync(fd)
  // Before pages are put back, because on a full disk that may need what is freed.
  guard.check()
  fs.ftruncateSync(fd, originalSize)
  for (const { position, bytes } of journal.saved()) put(fd, bytes, position, guard)
  if (durability === 'power') fs.fdatasyncSync(fd)
  put(fd, SIGNATURE, signatureAt, guard)
  if (durability === 'power') fs.fdatasyncSync(fd)
}

/**
 * Writes the pages that differ, and answers whether there were any. Not the others: a page that the disk had no room for was never overwritten,
 * and there would be no room to put it back either.
 */
function put(fd: number, bytes: Uint8Array, position: number, guard: LeaseGuard): boolean {
  const found = Buffer.allocUnsafe(bytes.length)
  const length = readAt(fd, found, position)
  const differs = (from: number): boolean => {
    const to = Math.min(from + PAGE_BYTES, bytes.length)
    return to > length || found.compare(bytes, from, to, from, to) !== 0
  }
  let any = false
  for (let from = 0; from < bytes.length; ) {
    let to = from
    while (to < bytes.length && differs(to)) to += PAGE_BYTES
    if (to > from) {
      guard.check()
      any = true
      writeAt(fd, bytes.subarray(from, to), position + from)
    }
    from = Math.max(to, from + PAGE_BYTES)
  }
  return any
}
