// SPDX-License-Identifier: MIT
// Other programs that make, remove or cut files between two steps of ours, and disks and folders that refuse one of them.
import {
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createFile } from '../../../src/hdf5/storage/create.ts'
import { asHdf5Error } from '../../../src/hdf5/storage/failures.ts'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { recoverFile } from '../../../src/hdf5/storage/recover.ts'
import * as rename from '../../../src/native/rename.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { generator } from '../../support/random.ts'
import { type StepName, type Watcher, watched } from './faulty-disk.ts'
import { asStranger, type Failure, failureOf, hasJournal, makeFile, open, tear, tryOpen } from './files.ts'
import { content } from './transactions.ts'

vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faulty(await original()))
vi.mock('../../../src/native/rename.ts', { spy: true })

const empty = content(generator(1), 800, 0)
let folder: string
let path: string
let before: Buffer
let journal: string

beforeEach(() => {
  folder = temporaryFolder()
  ;({ path, before } = makeFile(folder))
  journal = journalPath(path)
})

/** Something happens just before each step that is meant. */
function just(before: (name: StepName, args: Parameters<Watcher>[1]) => boolean, happens: () => void): Watcher {
  return (name, args, go) => {
    if (before(name, args)) happens()
    return go()
  }
}

function fail(code: string): never {
  throw Object.assign(new Error(`${code}: as the disk says`), { code })
}

/** A transaction on the file that fails before it has begun: the file is as it was, and no descriptor stays. */
function refusedWrite(by: Watcher): Failure {
  const descriptors = openDescriptors()
  const stored = open(path)
  const failure = failureOf(() => watched(by, () => stored.write(Buffer.alloc(100, 1), 5000)))
  stored.rollBack()
  stored.close()
  expect(openDescriptors()).toBe(descriptors)
  expect(readFileSync(path).equals(before)).toBe(true)
  return failure
}

const makesJournal: Parameters<typeof just>[0] = (name, [file, flags]) =>
  name === 'openSync' && file === journal && (flags & constants.O_EXCL) !== 0
const looksAtJournal: Parameters<typeof just>[0] = (name, [file, flags]) =>
  name === 'openSync' && file === journal && (flags & constants.O_EXCL) === 0

describe('A journal', () => {
  test('whose name somebody else takes again and again is not made, and what they put there is kept.', () => {
    let made = 0
    const somebody = just(makesJournal, () => writeFileSync(journal, `theirs ${made++}`))
    expect(refusedWrite(somebody)).toMatchObject({ code: 'HDF5_DENIED', message: expect.stringContaining('somebody keeps making') })
    expect(made).toBeGreaterThan(2)
    const kept = readdirSync(folder).filter((name) => name.includes('journal'))
    expect(kept.map((name) => readFileSync(join(folder, name), 'utf8')).sort()).toEqual(
      Array.from({ length: made }, (_, i) => `theirs ${i}`),
    )
  })

  test('finds its name free when what was in the way goes by itself.', () => {
    writeFileSync(journal, 'theirs')
    const stored = open(path)
    watched(
      just(looksAtJournal, () => rmSync(journal)),
      () => stored.write(Buffer.from('ours'), 5000),
    )
    expect(hasJournal(path)).toBe(true)
    stored.commit()
    stored.close()
    before.write('ours', 5000)
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })

  test('refuses the write when the disk cannot tell what is in its way.', () => {
    writeFileSync(journal, 'theirs')
    expect(refusedWrite(just(looksAtJournal, () => fail('EIO')))).toMatchObject({ code: 'HDF5_DENIED', cause: { code: 'EIO' } })
    expect(readFileSync(journal, 'utf8')).toBe('theirs')
  })

  test('refuses the write when too many files were moved aside from its name already.', () => {
    const aside = ['', ...Array.from({ length: 999 }, (_, i) => `.${i + 1}`)].map((end) => `${journal}.unknown${end}`)
    for (const one of [journal, ...aside]) writeFileSync(one, 'theirs')
    expect(refusedWrite((_name, _args, go) => go())).toMatchObject({
      code: 'HDF5_DENIED',
      cause: { message: expect.stringContaining('1000 files') },
    })
    expect(readdirSync(folder)).toHaveLength(1002)
    rmSync(aside[500]!)
    const stored = open(path)
    stored.write(Buffer.alloc(1, 1), 5000)
    stored.rollBack()
    stored.close()
    expect(readFileSync(aside[500]!, 'utf8')).toBe('theirs')
  })

  test('is not written for a file that somebody else has cut short, and the file is left as they made it.', () => {
    const stored = open(path)
    truncateSync(path, 8000)
    const failure = failureOf(() => stored.write(Buffer.alloc(100, 1), 12_000))
    expect(failure).toMatchObject({ code: 'EIO', message: expect.stringContaining('cut short') })
    expect(failureOf(() => stored.commit())).toEqual(failure)
    stored.rollBack()
    stored.close()
    expect(readFileSync(path).equals(before.subarray(0, 8000))).toBe(true)
    expect(hasJournal(path)).toBe(false)
  })
})

