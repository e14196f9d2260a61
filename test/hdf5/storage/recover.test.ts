// SPDX-License-Identifier: MIT
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { HEADER_BYTES } from '../../../src/hdf5/storage/journal-format.ts'
import { type RecoverRequest, recoverFile } from '../../../src/hdf5/storage/recover.ts'
import { SIGNATURE } from '../../../src/hdf5/storage/signature.ts'
import { memoryFolder, temporaryFolder } from '../../support/file-folders.ts'
import { asStranger, type Failure, failureOf, hasJournal, isWhole, makeFile, open, overwrite, tear, tryOpen } from './files.ts'

let folder: string
let path: string
let before: Buffer
let journal: string

beforeEach(() => {
  folder = temporaryFolder()
  ;({ path, before } = makeFile(folder))
  journal = journalPath(path)
})

function recover(more: Partial<RecoverRequest> = {}): boolean | 'busy' {
  return recoverFile({ path, durability: 'process', lease: null, ...more })
}

function isAsBefore(file: string = path): boolean {
  return readFileSync(file).equals(before)
}

/** It fails, and neither file nor journal is touched. */
function failureWithoutTrace(work: () => unknown, files: readonly string[] = [path, journal]): Failure {
  const contents = files.map((file) => readFileSync(file))
  const names = readdirSync(folder)
  const failure = failureOf(work)
  expect(readdirSync(folder)).toEqual(names)
  for (const [place, file] of files.entries()) expect(readFileSync(file).equals(contents[place]!)).toBe(true)
  return failure
}

function commitSomething(): void {
  const stored = open(path)
  stored.write(Buffer.from('something'), 100)
  stored.commit()
  stored.close()
  before.write('something', 100)
  expect(isAsBefore()).toBe(true)
}

