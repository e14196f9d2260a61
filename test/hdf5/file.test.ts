// SPDX-License-Identifier: MIT
import { AsyncResource } from 'node:async_hooks'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { File, type FileMode, type Group, H5File, recoverFile, slice, toNested } from '../../src/hdf5/index.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { codeOf, copyOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'

useOwnLocks()

/** Runs something as a task of its own, not as a part of the session that it is called in. */
const outside = AsyncResource.bind(<Result>(work: () => Promise<Result>): Promise<Result> => work())

describe('A file', () => {
  test('is read by path, slice by slice.', async () => {
    await using file = await File.open(copyOf('smpl_i64le.h5'))
    expect(await file.keys()).toEqual(['TestArray'])
    const dataset = await file.dataset('TestArray')
    const { data, shape, stride } = await dataset.read(slice(1, 3), slice(null, null, 2))
    expect(data).toBeInstanceOf(BigInt64Array)
    expect(shape).toEqual([2, 3])
    expect(stride).toEqual([3, 1])
    expect(file).toBeInstanceOf(H5File)
  })

  test('opened with "r" must exist, and is not written.', async () => {
    expect(await codeOf(File.open(newPath()))).toBe('HDF5_NO_FILE')
    const path = copyOf('smpl_i64le.h5')
    const before = readFileSync(path)
    const file = await File.open(path, 'r')
    expect(await codeOf(file.attrs.set('a', 1))).toBe('HDF5_READ_ONLY')
    expect(await codeOf(file.createGroup('g'))).toBe('HDF5_READ_ONLY')
    expect(await codeOf(file.write(() => undefined))).toBe('HDF5_READ_ONLY')
    expect(readFileSync(path)).toEqual(before)
  })

  test('opened with "r+" must exist, and is written.', async () => {
    expect(await codeOf(File.open(newPath(), 'r+'))).toBe('HDF5_NO_FILE')
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r+')
    await file.attrs.set('by', 'us')
    expect(await (await File.open(path)).attrs.get('by')).toBe('us')
    expect(await file.keys()).toEqual(['TestArray'])
  })

  test('opened with "w" is empty at once.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'w')
    expect(await (await File.open(path)).keys()).toEqual([])
    await file.createGroup('a')
    expect(await file.keys()).toEqual(['a'])
    const made = newPath()
    await File.open(made, 'w')
    expect(existsSync(made)).toBe(true)
  })

  test('is not emptied by "w" while somebody uses it.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r')
    await file.read(async (view) => {
      expect(await codeOf(File.open(relative('.', path), 'w', { timeout: 0 }))).toBe('LOCK_REENTRANT')
      expect(await view.keys()).toEqual(['TestArray'])
    })
    let opened: Promise<File> | undefined
    await file.read(async (view) => {
      opened = outside(() => File.open(path, 'w'))
      for (let round = 0; round < 20; round++) expect(await view.keys()).toEqual(['TestArray'])
    })
    expect(await (await opened!).keys()).toEqual([])
  })

  test.each(['w-', 'x'] as const)('opened with "%s" must not exist.', async (mode) => {
    const path = newPath()
    const file = await File.open(path, mode)
    await file.createGroup('a')
    expect(await codeOf(File.open(path, mode))).toBe('HDF5_FILE_EXISTS')
    expect(await file.keys()).toEqual(['a'])
  })

  test('opened with "x" by many at once is made by one.', async () => {
    const path = newPath()
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => File.open(path, 'x')))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('opened with "a" is made if there is none, and kept if there is.', async () => {
    const path = newPath()
    const both = await Promise.all([File.open(path, 'a'), File.open(path, 'a')])
    await both[0].createGroup('a')
    expect(await both[1].keys()).toEqual(['a'])
    expect(await (await File.open(path, 'a')).keys()).toEqual(['a'])
  })

  test('is found through symbolic links, also where they lead to nothing yet.', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'link.h5')
    mkdirSync(join(folder, 'there'))
    symlinkSync('there/real.h5', path)
    const file = await File.open(path, 'a')
    expect(statSync(join(folder, 'there/real.h5')).isFile()).toBe(true)
    await file.createGroup('a')
    expect(await (await File.open(pathToFileURL(join(folder, 'there/real.h5')))).keys()).toEqual(['a'])
  })

  test('that is none, or cannot be had, is found out when it is opened.', async () => {
    const folder = temporaryFolder()
    const text = join(folder, 'notes.txt')
    writeFileSync(text, 'These are notes, not data.'.repeat(100))
    const error = await errorOf(File.open(text))
    expect(error).toMatchObject({ code: 'HDF5_NOT_HDF5', file: text })
    expect(error.message).toContain(text)
    expect(readFileSync(text, 'utf8')).toMatch(/^These are notes/)
    expect(await codeOf(File.open(text, 'a'))).toBe('HDF5_NOT_HDF5')
    expect(await codeOf(File.open(folder))).toBe('HDF5_NOT_HDF5')
    expect(await codeOf(File.open(join(folder, 'no/such/folder.h5'), 'w'))).toBe('HDF5_NO_FILE')
    expect(await codeOf(File.open(join(text, 'below.h5')))).toBe('HDF5_NO_FILE')
  })

  test('that goes away is missed at the next access, and used when it is back.', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'a.h5')
    const file = await File.open(path, 'w')
    renameSync(path, `${path}.away`)
    expect(await codeOf(file.keys())).toBe('HDF5_NO_FILE')
    renameSync(`${path}.away`, path)
    expect(await file.keys()).toEqual([])
  })

  test('that is closed is used no more; closing waits for what is under way.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r+')
    const dataset = await file.dataset('TestArray')
    const reading = dataset.read()
    let read = false
    void reading.then(() => {
      read = true
    })
    await file.close()
    expect(read).toBe(true)
    await file.close()
    expect(await codeOf(file.keys())).toBe('HDF5_CLOSED')
    expect(await codeOf(dataset.read())).toBe('HDF5_CLOSED')
    expect(await codeOf(file.read(() => 1))).toBe('HDF5_CLOSED')
    expect(file).toMatchObject({ path, mode: 'r+', name: '/', kind: 'group' })
  })

  test('needs no recovery when nobody died.', async () => {
    expect(await recoverFile(copyOf('smpl_i64le.h5'))).toBe(false)
    expect(await codeOf(recoverFile(newPath()))).toBe('HDF5_NO_FILE')
  })

  test('says what is wrong with arguments, before anything is locked or made.', async () => {
    const path = newPath()
    const wrong: [unknown, unknown, unknown][] = [
      [path, 'rw', {}],
      [path, null, {}],
      [path, 'w', { timeout: -1 }],
      [path, 'w', { timeout: '5' }],
      [path, 'w', { signal: {} }],
      [path, 'w', { name: 7 }],
      [path, 'w', { durability: 'fsync' }],
      [path, 'w', { locks: {} }],
      [path, 'w', { lockPath: '' }],
      [path, 'w', { lock: '/a' }],
      [path, 'w', null],
      [path, 'w', 'x'],
      ['', 'w', {}],
      ['a\0b', 'w', {}],
      [undefined, 'w', {}],
      [new URL('https://example.org/a.h5'), 'w', {}],
    ]
    for (const [place, mode, options] of wrong) {
      expect(await codeOf(File.open(place as string, mode as FileMode, options as object)), JSON.stringify([mode, options])).toBe(
        'HDF5_INVALID',
      )
    }
    expect(existsSync(path)).toBe(false)
    const file = await File.open(path, 'w')
    for (const work of [undefined, 7, {}]) expect(await codeOf(file.write(work as unknown as () => void))).toBe('HDF5_INVALID')
    expect(await codeOf(file.read(() => 1, { timeout: Number.NaN }))).toBe('HDF5_INVALID')
    expect(await codeOf(file.read(() => 1, { lockPath: '/a' } as object))).toBe('HDF5_INVALID')
    expect(() => file.with({ timeout: -1 })).toThrow('timeout')
  })
})

