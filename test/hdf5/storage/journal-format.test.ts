// SPDX-License-Identifier: MIT
// What is taken for a journal, part of one, or none, by its bytes.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import {
  BATCH_HEADER_BYTES,
  batchLength,
  HEADER_BYTES,
  isBegunHeader,
  isIntact,
  MAX_BATCH_BYTES,
  RECORD_HEADER_BYTES,
  readHeader,
  readRecords,
  readSettled,
  SETTLED_AT,
  sealBatch,
  writeHeader,
  writeRecordHeader,
  writeSettled,
} from '../../../src/hdf5/storage/journal-format.ts'
import { recoverFile } from '../../../src/hdf5/storage/recover.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { failureOf, makeFile, overwrite, tear } from './files.ts'

const given = { id: Uint8Array.of(1, 2, 3, 4, 5), originalSize: 9_000, signatureAt: 512, device: 2n ** 63n, inode: 77n }

function header(): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  writeHeader(bytes, given)
  return bytes
}

/** A header with another number at this place, whose checksum is right. */
function forged(at: number, value: number): Buffer {
  const bytes = header()
  bytes.writeUInt32LE(value, at)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56)
  return bytes
}

function batch(records: readonly { page: number; length: number; told?: number }[], tail: number = 0): Buffer {
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES + records.reduce((sum, { length }) => sum + RECORD_HEADER_BYTES + length, 0) + tail)
  let at = BATCH_HEADER_BYTES
  for (const { page, length, told = length } of records) {
    writeRecordHeader(bytes, at, page, told)
    at += RECORD_HEADER_BYTES + length
  }
  return bytes
}

describe('A header', () => {
  test('is read as it was written', () => {
    expect(readHeader(header())).toEqual({ ...given, id: Buffer.from(given.id) })
  })

  test.each([
    ['too short', header().subarray(0, HEADER_BYTES - 1)],
    ['of something else', Buffer.alloc(HEADER_BYTES, 'x')],
    [
      'damaged',
      (() => {
        const bytes = header()
        bytes[30]! ^= 1
        return bytes
      })(),
    ],
    ['of a later format', forged(8, 99)],
    ['of another page size', forged(12, 512)],
  ])('that is %s is none', (_, bytes) => {
    expect(readHeader(bytes)).toBeNull()
  })

  test('tells how much of it counts, unless that is damaged', () => {
    const bytes = Buffer.alloc(HEADER_BYTES)
    writeSettled(bytes, SETTLED_AT, 2 ** 40 + 5)
    expect(readSettled(bytes)).toBe(2 ** 40 + 5)
    bytes[SETTLED_AT]! ^= 1
    expect(readSettled(bytes)).toBeNull()
  })

  test('that was begun only is known for it', () => {
    expect(isBegunHeader(header().subarray(0, 20))).toBe(true)
    expect(isBegunHeader(Buffer.alloc(0))).toBe(true)
    expect(isBegunHeader(Buffer.from('other'))).toBe(false)
    expect(isBegunHeader(header())).toBe(false)
  })
})

describe('A batch', () => {
  test('is whole only as it was sealed, at its own place, in its own journal', () => {
    const bytes = batch([{ page: 1, length: 10 }])
    sealBatch(bytes, 70, given.id)
    expect(batchLength(bytes, 70)).toBe(bytes.length - BATCH_HEADER_BYTES)
    expect(batchLength(bytes, 71)).toBeNull()
    expect(isIntact(bytes, given.id)).toBe(true)
    expect(isIntact(bytes, Uint8Array.of(1, 2, 3, 4, 6))).toBe(false)
    bytes[bytes.length - 1]! ^= 1
    expect(isIntact(bytes, given.id)).toBe(false)
    bytes.writeUInt32LE(MAX_BATCH_BYTES + 1, 4)
    expect(batchLength(bytes, 70)).toBeNull()
  })

  test('has records that fill it and lie in the file as it was', () => {
    expect(
      readRecords(
        batch([
          { page: 0, length: 10 },
          { page: 2, length: 800 },
        ]),
        9_000,
      )?.map(({ position }) => position),
    ).toEqual([0, 8_192])
    expect(readRecords(batch([{ page: 2, length: 900 }]), 9_000)).toBeNull()
    expect(readRecords(batch([{ page: 0, length: 10, told: 11 }]), 9_000)).toBeNull()
    expect(readRecords(batch([{ page: 0, length: 10 }], 5), 9_000)).toBeNull()
  })
})

describe('A journal', () => {
  test('of a file whose signature lies elsewhere now is not played back', () => {
    const { path } = makeFile(temporaryFolder())
    tear(path)
    const journal = journalPath(path)
    const bytes = readFileSync(journal)
    writeHeader(bytes, { ...readHeader(bytes)!, signatureAt: 512 })
    const settled = readFileSync(journal).subarray(SETTLED_AT, HEADER_BYTES)
    settled.copy(bytes, SETTLED_AT)
    overwrite(journal, 0, bytes.subarray(0, HEADER_BYTES))
    const torn = readFileSync(path)
    const failure = failureOf(() => recoverFile({ path, durability: 'process', lease: null }))
    expect(failure).toMatchObject({ code: 'HDF5_TORN', message: expect.stringContaining('signature lies elsewhere') })
    expect(readFileSync(path).equals(torn)).toBe(true)
  })

  test('with a sealed batch that says what cannot be counts as far as it made sense', () => {
    const { path } = makeFile(temporaryFolder())
    tear(path)
    const journal = journalPath(path)
    const { id } = readHeader(readFileSync(journal))!
    const odd = batch([{ page: 5_000_000, length: 10 }])
    sealBatch(odd, statSync(journal).size, id)
    writeFileSync(journal, Buffer.concat([readFileSync(journal), odd]))
    expect(recoverFile({ path, durability: 'process', lease: null })).toBe(true)
  })
})
