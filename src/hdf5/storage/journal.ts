// SPDX-License-Identifier: MIT
// The undo journal as its writer has it: saves pages of a file before they are overwritten for the first time.
import * as fs from 'node:fs'
import type { Durability } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import { clearTheWay } from './abandoned-journal.ts'
import { giveTo, readAt, syncFolderOf, writeAt } from './disk.ts'
import { asHdf5Error, codeOf } from './failures.ts'
import {
  BATCH_HEADER_BYTES,
  HEADER_BYTES,
  type JournalHeader,
  MAX_BATCH_BYTES,
  PAGE_BYTES,
  RECORD_HEADER_BYTES,
  SETTLED_AT,
  SETTLED_BYTES,
  sealBatch,
  writeHeader,
  writeRecordHeader,
  writeSettled,
} from './journal-format.ts'
import type { LeaseGuard } from './lease-guard.ts'
import type { LockedFile } from './open-locked.ts'
import { markOf } from './signature.ts'

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const SUFFIX = '.holdfast-journal'
/** A name that is taken anew whenever it was cleared, so often in a row. */
const ATTEMPTS = 5
/** Most transactions need no more. */
const USUAL_BATCH_BYTES = 2 ** 16

/** Where the journal of a file lies. */
export function journalPath(file: string): string {
  return file + SUFFIX
}

/** True for a name that {@link journalPath} could have given, or that such a journal was moved aside to. */
export function isJournalName(name: string): boolean {
  return name.includes(SUFFIX)
}

/** Pages that follow each other. */
interface Run {
  readonly first: number
  readonly count: number
}

/** One for all journals of this thread, since none is at work while another is: grows to the largest batch. */
let scratch: Buffer = Buffer.alloc(0)

export class Journal {
  readonly path: string
  readonly fd: number
  readonly header: JournalHeader
  /** What stands in place of the file's signature while this journal is needed. */
  readonly mark: Uint8Array
  private readonly file: number
  private readonly guard: LeaseGuard
  private readonly durability: Durability
  private readonly saved = new Set<number>()
  private end = 0

