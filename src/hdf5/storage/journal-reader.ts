// SPDX-License-Identifier: MIT
// The undo journal as it is found: whose it is, whether it is whole, and what it has saved.
import * as fs from 'node:fs'
import { Hdf5Error } from '../errors.ts'
import { readAt } from './disk.ts'
import {
  BATCH_HEADER_BYTES,
  batchLength,
  HEADER_BYTES,
  isIntact,
  type JournalHeader,
  readHeader,
  readRecords,
  readSettled,
  type SavedBytes,
} from './journal-format.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants

/** The first bytes of what bears a journal's name. Null if it is no regular file; a symbolic link is not followed. Throws system errors. */
export function readBeginning(path: string): Buffer | null {
  const fd = openRegular(path)
  if (fd === null) return null
  try {
    return beginningOf(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Opens a regular file for reading. Null if it is something else. Throws system errors. */
export function openRegular(path: string): number | null {
  let fd: number
  try {
    fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP' || code === 'ENXIO') return null
    throw error
  }
  if (fs.fstatSync(fd).isFile()) return fd
  fs.closeSync(fd)
  return null
}

export function beginningOf(fd: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  return bytes.subarray(0, readAt(fd, bytes, 0))
}

export class JournalReader {
  readonly path: string
  readonly header: JournalHeader
  private readonly fd: number
  private readonly settled: number | null

  /** The descriptor stays the caller's. @throws Hdf5Error `HDF5_TORN` when the header is damaged */
  constructor(fd: number, path: string) {
    this.fd = fd
    this.path = path
    const beginning = beginningOf(fd)
    const header = readHeader(beginning)
    if (header === null) throw this.damage('its header')
    this.header = header
    this.settled = readSettled(beginning)
  }

  /**
   * Reads all of it before anything is done with it. What was written last may be torn: the pages that it was to save were never overwritten.
   *
   * @throws Hdf5Error `HDF5_TORN` when something is missing or damaged that was relied on
   */
  verify(): void {
    if (this.settled === null) throw this.damage('its header')
    let end = HEADER_BYTES
    for (const batch of this.batches()) end = batch.end
    if (end < this.settled) throw this.damage(`${this.settled - end} of ${this.settled} bytes, from byte ${end} on,`)
  }

  /** What the file had, in the order in which it was saved; no place comes twice. The bytes are good until the next step. */
  *saved(): Generator<SavedBytes> {
    for (const { records } of this.batches()) yield* records
  }

  private *batches(): Generator<{ records: readonly SavedBytes[]; end: number }> {
    let buffer: Buffer = Buffer.alloc(0)
    const head = Buffer.alloc(BATCH_HEADER_BYTES)
    for (let at = HEADER_BYTES; ; ) {
      if (readAt(this.fd, head, at) < BATCH_HEADER_BYTES) return
      const length = batchLength(head, at)
      if (length === null) return
      if (buffer.length < BATCH_HEADER_BYTES + length) buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES + length)
      const batch = buffer.subarray(0, BATCH_HEADER_BYTES + length)
      if (readAt(this.fd, batch, at) < batch.length || !isIntact(batch, this.header.id)) return
      const records = readRecords(batch, this.header.originalSize)
      if (records === null) return
      at += batch.length
      yield { records, end: at }
    }
  }

  private damage(what: string): Hdf5Error {
    return new Hdf5Error(
      'HDF5_TORN',
      `The journal ${this.path} is damaged: ${what} cannot be read. Nothing was touched. Put an undamaged copy of the journal in its place, ` +
        'or restore the file from a backup.',
      { file: this.path },
    )
  }
}