describe('A torn file', () => {
  test('is torn for readers, and restored by recovery or by the next writer.', () => {
    tear(path)
    expect(tryOpen(path, { mode: 'read' })).toBe('torn')
    expect(recover()).toBe(true)
    expect(isAsBefore()).toBe(true)
    expect(hasJournal(path)).toBe(false)
    expect(recover()).toBe(false)
    tear(path)
    commitSomething()
  })

  test('is left alone while somebody has it open, or when the lease is lost.', () => {
    tear(path)
    const lost = { lease: new SharedArrayBuffer(8) }
    expect(failureWithoutTrace(() => recover(lost)).code).toBe('LOCK_LOST')
    expect(failureWithoutTrace(() => tryOpen(path, lost)).code).toBe('LOCK_LOST')
    const stored = open(path)
    expect(recover()).toBe('busy')
    stored.close()
  })

  test('that was renamed in its folder is restored by the journal under the old name, which goes.', () => {
    tear(path)
    const moved = join(folder, 'moved.h5')
    renameSync(path, moved)
    writeFileSync(`${moved}.holdfast-journal.note`, 'not a journal')
    expect(tryOpen(moved, { mode: 'read' })).toBe('torn')
    open(moved).close()
    expect(isAsBefore(moved)).toBe(true)
    expect(existsSync(journal)).toBe(false)
  })

  test('that was renamed while another file took its name keeps its journal, which is moved aside.', () => {
    tear(path)
    const moved = join(folder, 'moved.h5')
    renameSync(path, moved)
    const old = before
    ;({ before } = makeFile(folder))
    commitSomething()
    expect(readdirSync(folder).filter((name) => /journal\.[0-9a-f]{10}$/.test(name))).toHaveLength(1)
    expect(recover({ path: moved })).toBe(true)
    expect(readFileSync(moved).equals(old)).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(['data.h5', 'moved.h5'])
  })

  test('that has got another name by a hard link is restored by either.', () => {
    tear(path)
    const other = join(folder, 'other.h5')
    linkSync(path, other)
    expect(failureOf(() => tryOpen(other)).code).toBe('HDF5_HARD_LINKED')
    expect(recover({ path: other })).toBe(true)
    expect(isAsBefore()).toBe(true)
  })

  test('without its journal is refused, with advice, until the journal is back.', () => {
    tear(path)
    const elsewhere = join(temporaryFolder(), 'journal')
    copyFileSync(journal, elsewhere)
    rmSync(journal)
    for (const work of [recover, () => tryOpen(path)]) {
      expect(failureWithoutTrace(work, [path])).toMatchObject({
        code: 'HDF5_TORN',
        message: expect.stringContaining('Put the journal back'),
      })
    }
    copyFileSync(elsewhere, journal)
    expect(recover()).toBe(true)
    expect(isAsBefore()).toBe(true)
  })

  test('whose journal lies elsewhere may be restored by naming it.', () => {
    tear(path)
    const elsewhere = join(temporaryFolder(), 'journal')
    renameSync(journal, elsewhere)
    expect(failureWithoutTrace(() => recover({ journal: journal }), [path]).code).toBe('HDF5_TORN')
    expect(recover({ journal: elsewhere })).toBe(true)
    expect(isAsBefore()).toBe(true)
    expect(existsSync(elsewhere)).toBe(false)
  })

  test('that was copied is restored on demand only, and leaves the journal to the original.', () => {
    tear(path)
    const copy = join(folder, 'copy.h5')
    copyFileSync(path, copy)
    const failure = failureWithoutTrace(() => tryOpen(copy), [path, journal, copy])
    expect(failure).toMatchObject({ code: 'HDF5_TORN', message: expect.stringContaining(`${journal} was made for another file`) })
    copyFileSync(journal, journalPath(copy))
    expect(failureWithoutTrace(() => recover({ path: copy }), [path, journal, copy]).message).toContain(journalPath(copy))
    expect(recover({ path: copy, journal })).toBe(true)
    expect(isAsBefore(copy)).toBe(true)
    expect(existsSync(journal)).toBe(true)
    expect(recover()).toBe(true)
    expect(isAsBefore()).toBe(true)
  })

  test('does not take the journal of an earlier transaction.', () => {
    tear(path)
    const earlier = readFileSync(journal)
    expect(recover()).toBe(true)
    tear(path)
    const right = readFileSync(journal)
    writeFileSync(journal, earlier)
    expect(failureWithoutTrace(recover).code).toBe('HDF5_TORN')
    expect(failureWithoutTrace(() => recover({ journal })).message).toContain('is not its journal')
    writeFileSync(journal, right)
    expect(recover()).toBe(true)
    expect(isAsBefore()).toBe(true)
  })

  test('whose journal is a symbolic link, a folder or a pipe is refused, and the link not followed.', () => {
    tear(path)
    const elsewhere = join(temporaryFolder(), 'journal')
    renameSync(journal, elsewhere)
    symlinkSync(elsewhere, journal)
    expect(failureWithoutTrace(recover, [path, elsewhere])).toMatchObject({
      code: 'HDF5_TORN',
      message: expect.stringContaining('not a regular file'),
    })
    rmSync(journal)
    mkdirSync(journal)
    expect(failureWithoutTrace(recover, [path]).code).toBe('HDF5_TORN')
  })

  test('is refused to whoever may not write it, or not read its journal.', () => {
    tear(path)
    expect(asStranger(() => tryOpen(path, { mode: 'read' }))).toBe('torn')
    if (process.geteuid?.() !== 0) chmodSync(path, 0o444)
    const failure = failureWithoutTrace(() => asStranger(recover))
    expect(failure).toMatchObject({ code: 'HDF5_NEEDS_RECOVERY', message: expect.stringContaining('Somebody who may write it') })
    chmodSync(path, 0o666)
    chmodSync(journal, 0o600)
    if (process.geteuid?.() === 0) {
      expect(failureWithoutTrace(() => asStranger(recover)).code).toBe('HDF5_NEEDS_RECOVERY')
      chmodSync(journal, 0o666)
      // The journal cannot be removed from a folder that is not theirs; without the mark it does no harm.
      expect(asStranger(recover)).toBe(true)
      expect(existsSync(journal)).toBe(true)
      expect(isAsBefore()).toBe(true)
    }
    expect([recover(), hasJournal(path)]).not.toEqual([false, false])
    commitSomething()
    expect(hasJournal(path)).toBe(false)
  })
})

test('A file that is whole is nothing to recover, also for whoever may only read it.', () => {
  expect(asStranger(recover)).toBe(false)
  const stored = open(path, { mode: 'read' })
  expect(recover()).toBe('busy')
  expect(asStranger(recover)).toBe(false)
  stored.close()
  expect(failureOf(() => recover({ path: join(folder, 'none') })).code).toBe('HDF5_NO_FILE')
  writeFileSync(path, 'foreign')
  expect(failureOf(recover).code).toBe('HDF5_NOT_HDF5')
})

