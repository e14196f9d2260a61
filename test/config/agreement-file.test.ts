// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AgreementFile, defaultAgreementFolder } from '../../src/config/agreement-file.ts'
import { type AgreementRecord, decodeSlots, encodeRecord, SLOT_BYTES, writesFor } from '../../src/config/agreement-record.ts'
import { folder } from './several.ts'

const RECORD: AgreementRecord = {
  epoch: 7,
  digest: 'd',
  identity: 'i',
  engine: 'redis://host:6379?space=default',
  at: 1_700_000_000_000,
  by: '1@host',
  passedOver: [{ entry: 'redis://other', why: 'Nobody listens.' }],
}

function open(home: string, space = 'test'): AgreementFile {
  const file = new AgreementFile(home, space)
  onTestFinished(() => file.close())
  return file
}

describe('The record of an agreement', () => {
  test('is read as it was written, and is text', () => {
    const slot = encodeRecord(RECORD)
    expect(slot).toHaveLength(SLOT_BYTES)
    for (const blank of [Buffer.alloc(SLOT_BYTES), Buffer.alloc(SLOT_BYTES, ' '), Buffer.alloc(0)]) {
      expect(decodeSlots(Buffer.concat([slot, blank]))).toEqual({ record: RECORD, highestEpoch: 7 })
    }
    expect(decodeSlots(Buffer.concat([Buffer.alloc(SLOT_BYTES), slot]))).toEqual({ record: RECORD, highestEpoch: 7 })
    expect(slot.toString()).toMatch(/^[\x20-\x7e]+\n$/)
  })

  test('counts only alone: beside another one, nobody can tell which its users have agreed on', () => {
    const [old, young] = [encodeRecord(RECORD), encodeRecord({ ...RECORD, epoch: 8 })]
    for (const both of [
      [old, young],
      [young, old],
    ])
      expect(decodeSlots(Buffer.concat(both))).toEqual({ record: null, highestEpoch: 8 })
  })

  test('does not count when it is damaged at any byte, and then no older one does', () => {
    const [old, young] = [encodeRecord(RECORD), encodeRecord({ ...RECORD, epoch: 8, engine: 'another' })]
    const end = young.toString().trimEnd().length
    for (let at = 1; at < end; at++) {
      const torn = Buffer.concat([young.subarray(0, at), old.subarray(at)])
      const damaged = Buffer.from(young)
      damaged[at]! ^= 1
      for (const slot of [torn, Buffer.from(young).fill(0, at), damaged]) {
        if (slot.equals(old)) continue
        expect(decodeSlots(Buffer.concat([slot, Buffer.alloc(SLOT_BYTES)])).record).toBeNull()
        expect(decodeSlots(Buffer.concat([old, slot])).record).toBeNull()
      }
    }
  })

  test('takes the place of another so that the epoch is known whenever the writing is cut short', () => {
    const next = { ...RECORD, epoch: 8 }
    const files = [
      Buffer.concat([encodeRecord(RECORD), Buffer.alloc(SLOT_BYTES)]),
      Buffer.concat([Buffer.alloc(SLOT_BYTES), encodeRecord(RECORD)]),
    ]
    for (const file of files) {
      for (const { at, bytes } of writesFor(file, next)) {
        const before = decodeSlots(file).highestEpoch
        for (let length = 1; length < bytes.length; length += 100) {
          const cut = Buffer.from(file)
          bytes.copy(cut, at, 0, length)
          expect(decodeSlots(cut).highestEpoch).toBeGreaterThanOrEqual(before)
        }
        bytes.copy(file, at)
      }
      expect(decodeSlots(file)).toEqual({ record: next, highestEpoch: 8 })
    }
  })

  test('keeps what matters when the reasons are too long, and refuses names that are', () => {
    const passedOver = Array.from({ length: 20 }, (_, i) => ({ entry: `redis://${i}`, why: 'x'.repeat(10_000) }))
    expect(decodeSlots(encodeRecord({ ...RECORD, passedOver })).record).toEqual({ ...RECORD, passedOver: [] })
    expect(() => encodeRecord({ ...RECORD, engine: 'x'.repeat(5_000) })).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID', message: expect.stringContaining('too long') }),
    )
  })

  test('of another layout does not count', () => {
    const json = encodeRecord(RECORD).toString().trimEnd().slice(17).replace('"layout":1', '"layout":2')
    const slot = Buffer.from(`${createHash('sha256').update(json).digest('hex').slice(0, 16)} ${json}`)
    expect(decodeSlots(slot)).toEqual({ record: null, highestEpoch: 0 })
  })
})

