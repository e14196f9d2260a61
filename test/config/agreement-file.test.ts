// SPDX-License-Identifier: MIT
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AgreementFile, defaultAgreementFolder } from '../../src/config/agreement-file.ts'
import { type AgreementRecord, decodeSlots, encodeRecord, SLOT_BYTES } from '../../src/config/agreement-record.ts'
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
    expect(decodeSlots(Buffer.concat([slot, Buffer.alloc(SLOT_BYTES)]))).toEqual(RECORD)
    expect(slot.toString()).toMatch(/^[\x20-\x7e]+\n$/)
  })

  test('is the younger of two good ones, wherever it stands', () => {
    const [old, young] = [encodeRecord(RECORD), encodeRecord({ ...RECORD, epoch: 8 })]
    expect(decodeSlots(Buffer.concat([old, young]))?.epoch).toBe(8)
    expect(decodeSlots(Buffer.concat([young, old]))?.epoch).toBe(8)
  })

  test('that is torn at whatever byte does not count: the one before does', () => {
    const [old, young] = [encodeRecord(RECORD), encodeRecord({ ...RECORD, epoch: 8, engine: 'another' })]
    const end = young.toString().trimEnd().length
    for (let bytes = 0; bytes < end; bytes++) {
      const torn = Buffer.concat([young.subarray(0, bytes), old.subarray(bytes)])
      expect(decodeSlots(Buffer.concat([torn, old]))?.epoch).toBe(7)
      expect(decodeSlots(Buffer.concat([Buffer.from(torn).fill(0, bytes), Buffer.alloc(SLOT_BYTES)]))).toBeNull()
    }
  })

  test('keeps what matters when the reasons are too long, and refuses names that are', () => {
    const passedOver = Array.from({ length: 20 }, (_, i) => ({ entry: `redis://${i}`, why: 'x'.repeat(10_000) }))
    expect(decodeSlots(Buffer.concat([encodeRecord({ ...RECORD, passedOver }), Buffer.alloc(0)]))).toEqual({ ...RECORD, passedOver: [] })
    expect(() => encodeRecord({ ...RECORD, engine: 'x'.repeat(5_000) })).toThrow('too long')
  })

  test('of another layout does not count', () => {
    const slot = encodeRecord(RECORD).toString().replace('"layout":1', '"layout":2')
    expect(decodeSlots(Buffer.from(slot))).toBeNull()
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

  test.each(['', 'a/b', 'a\0b', '{a}'])('refuses the name %j', (name) => {
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

  test('keeps the last record when the writing of the next is cut short', () => {
    const home = folder()
    const file = open(home)
    file.write(RECORD)
    file.write({ ...RECORD, epoch: 8 })
    expect(file.read()?.epoch).toBe(8)
    const bytes = readFileSync(file.path)
    bytes.fill(0, 100, SLOT_BYTES)
    writeFileSync(file.path, bytes)
    expect(file.read()?.epoch).toBe(7)
    truncateSync(file.path, SLOT_BYTES + 50)
    expect(file.read()).toBeNull()
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
