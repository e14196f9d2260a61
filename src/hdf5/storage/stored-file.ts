// SPDX-License-Identifier: MIT
// An HDF5 file on disk, in the hands of one session: readers share it, a writer has it alone, and its writes are one transaction.
//
// The invariant: from before the first page is overwritten until after the last one is as it shall be, the file carries a mark in place of its
// signature, and everything that it takes to undo the transaction lies in the journal that the mark names.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import type { Durability } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import { changedParts } from './changed-parts.ts'
import { PIECE_BYTES, readAt, writeAt } from './disk.ts'
import { asHdf5Error } from './failures.ts'
import { Journal } from './journal.ts'
import { JournalReader } from './journal-reader.ts'
import { LeaseGuard } from './lease-guard.ts'
import { type LockedFile, locateIn, openLocked, refuseHardLinks } from './open-locked.ts'
import { rollBackTorn } from './recover.ts'
import { restore } from './restore.ts'
import { ID_BYTES, SIGNATURE, SIGNATURE_BYTES } from './signature.ts'

export interface StoredFileRequest {
  /** The real path of the file. */
  readonly path: string
  readonly mode: 'read' | 'write'
  readonly durability: Durability
  /** One BigInt64: the moment (CLOCK_BOOTTIME, ns) until which the lease is good; 0 when it is gone. */
  readonly lease: SharedArrayBuffer | null
}

interface Transaction {
  readonly journal: Journal
  /** What the file shall have in place of the mark. The HDF5 library may write it, and reads it back. */
  readonly signature: Uint8Array
}

export class StoredFile {
  readonly path: string
  readonly mode: 'read' | 'write'
  private readonly file: LockedFile
  private readonly signatureAt: number
  private readonly guard: LeaseGuard
  private readonly durability: Durability
  private length: number
  private transaction: Transaction | null = null
  private failed: unknown
  private discarding = false
  private closed = false

  /**
   * Takes flock on the file, without waiting. `busy`: somebody else has it. `torn`: a dead writer's mark, and mode is `read`; with mode `write`
   * a torn file is rolled back first.
   *
   * @throws Hdf5Error `HDF5_NO_FILE`, `HDF5_DENIED`, `HDF5_HARD_LINKED`, `HDF5_NOT_HDF5`, `HDF5_TORN`, `HDF5_NEEDS_RECOVERY`, `HDF5_FULL`;
   * LockError `LOCK_LOST`
   */
  static open({ path, mode, durability, lease }: StoredFileRequest): StoredFile | 'busy' | 'torn' {
    const guard = new LeaseGuard(lease, path)
    guard.check()
    const file = openLocked(path, mode, mode === 'read' ? 'shared' : 'exclusive')
    if (file === 'busy') return 'busy'
    let stored: StoredFile | null = null
    try {
      if (mode === 'write') refuseHardLinks(file)
      const located = locateIn(file)
      if (located.journalId !== null) {
        if (mode === 'read') return 'torn'
        rollBackTorn(file, located, guard, durability)
      }
      const length = located.journalId === null ? Number(file.stats.size) : fs.fstatSync(file.fd).size
      stored = new StoredFile(file, mode, located.at, length, guard, durability)
      return stored
    } catch (error) {
      throw asHdf5Error(error, path, 'opened')
    } finally {
      if (stored === null) fs.closeSync(file.fd)
    }
  }

  private constructor(
    file: LockedFile,
    mode: 'read' | 'write',
    signatureAt: number,
    length: number,
    guard: LeaseGuard,
    durability: Durability,
  ) {
    this.path = file.path
    this.mode = mode
    this.file = file
    this.signatureAt = signatureAt
    this.guard = guard
    this.durability = durability
    this.length = length
  }

  get size(): number {
    return this.length
  }

  /** The first failure of {@link write}, {@link truncate} or {@link commit}, if there was one: an HDF5 library may swallow what they throw. */
  get failure(): unknown {
    return this.failed
  }

  /** As the HDF5 library should see it: with the true signature, although the disk carries the mark. Answers the bytes read: fewer at the end. */
  read(into: Uint8Array, position: number): number {
    const { transaction } = this
    const read = readAt(this.descriptor, into, position)
    if (transaction !== null) this.overlap(into.length, position, (from, to, at) => into.set(transaction.signature.subarray(from, to), at))
    return read
  }

  /**
   * Saves what it overwrites first.
   *
   * @throws a system error (ENOSPC, EDQUOT, EFBIG, EIO), LockError `LOCK_LOST`, or Hdf5Error `HDF5_READ_ONLY`, `HDF5_DENIED`. Afterwards the
   * transaction can only be rolled back.
   */
  write(bytes: Uint8Array, position: number): void {
    if (this.discarding || bytes.length === 0) return
    this.attempt(() => {
      const parts = changedParts(bytes, position, (into, at) => this.read(into, at))
      for (const { from, to } of parts) this.overwrite(bytes.subarray(from, to), position + from)
    })
  }