describe('A damaged journal', () => {
  test('is not used, wherever the damage lies, as long as it was relied on; its end, if it was not, may be missing.', () => {
    const stored = open(path)
    stored.write(Buffer.alloc(100, 1), 5000)
    stored.write(Buffer.alloc(5000, 1), 12_000)
    stored.close()
    const whole = readFileSync(journal)
    for (let at = 0; at < whole.length; at += at < 200 ? 1 : 97) {
      overwrite(journal, at, Buffer.from([whole[at]! ^ 0x10]))
      if (failureWithoutTrace(recover).code !== 'HDF5_TORN') throw new Error(`damage at ${at}`)
      overwrite(journal, at, whole.subarray(at, at + 1))
    }
    for (let length = whole.length - 1; length > 0; length -= length < 200 ? 1 : 101) {
      writeFileSync(journal, whole.subarray(0, length))
      if (failureWithoutTrace(recover).code !== 'HDF5_TORN') throw new Error(`cut to ${length}`)
    }
    const batch = whole.subarray(HEADER_BYTES)
    for (const tail of [Buffer.alloc(5000), batch.subarray(0, 10), batch.subarray(0, 3000), Buffer.alloc(3, 1)]) {
      const torn = readFileSync(path)
      writeFileSync(journal, Buffer.concat([whole, tail]))
      expect(recover()).toBe(true)
      expect(isAsBefore()).toBe(true)
      writeFileSync(path, torn)
    }
  })

  test('may end with what another one had in that place, which is not taken for its own.', () => {
    const write = (places: readonly number[]): Buffer => {
      const stored = open(path)
      for (const place of places) stored.write(Buffer.alloc(10, place), place)
      stored.close()
      return readFileSync(journal)
    }
    const earlier = write([100, 9000])
    open(path).close()
    const changed = open(path)
    changed.write(Buffer.from('changed'), 9000)
    changed.commit()
    changed.close()
    before = readFileSync(path)
    const whole = write([100])
    writeFileSync(journal, Buffer.concat([whole, earlier.subarray(whole.length)]))
    expect(recover()).toBe(true)
    expect(isAsBefore()).toBe(true)
  })

  test('is told from its place, and from whether it is to be believed.', () => {
    tear(path)
    truncateSync(journal, HEADER_BYTES + 300)
    expect(failureWithoutTrace(recover).message).toMatch(/bytes, from byte 70 on, cannot be read. Nothing was touched/)
  })
})

describe('A journal beside a file without a mark', () => {
  test('is not rolled back, and goes with the next transaction if it was that file’s.', () => {
    tear(path)
    overwrite(path, 0, SIGNATURE)
    const edited = readFileSync(path)
    expect(recover()).toBe(false)
    open(path, { mode: 'read' }).close()
    open(path).close()
    expect(readFileSync(path).equals(edited)).toBe(true)
    expect(hasJournal(path)).toBe(true)
    before = edited
    commitSomething()
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })

  test('whose writer died before its header was complete, goes.', () => {
    tear(path)
    const whole = readFileSync(journal)
    expect(recover()).toBe(true)
    for (const length of [0, 3, 8, HEADER_BYTES - 1]) {
      writeFileSync(journal, whole.subarray(0, length))
      commitSomething()
      expect(readdirSync(folder)).toEqual(['data.h5'])
    }
  })

  test('is moved aside if it is not known, or another file’s, and never deleted.', () => {
    const foreign = Buffer.from('something else that has this name')
    for (let round = 0; round < 2; round++) {
      writeFileSync(journal, foreign)
      commitSomething()
    }
    const target = join(memoryFolder(), 'target')
    writeFileSync(target, 'target')
    symlinkSync(target, journal)
    commitSomething()
    mkdirSync(journal)
    commitSomething()
    const aside = ['', '.1', '.2', '.3'].map((end) => `${journal}.unknown${end}`)
    expect(readdirSync(folder)).toHaveLength(5)
    for (const one of aside.slice(0, 2)) expect(readFileSync(one).equals(foreign)).toBe(true)
    expect(readlinkSync(aside[2]!)).toBe(target)
    expect(readFileSync(target, 'utf8')).toBe('target')
    expect(lstatSync(aside[3]!).isDirectory()).toBe(true)
    expect(isWhole(path)).toBe(true)
  })

  test('that can be neither removed nor moved refuses the write, and the file stays as it was.', () => {
    if (process.geteuid?.() !== 0) return
    writeFileSync(journal, 'something')
    chmodSync(path, 0o666)
    asStranger(() => {
      const stored = open(path)
      expect(failureOf(() => stored.write(Buffer.alloc(1), 100))).toMatchObject({
        code: 'HDF5_DENIED',
        message: expect.stringContaining(journal),
      })
      stored.rollBack()
      stored.close()
    })
    expect(isAsBefore()).toBe(true)
    expect(statSync(dirname(journal)).uid).toBe(0)
  })
})