  /** Makes the journal file, still empty. One that is in the way is dealt with first. */
  static create(file: LockedFile, header: JournalHeader, guard: LeaseGuard, durability: Durability): Journal {
    const path = journalPath(file.path)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, Number(file.stats.mode) & 0o600)
        const journal = new Journal(path, fd, file.fd, header, guard, durability)
        try {
          const { uid, gid, mode } = file.stats
          giveTo(fd, { uid, gid, mode: mode & 0o666n })
        } catch (error) {
          journal.remove()
          throw error
        }
        return journal
      } catch (error) {
        const code = codeOf(error)
        if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO') throw error
        if (code !== 'EEXIST') throw asHdf5Error(error, file.path, `written: its journal ${path} cannot be made`)
      }
      clearTheWay(path, header)
    }
    throw new Hdf5Error('HDF5_DENIED', `${file.path} cannot be written: somebody keeps making ${path}, which is the name of its journal.`, {
      file: file.path,
    })
  }

  private constructor(path: string, fd: number, file: number, header: JournalHeader, guard: LeaseGuard, durability: Durability) {
    this.path = path
    this.fd = fd
    this.file = file
    this.header = header
    this.mark = markOf(header.id)
    this.guard = guard
    this.durability = durability
  }

  /**
   * Saves what the file has in a range, as far as it is not saved already; afterwards it may be overwritten. The first call writes the header, too,
   * even if there is nothing to save; afterwards the mark may be set.
   */
  save(position: number, length: number): void {
    const runs = this.unsaved(position, length)
    const begins = this.end === 0
    if (runs.length === 0 && !begins) return
    const batches = this.batchesOf(runs)
    let settled = begins ? HEADER_BYTES : this.end
    for (const batch of batches) settled += BATCH_HEADER_BYTES + this.recordBytes(batch)
    if (batches.length === 0) this.append([], settled)
    for (const batch of batches) this.append(batch, settled)
    for (const { first, count } of runs) for (let page = first; page < first + count; page++) this.saved.add(page)
    this.settle(settled, begins)
  }

  /**
   * The file needs it no more. If it cannot be removed, or the lock is lost, it stays: without a mark that names it, it does nothing, and the next
   * writer removes it. It is closed first: to remove an open file costs twice as much as all else that a small transaction does.
   */
  remove(): void {
    this.close()
    if (!this.guard.holds) return
    try {
      fs.unlinkSync(this.path)
    } catch {}
  }

  close(): void {
    fs.closeSync(this.fd)
  }

  /** Runs of pages in the range that lie in the file as it was, and are not saved. */
  private unsaved(position: number, length: number): Run[] {
    const end = Math.min(position + length, this.header.originalSize)
    const runs: Run[] = []
    let first = -1
    const last = Math.ceil(end / PAGE_BYTES)
    for (let page = Math.floor(position / PAGE_BYTES); page <= last; page++) {
      const wanted = page < last && !this.saved.has(page)
      if (wanted && first < 0) first = page
      else if (!wanted && first >= 0) {
        runs.push({ first, count: page - first })
        first = -1
      }
    }
    return runs
  }

  private batchesOf(runs: readonly Run[]): Run[][] {
    const batches: Run[][] = []
    let room = 0
    for (const run of runs) {
      for (const piece of pieces(run)) {
        const bytes = this.recordBytes([piece])
        if (room < bytes) {
          batches.push([])
          room = MAX_BATCH_BYTES
        }
        batches.at(-1)!.push(piece)
        room -= bytes
      }
    }
    return batches
  }

  private recordBytes(runs: readonly Run[]): number {
    let bytes = 0
    for (const run of runs) bytes += RECORD_HEADER_BYTES + this.bytesOf(run)
    return bytes
  }

  private bytesOf({ first, count }: Run): number {
    return Math.min(count * PAGE_BYTES, this.header.originalSize - first * PAGE_BYTES)
  }

  /** One write for all runs of a batch, and for the header if it is the first. */
  private append(runs: readonly Run[], settled: number): void {
    const begin = this.end === 0 ? HEADER_BYTES : 0
    let at = runs.length === 0 ? begin : begin + BATCH_HEADER_BYTES
    const buffer = scratchOf(at + this.recordBytes(runs))
    if (begin > 0) {
      writeHeader(buffer, this.header)
      writeSettled(buffer, SETTLED_AT, settled)
    }
    for (const run of runs) {
      const length = this.bytesOf(run)
      writeRecordHeader(buffer, at, run.first, length)
      at += RECORD_HEADER_BYTES
      const bytes = buffer.subarray(at, at + length)
      const read = readAt(this.file, bytes, run.first * PAGE_BYTES)
      if (read < length) throw cutShort(this.path)
      this.hideSignature(bytes, run.first * PAGE_BYTES)
      at += length
    }
    if (runs.length > 0) sealBatch(buffer.subarray(begin, at), this.end + begin, this.header.id)
    this.guard.check()
    writeAt(this.fd, buffer.subarray(0, at), this.end)
    this.end += at
  }

  /** What is put back before the signature must not put the signature back. */
  private hideSignature(bytes: Buffer, position: number): void {
    const at = this.header.signatureAt - position
    if (at >= 0 && at < bytes.length) bytes.set(this.mark.subarray(0, bytes.length - at), at)
  }

  /** From now on what is saved up to here is relied on. */
  private settle(settled: number, begins: boolean): void {
    if (this.durability === 'power') {
      fs.fdatasyncSync(this.fd)
      if (begins) syncFolderOf(this.path)
    }
    // The first header says so already: it counts once the mark is set, which comes later.
    if (begins) return
    const field = scratchOf(SETTLED_BYTES)
    writeSettled(field, 0, settled)
    this.guard.check()
    writeAt(this.fd, field, SETTLED_AT)
  }
}

/** So small that each fits a batch. */
function* pieces({ first, count }: Run): Generator<Run> {
  const most = Math.floor((MAX_BATCH_BYTES - RECORD_HEADER_BYTES) / PAGE_BYTES)
  for (let done = 0; done < count; done += most) yield { first: first + done, count: Math.min(most, count - done) }
}

function scratchOf(length: number): Buffer {
  if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(Math.max(length, USUAL_BATCH_BYTES))
  return scratch.subarray(0, length)
}

function cutShort(path: string): Error {
  return Object.assign(new Error(`The file of the journal ${path} was cut short while it was written.`), { code: 'EIO' })
}
