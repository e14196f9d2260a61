// SPDX-License-Identifier: MIT
// Disks that are full, and limits on the size of files. A small disk is mounted in a mount namespace of a process of its own, into which the
// test looks through /proc/PID/root.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createFile } from '../../../src/hdf5/storage/create.ts'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { generator } from '../../support/random.ts'
import { failureOf, hasJournal, isWhole, makeFile, open, tear, tryOpen } from './files.ts'
import { content } from './transactions.ts'

const PAGE = 4096

async function smallDisk(options: string): Promise<string> {
  const point = temporaryFolder()
  const mount = `mount -t tmpfs -o ${options} tmpfs ${point} && echo mounted && exec cat`
  const child = spawn('unshare', ['-m', 'sh', '-c', mount], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return `/proc/${child.pid}/root${point}`
}

/** Leaves room for so many pages, whatever was left before. */
function leaveRoom(folder: string, pages: number): void {
  rmSync(join(folder, 'fill'), { force: true })
  writeFileSync(join(folder, 'fill'), Buffer.alloc((statfsSync(folder).bfree - pages) * PAGE))
  expect(statfsSync(folder).bfree).toBe(pages)
}

test('A disk that is full at any moment of a transaction leaves the file as it was, also where it has holes.', async () => {
  const folder = await smallDisk('size=400k')
  const { path } = makeFile(folder)
  const fd = openSync(path, 'r+')
  ftruncateSync(fd, 60_000)
  writeSync(fd, Buffer.alloc(10, 1), 0, 10, 60_000)
  closeSync(fd)
  const before = readFileSync(path)
  const where = new Set<string>()
  for (let pages = 0; ; pages++) {
    leaveRoom(folder, pages)
    const stored = open(path)
    let step = 0
    try {
      stored.write(Buffer.alloc(100, 1), 5000)
      step = 1
      // Into holes, which are filled by it.
      stored.write(Buffer.alloc(10_000, 1), 30_000)
      step = 2
      stored.write(Buffer.alloc(10_000, 1), stored.size)
      step = 3
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' })
      expect(stored.failure).toBe(error)
    }
    if (step === 3) {
      stored.close()
      break
    }
    where.add(`${step} ${hasJournal(path)}`)
    stored.rollBack()
    stored.close()
    expect(hasJournal(path)).toBe(false)
    expect(isWhole(path)).toBe(true)
    expect(readFileSync(path).equals(before)).toBe(true)
  }
  expect([...where]).toEqual(['0 false', '1 true', '2 true'])
  leaveRoom(folder, 0)
  open(path).close()
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('A file that was cut off, and cannot be restored for want of room, is restored when there is some.', async () => {
  const folder = await smallDisk('size=400k')
  const { path, before } = makeFile(folder)
  tear(path)
  leaveRoom(folder, 0)
  const failure = failureOf(() => tryOpen(path))
  expect(failure).toMatchObject({ code: 'HDF5_FULL', message: expect.stringMatching(/no space is left.*ENOSPC/) })
  expect(tryOpen(path, { mode: 'read' })).toBe('torn')
  leaveRoom(folder, 2)
  open(path).close()
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('A disk without an inode left refuses the journal.', async () => {
  const folder = await smallDisk('size=400k,nr_inodes=3')
  const { path, before } = makeFile(folder)
  writeFileSync(join(folder, 'last'), '')
  const stored = open(path)
  expect(failureOf(() => stored.write(Buffer.alloc(1), 100)).code).toBe('ENOSPC')
  stored.rollBack()
  stored.close()
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('A full disk takes no new file, keeps the old one, and no part of the new one stays.', async () => {
  const folder = await smallDisk('size=400k')
  const { path, before } = makeFile(folder)
  leaveRoom(folder, 1)
  const empty = content(generator(3), 3 * PAGE, 0)
  for (const request of [
    { path, replace: true },
    { path: `${path}.new`, replace: false },
  ]) {
    expect(failureOf(() => createFile({ ...request, durability: 'process', lease: null }, empty)).code).toBe('HDF5_FULL')
  }
  expect(readFileSync(path).equals(before)).toBe(true)
  expect(readdirSync(folder).sort()).toEqual(['data.h5', 'fill'])
})

test('A limit on the size of files stops a transaction, or its journal, and leaves the file as it was.', () => {
  const { path, before } = makeFile(temporaryFolder())
  const limit = (bytes: number | 'unlimited'): void => {
    expect(spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]).status).toBe(0)
  }
  onTestFinished(() => limit('unlimited'))
  for (const [bytes, position, length] of [
    [20_100, 20_000, 1000],
    [10_000, 1000, 12_000],
  ] as const) {
    const stored = open(path)
    limit(bytes)
    expect(failureOf(() => stored.write(Buffer.alloc(length, 1), position)).code).toBe('EFBIG')
    stored.rollBack()
    stored.close()
    limit('unlimited')
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(join(path, '..'))).not.toContain(journalPath('data.h5'))
  }
})