describe('A view', () => {
  test('shows one state of the file, and answers what the function answers.', async () => {
    const file = await File.open(copyOf('smpl_i64le.h5'), 'r+')
    const writing: Promise<unknown>[] = []
    const seen = await file.read(async (view) => {
      const before = await view.attrs.keys()
      writing.push(outside(() => file.attrs.set('late', 1)))
      for (let round = 0; round < 20; round++) expect(await view.attrs.keys()).toEqual(before)
      return [before, view.file === file, view.name]
    })
    expect(seen).toEqual([[], true, '/'])
    await Promise.all(writing)
    expect(await file.attrs.keys()).toEqual(['late'])
  })

  test('writes nothing.', async () => {
    const file = await File.open(copyOf('smpl_i64le.h5'), 'r+')
    await file.read(async (view) => {
      expect(await codeOf(view.attrs.set('a', 1))).toBe('HDF5_READ_ONLY')
      expect(await codeOf((await view.dataset('TestArray')).append([1]))).toBe('HDF5_READ_ONLY')
      expect(await codeOf(view.requireGroup('new'))).toBe('HDF5_READ_ONLY')
      expect((await view.requireGroup('/')).name).toBe('/')
    })
  })

  test('is over when the function is, with all that came from it.', async () => {
    const file = await File.open(copyOf('smpl_i64le.h5'))
    const [view, dataset, attrs] = await file.read(async (root) => [root, await root.dataset('TestArray'), root.attrs] as const)
    for (const late of [() => view.keys(), () => dataset.read(), () => attrs.keys(), () => view.with({ timeout: 5 }).get('TestArray')]) {
      expect(await codeOf(late())).toBe('HDF5_CLOSED')
    }
    expect(await file.keys()).toEqual(['TestArray'])
  })
})