  /** Cuts off, or adds zeros. The signature must stay within. Throws as {@link write} does. */
  truncate(length: number): void {
    if (this.discarding || length === this.length) return
    this.attempt(() => {
      if (length < this.signatureAt + SIGNATURE_BYTES) {
        throw new Hdf5Error('HDF5_INVALID', `${this.path} cannot be cut to ${length} bytes: its signature lies beyond.`, {
          file: this.path,
        })
      }
      this.prepare(length, Math.max(0, this.length - length))
      this.guard.check()
      fs.ftruncateSync(this.descriptor, length)
      this.length = length
    })
  }

  /** From now on {@link write} and {@link truncate} pretend, so that an HDF5 library can close the file without touching the disk. */
  discard(): void {
    this.discarding = true
  }

  /**
   * The new content is the file's. Without a transaction it does nothing.
   *
   * @throws LockError `LOCK_LOST` if the lease is gone, having touched nothing; the {@link failure} if there was one
   */
  commit(): void {
    this.guard.check()
    if (this.failed !== undefined) throw this.failed
    const { transaction } = this
    if (transaction === null) return
    if (this.discarding) throw new Hdf5Error('HDF5_CLOSED', `The transaction on ${this.path} was given up.`, { file: this.path })
    this.attempt(() => {
      this.sync()
      this.guard.check()
      // The commit point.
      writeAt(this.descriptor, transaction.signature, this.signatureAt)
      this.sync()
    })
    this.transaction = null
    transaction.journal.remove()
  }

  /**
   * The old content is the file's again, byte for byte, and {@link discard} is in force.
   *
   * @throws LockError `LOCK_LOST` if the lease is gone, having touched neither file nor journal; system errors, after which it may be tried again,
   * or left to whoever opens the file next
   */
  rollBack(): void {
    this.discarding = true
    const { transaction } = this
    if (transaction === null) return
    const { journal } = transaction
    this.guard.check()
    restore(this.descriptor, new JournalReader(journal.fd, journal.path), this.guard, this.durability)
    this.transaction = null
    this.length = journal.header.originalSize
    journal.remove()
  }

  /** Lets go of flock and descriptors. Idempotent. A transaction that is still open is left behind as by a dead writer. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.transaction?.journal.close()
    this.transaction = null
    this.discarding = true
    fs.closeSync(this.file.fd)
  }

  /** Its number may be another file's by now. */
  private get descriptor(): number {
    if (!this.closed) return this.file.fd
    throw new Hdf5Error('HDF5_CLOSED', `${this.path} is closed.`, { file: this.path })
  }

  private attempt(step: () => void): void {
    if (this.failed !== undefined) throw this.failed
    try {
      step()
    } catch (error) {
      this.failed = error
      throw error
    }
  }

  private overwrite(bytes: Uint8Array, position: number): void {
    const { signature } = this.prepare(position, bytes.length)
    let done = 0
    this.overlap(bytes.length, position, (from, to, at) => {
      this.put(bytes.subarray(0, at), position)
      done = at + to - from
      signature.set(bytes.subarray(at, done), from)
    })
    this.put(bytes.subarray(done), position + done)
  }

  /** Afterwards the range may be overwritten, except for the signature. */
  private prepare(position: number, length: number): Transaction {
    this.guard.check()
    const { transaction } = this
    if (transaction === null) return this.begin(position, length)
    transaction.journal.save(position, length)
    return transaction
  }

  private begin(position: number, length: number): Transaction {
    const { file, path, mode, signatureAt, guard, durability } = this
    if (mode === 'read') throw new Hdf5Error('HDF5_READ_ONLY', `${path} was opened for reading.`, { file: path })
    const header = {
      id: randomBytes(ID_BYTES),
      originalSize: this.length,
      signatureAt,
      device: BigInt.asUintN(64, file.stats.dev),
      inode: BigInt.asUintN(64, file.stats.ino),
    }
    const journal = Journal.create(file, header, guard, durability)
    try {
      journal.save(position, length)
      guard.check()
    } catch (error) {
      journal.remove()
      throw error
    }
    // From here on the file may carry the mark: whatever fails, it has to be rolled back.
    this.transaction = { journal, signature: SIGNATURE.slice() }
    writeAt(this.descriptor, journal.mark, signatureAt)
    // The mark must not reach the disk after the pages that it warns of.
    this.sync()
    return this.transaction
  }

  /** What overlaps the signature in a range: the bytes `from`, `to` of the signature, which lie `at` in the range. */
  private overlap(length: number, position: number, found: (from: number, to: number, at: number) => void): void {
    const from = Math.max(position - this.signatureAt, 0)
    const to = Math.min(position + length - this.signatureAt, SIGNATURE_BYTES)
    if (from < to) found(from, to, this.signatureAt + from - position)
  }

  private put(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; done += PIECE_BYTES) {
      this.guard.check()
      writeAt(this.descriptor, bytes.subarray(done, done + PIECE_BYTES), position + done)
    }
    this.length = Math.max(this.length, position + bytes.length)
  }

  private sync(): void {
    if (this.durability === 'power') fs.fdatasyncSync(this.descriptor)
  }
}
