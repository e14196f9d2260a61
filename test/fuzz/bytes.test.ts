// SPDX-License-Identifier: MIT
// Records and journals that somebody else wrote, or that a disk has damaged: they are read as what they were, or as none.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modeOf, readOwner, readRecord, writeRecord } from '../../src/backends/zookeeper/record.ts'
import { JuteReader, MalformedPacket } from '../../src/backends/zookeeper/wire/jute.ts'
import { type AgreementRecord, decodeSlots, encodeRecord, SLOT_BYTES } from '../../src/config/agreement-record.ts'
import { isHdf5Error } from '../../src/hdf5/errors.ts'
import { journalPath } from '../../src/hdf5/storage/journal.ts'
import { recoverFile } from '../../src/hdf5/storage/recover.ts'
import { RequestReader } from '../../src/request.ts'
import { makeFile, tear } from '../hdf5/storage/files.ts'
import { scaled } from '../support/scale.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const runs = { numRuns: scaled(2_000) }

/** What is done to bytes on a disk or a wire: some are changed, some cut off, some doubled. */
const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'insert', 'zero'), fc.nat(255)), { maxLength: 4 })

function damaged(bytes: Uint8Array, harm: readonly (readonly [number, string, number])[]): Buffer {
  let hurt: Buffer = Buffer.from(bytes)
  for (const [where, how, value] of harm) {
    const at = hurt.length === 0 ? 0 : where % hurt.length
    if (how === 'set' && hurt.length > 0) hurt[at] = value
    if (how === 'cut') hurt = hurt.subarray(0, at)
    if (how === 'insert') hurt = Buffer.concat([hurt.subarray(0, at), Buffer.from([value]), hurt.subarray(at)])
    if (how === 'zero') hurt.fill(0, at, Math.min(hurt.length, at + value))
  }
  return hurt
}

const record: AgreementRecord = {
  epoch: 1_700_000_000,
  digest: 'redis h:1',
  identity: 'a word',
  engine: 'redis://h:1',
  at: 1_700_000_000_000,
  by: 'somebody',
  passedOver: [{ entry: 'redis://g', why: 'it is down' }],
}

describe('Of damaged bytes', () => {
  test('a record of an agreement is the one that was written, or none', () => {
    fc.assert(
      fc.property(damage, fc.boolean(), (harm, second) => {
        const [one, other] = [encodeRecord(record), Buffer.alloc(SLOT_BYTES, ' ')]
        const slots = second ? Buffer.concat([other, one]) : Buffer.concat([one, other])
        const read = decodeSlots(Buffer.concat([damaged(slots, harm), Buffer.alloc(2 * SLOT_BYTES)]).subarray(0, 2 * SLOT_BYTES))
        if (read.record !== null) expect(read.record).toEqual(record)
        expect([0, record.epoch]).toContain(read.highestEpoch)
        if (harm.length === 0) expect(read.record).toEqual(record)
      }),
      runs,
    )
  })

  test('a request in ZooKeeper is a request, or none', () => {
    const claims = new RequestReader('absolute').request({ read: ['/a/b', '/c'], write: ['/d'] })
    const whole = writeRecord({ id: 'one', name: 'a name', since: 5, claims })
    expect(readRecord(whole)?.claims.list).toEqual(claims.list)
    fc.assert(
      fc.property(
        fc.oneof(
          damage.map((harm) => damaged(whole, harm)),
          fc.json().map((json) => Buffer.from(json)),
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const read = readRecord(bytes)
          if (read !== null) for (const { key, mode } of read.claims.list) expect(typeof key + mode).toMatch(/^string(IS|IX|S|SIX|X)$/)
          expect(modeOf(bytes, 'S')).toMatch(/^(IS|IX|S|SIX|X)$/)
          expect(typeof readOwner(bytes).host).toBe('string')
        },
      ),
      runs,
    )
  })

  test('a packet of ZooKeeper is read, or malformed; nothing is read beyond its end, and no length is believed', () => {
    const reads = ['int', 'long', 'bool', 'text', 'buffer', 'texts'] as const
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.constantFrom(...reads), { maxLength: 12 }), (bytes, kinds) => {
        const reader = new JuteReader(Buffer.from(bytes))
        try {
          for (const kind of kinds) {
            const before = reader.left
            const value = reader[kind]()
            expect(reader.left).toBeLessThanOrEqual(before)
            if (Array.isArray(value)) expect(value.length).toBeLessThanOrEqual(bytes.length)
          }
        } catch (error) {
          if (!(error instanceof MalformedPacket)) throw error
        }
      }),
      runs,
    )
  })

  test('a journal gives its file back, or is refused, and then both are as they were', () => {
    fc.assert(
      fc.property(damage, (harm) => {
        const place = mkdtempSync(join(folder, 'f-'))
        const { path, before } = makeFile(place)
        tear(path)
        const torn = readFileSync(path)
        const journal = damaged(readFileSync(journalPath(path)), harm)
        writeFileSync(journalPath(path), journal)
        try {
          recoverFile({ path, durability: 'process', lease: null })
          if (harm.length === 0) expect(readFileSync(path).equals(before)).toBe(true)
        } catch (error) {
          if (!isHdf5Error(error)) throw error
          expect(readFileSync(path).equals(torn)).toBe(true)
          expect(readFileSync(journalPath(path)).equals(journal)).toBe(true)
        }
        rmSync(place, { recursive: true })
      }),
      { numRuns: scaled(200) },
    )
  })
})
