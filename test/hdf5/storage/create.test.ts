// SPDX-License-Identifier: MIT
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type CreateRequest, createFile } from '../../../src/hdf5/storage/create.ts'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import * as rename from '../../../src/native/rename.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { generator } from '../../support/random.ts'
import { asStranger, failureOf, makeFile, open, tear } from './files.ts'
import { content } from './transactions.ts'

vi.mock('../../../src/native/rename.ts', { spy: true })

const empty = content(generator(1), 800, 0)
let folder: string
let path: string

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'new.h5')
})

function create(more: Partial<CreateRequest> = {}): 'done' | 'busy' {
  return createFile({ path, replace: false, durability: 'process', lease: null, ...more }, empty)
}

function isNew(): boolean {
  return readFileSync(path).equals(empty)
}

describe('A new file', () => {
  test('appears under its name alone, for whom the umask lets in.', () => {
    const umask = process.umask(0o027)
    onTestFinished(() => void process.umask(umask))
    const before = openDescriptors()
    expect(create()).toBe('done')
    expect(isNew()).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(readdirSync(folder)).toEqual(['new.h5'])
    expect(openDescriptors()).toBe(before)
    open(path).close()
  })

  test('does not take a name that is taken.', () => {
    const { path: taken, before } = makeFile(folder)
    mkdirSync(join(folder, 'folder'))
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'))
    for (const name of ['data.h5', 'folder', 'link']) {
      expect(failureOf(() => create({ path: join(folder, name) })).code).toBe('HDF5_FILE_EXISTS')
    }
    expect(readFileSync(taken).equals(before)).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(['data.h5', 'folder', 'link'])
  })

  test('is refused with the reason, and nothing is left behind.', () => {
    expect(failureOf(() => create({ path: join(folder, 'none', 'new.h5') })).code).toBe('HDF5_NO_FILE')
    expect(failureOf(() => create({ path: join(folder, 'n'.repeat(300)) })).code).toBe('HDF5_INVALID')
    expect(failureOf(() => create({ lease: new SharedArrayBuffer(8) })).code).toBe('LOCK_LOST')
    chmodSync(folder, 0o555)
    expect(failureOf(() => asStranger(() => create()))).toMatchObject({ code: 'HDF5_DENIED', message: expect.stringContaining(path) })
    expect(readdirSync(folder)).toEqual([])
  })

  test('appears as well where a file system cannot rename without replacing.', () => {
    vi.mocked(rename.renameIfFree).mockReturnValueOnce('unsupported')
    expect(create()).toBe('done')
    expect(isNew()).toBe(true)
    expect(statSync(path).nlink).toBe(1)
    const taken = (): 'done' | 'busy' => {
      // It is taken after it was looked for.
      const moved = join(folder, 'moved.h5')
      renameSync(path, moved)
      vi.mocked(rename.renameIfFree).mockImplementationOnce(() => {
        renameSync(moved, path)
        return 'unsupported'
      })
      return create()
    }
    expect(failureOf(taken).code).toBe('HDF5_FILE_EXISTS')
    expect(readdirSync(folder)).toEqual(['new.h5'])
  })

  test('does not take a name that somebody takes at the last moment.', async () => {
    const { renameIfFree } = await vi.importActual<typeof rename>('../../../src/native/rename.ts')
    const race: typeof renameIfFree = (from, to) => {
      writeFileSync(to, 'other')
      return renameIfFree(from, to)
    }
    vi.mocked(rename.renameIfFree).mockImplementationOnce(race)
    expect(failureOf(() => create()).code).toBe('HDF5_FILE_EXISTS')
    expect(readFileSync(path, 'utf8')).toBe('other')
    rmSync(path)
    vi.mocked(rename.renameIfFree).mockImplementationOnce(race)
    expect(create({ replace: true })).toBe('done')
    expect(isNew()).toBe(true)
    expect(readdirSync(folder)).toEqual(['new.h5'])
  })
})

describe('A file that replaces another', () => {
  test('has its permissions and its owner, and need not replace an HDF5 file.', () => {
    for (const old of ['', 'foreign', content(generator(2), 5000, 512)]) {
      writeFileSync(path, old)
      chmodSync(path, 0o660)
      if (process.geteuid?.() === 0) chownSync(path, 1234, 4321)
      const { uid, gid } = statSync(path)
      for (const durability of ['process', 'power'] as const) {
        expect(create({ replace: true, durability })).toBe('done')
        expect(isNew()).toBe(true)
        expect(statSync(path)).toMatchObject({ uid, gid, nlink: 1 })
        expect(statSync(path).mode & 0o777).toBe(0o660)
      }
    }
    expect(readdirSync(folder)).toEqual(['new.h5'])
  })

  test('does not while somebody has that one open, and those who find the old one then look again.', () => {
    const { path, before } = makeFile(folder)
    for (const mode of ['read', 'write'] as const) {
      const stored = open(path, { mode })
      expect(create({ path, replace: true })).toBe('busy')
      stored.close()
    }
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(folder)).toEqual(['data.h5'])
  })

  test('does not when that one has several names, is no regular file, or may not be written.', () => {
    const { path: linked, before } = makeFile(folder)
    linkSync(linked, path)
    mkdirSync(join(folder, 'folder'))
    expect(failureOf(() => create({ replace: true })).code).toBe('HDF5_HARD_LINKED')
    expect(failureOf(() => create({ replace: true, path: join(folder, 'folder') })).code).toBe('HDF5_NOT_HDF5')
    rmSync(path)
    chmodSync(linked, 0o444)
    expect(failureOf(() => asStranger(() => create({ path: linked, replace: true }))).code).toBe('HDF5_DENIED')
    expect(readFileSync(linked).equals(before)).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(['data.h5', 'folder'])
  })

  test('takes the journal of a torn one along, and leaves that of any other.', () => {
    const { path } = makeFile(folder)
    tear(path)
    const journal = readFileSync(journalPath(path))
    expect(create({ path, replace: true })).toBe('done')
    expect(readdirSync(folder)).toEqual(['data.h5'])
    writeFileSync(journalPath(path), journal)
    expect(create({ path, replace: true })).toBe('done')
    expect(readFileSync(journalPath(path)).equals(journal)).toBe(true)
  })
})