describe('The journal of a writer who is not root', () => {
  const journalOf = (): { uid: number; gid: number; bits: number } => {
    chmodSync(folder, 0o777)
    asStranger(() => tear(path))
    const { uid, gid, mode } = statSync(journal)
    return { uid, gid, bits: mode & 0o777 }
  }

  test('is moved aside, not read, when it may not be read and is in the way of another.', () => {
    if (process.geteuid?.() !== 0) return
    writeFileSync(journal, 'secret', { mode: 0o600 })
    chmodSync(path, 0o666)
    journalOf()
    expect(readFileSync(`${journal}.unknown`, 'utf8')).toBe('secret')
    expect(recoverFile({ path, durability: 'process', lease: null })).toBe(true)
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('is closed to its own group when the group of the file cannot be had, and has that group when it can.', () => {
    if (process.geteuid?.() !== 0) return
    chmodSync(path, 0o666)
    chownSync(path, 1234, 4321)
    expect(journalOf()).toMatchObject({ uid: 65_534, gid: process.getegid?.(), bits: 0o606 })
    rmSync(journal)
    ;({ before } = makeFile(folder))
    const groups = process.getgroups!()
    onTestFinished(() => process.setgroups!(groups))
    process.setgroups!([4321])
    expect(journalOf()).toEqual({ uid: 65_534, gid: 4321, bits: 0o666 })
  })
})

test('The journal of a file has its permission bits, and takes no step for those that it is born with.', () => {
  for (const bits of [0o600, 0o640, 0o666]) {
    chmodSync(path, bits)
    const steps: StepName[] = []
    const stored = open(path)
    const note: Watcher = (name, _args, go) => {
      steps.push(name)
      return go()
    }
    watched(note, () => stored.write(Buffer.alloc(100, 1), 5000))
    expect(statSync(journal).mode & 0o777).toBe(bits)
    expect(steps.filter((name) => name.startsWith('fch'))).toEqual(bits === 0o600 ? [] : ['fchmodSync'])
    stored.rollBack()
    stored.close()
  }
})

describe('The journal of a torn file', () => {
  let moved: string
  beforeEach(() => {
    tear(path)
    moved = join(folder, 'moved.h5')
    renameSync(path, moved)
  })

  test('is looked for among files alone, whatever else bears such a name.', () => {
    for (const name of ['a', 'z']) mkdirSync(join(folder, `${name}.holdfast-journal`))
    expect(recoverFile({ path: moved, durability: 'process', lease: null })).toBe(true)
    expect(readFileSync(moved).equals(before)).toBe(true)
    rmSync(moved)
    makeFile(folder)
    tear(path)
    renameSync(path, moved)
    const whole = readFileSync(journal)
    rmSync(journal)
    expect(failureOf(() => tryOpen(moved))).toMatchObject({ code: 'HDF5_TORN', message: expect.stringContaining('missing or damaged') })
    writeFileSync(journal, whole)
    open(moved).close()
    expect(readFileSync(moved).equals(before)).toBe(true)
  })

  test('under another name is not found by whoever may not list the folder; nothing is touched.', () => {
    chmodSync(moved, 0o666)
    chmodSync(folder, 0o333)
    const torn = readFileSync(moved)
    const failure = failureOf(() => asStranger(() => recoverFile({ path: moved, durability: 'process', lease: null })))
    expect(failure).toMatchObject({ code: 'HDF5_TORN', message: expect.stringContaining(`${moved}.holdfast-journal`) })
    expect(readFileSync(moved).equals(torn)).toBe(true)
    chmodSync(folder, 0o755)
    expect(recoverFile({ path: moved, durability: 'process', lease: null })).toBe(true)
    expect(readFileSync(moved).equals(before)).toBe(true)
  })
})

test('A torn file that is cut to less than its mark while it is opened is no HDF5 file, and not taken for a torn one.', () => {
  tear(path)
  const cut = just(
    (name) => name === 'readSync',
    () => truncateSync(path, 4),
  )
  expect(failureOf(() => watched(cut, () => tryOpen(path, { mode: 'read' }))).code).toBe('HDF5_NOT_HDF5')
})

describe('A new file', () => {
  const create = (name: string): 'done' | 'busy' =>
    createFile({ path: join(folder, name), replace: true, durability: 'process', lease: null }, empty)

  test('gives up, as busy, a name that is free when it looks and taken when it comes.', async () => {
    const { renameIfFree } = await vi.importActual<typeof rename>('../../../src/native/rename.ts')
    let times = 0
    vi.mocked(rename.renameIfFree).mockImplementation((from, to) => {
      times++
      writeFileSync(to, 'theirs')
      const outcome = renameIfFree(from, to)
      rmSync(to)
      return outcome
    })
    onTestFinished(() => void vi.mocked(rename.renameIfFree).mockReset())
    expect(create('new.h5')).toBe('busy')
    expect(times).toBeGreaterThan(2)
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })

  test('is refused where a file system knows neither such a rename nor hard links, and nothing is left behind.', () => {
    vi.mocked(rename.renameIfFree).mockReturnValueOnce('unsupported')
    const noLinks = just(
      (name) => name === 'linkSync',
      () => fail('EPERM'),
    )
    expect(failureOf(() => watched(noLinks, () => create('new.h5'))).code).toBe('HDF5_DENIED')
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })

  test('takes the name of one that goes while it is to be replaced.', () => {
    const removes = just(
      (name, [file]) => name === 'openSync' && file === path,
      () => rmSync(path),
    )
    expect(watched(removes, () => create('data.h5'))).toBe('done')
    expect(readFileSync(path).equals(empty)).toBe(true)
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })
})

test('What is thrown and is no error is shown as it is, and kept as the cause.', () => {
  const error = asHdf5Error('a word', '/data.h5', 'read')
  expect(error).toMatchObject({ code: 'HDF5_FAILED', cause: 'a word', message: expect.stringContaining('a word') })
})
