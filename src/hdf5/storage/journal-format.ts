// SPDX-License-Identifier: MIT
// The undo journal, byte by byte. It begins with a header:
//
//   0   magic                       8 bytes
//   8   format                      u32
//   12  page size                   u32
//   16  id                          5 bytes, and 3 that are 0
//   24  size of the file before     u64
//   32  where its signature lies    u64
//   40  device of the file          u64
//   48  inode of the file           u64
//   56  crc32 of the bytes 0 to 56  u32
//   60  settled                     u48, and its crc32
//
// and goes on with batches of records:
//
//   0   magic                          u32
//   4   length of the records          u32
//   8   position in the journal        u48, and 2 bytes that are 0
//   16  crc32 of the id, the bytes 0 to 16, and the records
//   20  records: {first page u48, 2 bytes that are 0, length u32}, then the bytes that the file had there
//
// The invariant: no page of the file is overwritten before the journal is settled up to a place behind the batch that saves it, and `settled` is
// written before the pages are. So the journal must be whole up to there; what follows was never relied on, and may be torn.
import { crc32 } from 'node:zlib'
import { ID_BYTES } from './signature.ts'

export const PAGE_BYTES = 4096
export const HEADER_BYTES = 70
export const BATCH_HEADER_BYTES = 20
export const RECORD_HEADER_BYTES = 12
/** A batch is read and written in one piece. */
export const MAX_BATCH_BYTES: number = 2 ** 20
export const SETTLED_AT = 60
export const SETTLED_BYTES = 10

const MAGIC = Buffer.from('HoldfstJ', 'latin1')
const FORMAT = 1
const FIXED_BYTES = 56
const BATCH_MAGIC = 0x4a_42_46_48

export interface JournalHeader {
  readonly id: Uint8Array
  readonly originalSize: number
  readonly signatureAt: number
  readonly device: bigint
  readonly inode: bigint
}

/** Without `settled`: see {@link writeSettled}. */
export function writeHeader(into: Buffer, { id, originalSize, signatureAt, device, inode }: JournalHeader): void {
  into.fill(0, 0, HEADER_BYTES)
  MAGIC.copy(into)
  into.writeUInt32LE(FORMAT, 8)
  into.writeUInt32LE(PAGE_BYTES, 12)
  into.set(id, 16)
  into.writeBigUInt64LE(BigInt(originalSize), 24)
  into.writeBigUInt64LE(BigInt(signatureAt), 32)
  into.writeBigUInt64LE(BigInt.asUintN(64, device), 40)
  into.writeBigUInt64LE(BigInt.asUintN(64, inode), 48)
  into.writeUInt32LE(crc32(into.subarray(0, FIXED_BYTES)), FIXED_BYTES)
}

export function writeSettled(into: Buffer, at: number, settled: number): void {
  into.writeUIntLE(settled, at, 6)
  into.writeUInt32LE(crc32(into.subarray(at, at + 6)), at + 6)
}

/** Null: this is no header, or a damaged one. */
export function readHeader(bytes: Buffer): JournalHeader | null {
  if (bytes.length < HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, MAGIC.length))) return null
  if (bytes.readUInt32LE(FIXED_BYTES) !== crc32(bytes.subarray(0, FIXED_BYTES))) return null
  if (bytes.readUInt32LE(8) !== FORMAT || bytes.readUInt32LE(12) !== PAGE_BYTES) return null
  return {
    id: Uint8Array.prototype.slice.call(bytes, 16, 16 + ID_BYTES),
    originalSize: Number(bytes.readBigUInt64LE(24)),
    signatureAt: Number(bytes.readBigUInt64LE(32)),
    device: bytes.readBigUInt64LE(40),
    inode: bytes.readBigUInt64LE(48),
  }
}

/** Null: damaged. */
export function readSettled(header: Buffer): number | null {
  const bytes = header.subarray(SETTLED_AT, SETTLED_AT + 6)
  return header.readUInt32LE(SETTLED_AT + 6) === crc32(bytes) ? bytes.readUIntLE(0, 6) : null
}

/** True for what a journal is whose writer died before its header was complete: it says nothing that could be lost. */
export function isBegunHeader(bytes: Buffer): boolean {
  return bytes.length < HEADER_BYTES && bytes.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, bytes.length))
}

/** Completes a batch whose records lie behind its header. */
export function sealBatch(batch: Buffer, position: number, id: Uint8Array): void {
  batch.writeUInt32LE(BATCH_MAGIC, 0)
  batch.writeUInt32LE(batch.length - BATCH_HEADER_BYTES, 4)
  batch.writeUIntLE(position, 8, 6)
  batch.writeUInt16LE(0, 14)
  batch.writeUInt32LE(batchChecksum(batch, id), 16)
}

/** How many bytes the records of a batch take by its header; null if this is none that begins at `position`. */
export function batchLength(header: Buffer, position: number): number | null {
  if (header.readUInt32LE(0) !== BATCH_MAGIC || header.readUIntLE(8, 6) !== position) return null
  const length = header.readUInt32LE(4)
  return length <= MAX_BATCH_BYTES ? length : null
}

/** Whole, and of the journal with this id: after a loss of power a file may contain what an earlier one had in its place. */
export function isIntact(batch: Buffer, id: Uint8Array): boolean {
  return batch.readUInt32LE(16) === batchChecksum(batch, id)
}

function batchChecksum(batch: Buffer, id: Uint8Array): number {
  return crc32(batch.subarray(BATCH_HEADER_BYTES), crc32(batch.subarray(0, 16), crc32(id)))
}

export function writeRecordHeader(into: Buffer, at: number, page: number, length: number): void {
  into.writeUIntLE(page, at, 6)
  into.writeUInt16LE(0, at + 6)
  into.writeUInt32LE(length, at + 8)
}

/** Bytes that the file had from a page on. */
export interface SavedBytes {
  readonly position: number
  readonly bytes: Buffer
}

/** The records of a batch; null if they do not fill it, or lie outside the file as it was. */
export function readRecords(batch: Buffer, originalSize: number): SavedBytes[] | null {
  const records: SavedBytes[] = []
  for (let at = BATCH_HEADER_BYTES; at < batch.length; ) {
    if (at + RECORD_HEADER_BYTES > batch.length) return null
    const position = batch.readUIntLE(at, 6) * PAGE_BYTES
    const length = batch.readUInt32LE(at + 8)
    at += RECORD_HEADER_BYTES
    if (at + length > batch.length || position + length > originalSize) return null
    records.push({ position, bytes: batch.subarray(at, at + length) })
    at += length
  }
  return records
}