describe('The file of an agreement', () => {
  test('has a name for each space, whatever the space is called', () => {
    const home = folder()
    const names = ['default', '.hidden', 'ü ß', 'a'.repeat(99), 'ü'.repeat(99)]
    for (const name of names) open(home, name)
    expect(readdirSync(home)).toHaveLength(names.length)
    expect(readdirSync(home)).toEqual(expect.arrayContaining(['default.agreement', '%2Ehidden.agreement']))
  })

  test.each(['', 'a/b', 'a\0b', '{a}', '\ud800'])('refuses the name %j', (name) => {
    expect(() => open(folder(), name)).toThrow('space is a word')
  })

  test('tells users, writers and nobody apart, for every other descriptor', () => {
    const home = folder()
    const [one, two, three] = [open(home), open(home), open(home)]
    expect([one.share(), two.share(), three.others()]).toEqual([true, true, 'users'])
    expect(three.claim()).toBe(false)
    one.leave()
    two.leave()
    expect([three.others(), three.claim(), one.others(), one.share()]).toEqual(['nobody', true, 'writer', false])
    three.write(RECORD)
    expect([three.share(), one.others(), one.read()]).toEqual([true, 'users', RECORD])
    expect([one.beginElection(), two.beginElection()]).toEqual([true, false])
    one.endElection()
    expect(two.beginElection()).toBe(true)
  })

  test('loses its locks with the descriptor', () => {
    const home = folder()
    const [one, two] = [new AgreementFile(home, 'test'), open(home)]
    one.share()
    expect(two.who()).toEqual([expect.stringMatching(new RegExp(`^${process.pid}@.* \\(`))])
    one.close()
    expect(two.others()).toBe('nobody')
    expect(two.who()).toEqual([])
  })

  test('has one record at a time, in turns at two places, and none when it is cut short', () => {
    const file = open(folder())
    const places: boolean[] = []
    for (const epoch of [7, 9, 11, 12]) {
      file.write({ ...RECORD, epoch })
      expect(file.read()?.epoch).toBe(epoch)
      places.push(readFileSync(file.path, 'utf8').indexOf('"epoch"') < SLOT_BYTES)
    }
    expect(new Set(places.map((first, i) => first === (i % 2 === 0))).size).toBe(1)
    truncateSync(file.path, 50)
    expect(file.read()).toBeNull()
    expect(file.highestEpoch).toBe(0)
  })

  test('names whoever has it, also when both of its bytes are locked', () => {
    const home = folder()
    const [one, two] = [open(home), open(home)]
    expect([one.beginElection(), one.claim()]).toEqual([true, true])
    expect(two.who()).toEqual([expect.stringContaining(`${process.pid}@`)])
    one.leave()
    expect(two.who()).toEqual([])
  })

  test('gives the rights of its folder to everybody who shares it, whatever the umask', () => {
    const home = join(folder(), 'shared')
    mkdirSync(home)
    chmodSync(home, 0o1777)
    const before = process.umask(0o077)
    onTestFinished(() => void process.umask(before))
    expect(statSync(open(home).path).mode & 0o777).toBe(0o666)
  })

  test('lies on a disk of this machine where no folder is named', () => {
    expect(defaultAgreementFolder()).toBe(`/var/tmp/holdfast-agreement-${process.geteuid?.()}`)
  })

  test('says what is wrong with the folder', () => {
    const home = folder()
    writeFileSync(join(home, 'file'), '')
    expect(() => open(join(home, 'file', 'x'))).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID', message: expect.stringContaining('The agreement folder') }),
    )
    expect(() => open('/proc/1/x')).toThrow(expect.objectContaining({ message: expect.stringContaining('The agreement folder /proc/1/x') }))
  })
})