describe('A transaction', () => {
  test('is written as a whole.', async () => {
    const file = await File.open(newPath(), 'w')
    const other = await File.open(file.path)
    const answer = await file.write(async (tx, lease) => {
      const group = await tx.createGroup('a/b')
      const dataset = await group.createDataset('c', { data: Float64Array.of(1, 2, 3) })
      await dataset.write(7, 1)
      await group.attrs.set('unit', 'mV')
      expect(lease.valid).toBe(true)
      return toNested(await dataset.read())
    })
    expect(answer).toEqual([1, 7, 3])
    expect(toNested(await (await other.dataset('/a/b/c')).read())).toEqual([1, 7, 3])
    expect(await (await other.group('a/b')).attrs.all()).toEqual({ unit: 'mV' })
  })

  test('is rolled back by what the function throws, which is thrown on.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const before = readFileSync(path)
    const file = await File.open(path, 'r+')
    const reason = new Error('changed my mind')
    const failing = file.write(async (tx) => {
      await (await tx.dataset('TestArray')).write(5n)
      await tx.createDataset('more', { data: new Float32Array(10_000) })
      throw reason
    })
    await expect(failing).rejects.toBe(reason)
    expect(readFileSync(path)).toEqual(before)
    await expect(file.write(() => Promise.reject(undefined))).rejects.toBe(undefined)
  })

  test('goes on after an operation that failed, if the function does.', async () => {
    const file = await File.open(newPath(), 'w')
    await file.write(async (tx) => {
      await tx.createGroup('a')
      expect(await codeOf(tx.createGroup('a'))).toBe('HDF5_EXISTS')
      expect(await codeOf(tx.dataset('none'))).toBe('HDF5_NO_OBJECT')
      await tx.createGroup('b')
    })
    expect(await file.keys()).toEqual(['a', 'b'])
  })

  test('waits for what was not awaited, and fails with it.', async () => {
    const file = await File.open(newPath(), 'w')
    await file.write((tx) => {
      void tx.createGroup('a')
      void tx.createGroup('a/b')
    })
    expect(await (await file.group('a')).keys()).toEqual(['b'])
    const failing = file.write((tx) => {
      void tx.createGroup('c')
      tx.createGroup('a').catch(() => 'Node would report it, too')
    })
    expect(await codeOf(failing)).toBe('HDF5_EXISTS')
    expect(await file.keys()).toEqual(['a'])
  })

  test('keeps what is appended side by side.', async () => {
    const file = await File.open(newPath(), 'w')
    await file.createDataset('log', { shape: [0], maxShape: [null], dtype: 'int32' })
    await file.write(async (tx) => {
      const log = await tx.dataset('log')
      await Promise.all(Array.from({ length: 10 }, (_, number) => log.append([number])))
    })
    const { data } = await (await file.dataset('log')).read<Int32Array>()
    expect([...data].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('is over when the function is.', async () => {
    const file = await File.open(newPath(), 'w')
    let late: Group | undefined
    let second: Promise<string> | undefined
    await file.write((tx) => {
      late = tx
      void tx.createGroup('a').then(() => {
        second = codeOf(tx.createGroup('b'))
      })
    })
    expect(await second).toBe('HDF5_CLOSED')
    expect(await codeOf(late!.createGroup('c'))).toBe('HDF5_CLOSED')
    expect(await file.keys()).toEqual(['a'])
  })
})
