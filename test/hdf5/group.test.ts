// SPDX-License-Identifier: MIT
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { Dataset, externalLink, File, Group, hardLink, type NewLink, softLink, toNested } from '../../src/hdf5/index.ts'
import { codeOf, copyOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'

useOwnLocks()

let file: File
beforeEach(async () => {
  file = await File.open(newPath(), 'w')
})

describe('A group', () => {
  test('finds objects by absolute and relative paths; "." is nothing, ".." is a name.', async () => {
    await file.write(async (tx) => {
      await tx.createGroup('a/b')
      await tx.createDataset('a/b/c', { data: [1, 2, 3] })
      await tx.createGroup('a/..')
    })
    const a = await file.group('a')
    for (const path of ['b/c', './b/./c', 'b//c', '/a/b/c', '//a/b/c/', '/./a/b/c/.']) {
      const found = await a.get(path)
      expect(found).toBeInstanceOf(Dataset)
      expect([found.name, found.kind]).toEqual(['/a/b/c', 'dataset'])
      expect(found.file).toBe(file)
    }
    expect(await a.get('.')).toBeInstanceOf(Group)
    expect((await a.get('/')).name).toBe('/')
    expect((await a.get('..')).name).toBe('/a/..')
    expect(await codeOf(a.get('../a'))).toBe('HDF5_NO_OBJECT')
  })

  test('says what is not there, and what is of another kind.', async () => {
    await file.createDataset('data', { data: 1 })
    const missing = await errorOf(file.get('no/such'))
    expect(missing).toMatchObject({ code: 'HDF5_NO_OBJECT', file: file.path })
    expect(missing.message).toContain('no/such')
    expect(await errorOf(file.group('data'))).toMatchObject({ code: 'HDF5_KIND', object: '/data' })
    expect(await codeOf(file.dataset('/'))).toBe('HDF5_KIND')
    expect(await file.has('data')).toBe(true)
    expect(await file.has('no/such')).toBe(false)
    expect(await file.has('/')).toBe(true)
  })

  test('that was deleted meanwhile is missed.', async () => {
    const group = await file.createGroup('a')
    const dataset = await group.createDataset('d', { data: [1] })
    await file.delete('a')
    expect(await codeOf(group.keys())).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(dataset.read())).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(dataset.shape)).toBe('HDF5_NO_OBJECT')
    await file.createDataset('a', { data: [1] })
    expect(await codeOf(group.keys())).toBe('HDF5_KIND')
  })

  test('lists its names, its objects, and both.', async () => {
    await file.write(async (tx) => {
      await tx.createGroup('group')
      await tx.createDataset('data', { data: [[1, 2]] })
      await tx.createLink('nowhere', softLink('/gone'))
    })
    expect(await file.keys()).toEqual(['data', 'group', 'nowhere'])
    const items = await file.items()
    expect(items.map(([name, object]) => [name, object?.kind ?? null])).toEqual([
      ['data', 'dataset'],
      ['group', 'group'],
      ['nowhere', null],
    ])
    expect((await file.values()).map((object) => object?.name)).toEqual(['/data', '/group', undefined])
    const names: string[] = []
    for await (const name of file) names.push(name)
    expect(names).toEqual(['data', 'group', 'nowhere'])
  })

  test('makes groups, with those on the way, once.', async () => {
    const group = await file.createGroup('a/b/c')
    expect(group.name).toBe('/a/b/c')
    expect(await codeOf(file.createGroup('a/b'))).toBe('HDF5_EXISTS')
    expect((await file.requireGroup('a/b/c')).name).toBe('/a/b/c')
    expect((await group.requireGroup('d/e')).name).toBe('/a/b/c/d/e')
    await file.createDataset('data', { data: 1 })
    expect(await codeOf(file.requireGroup('data'))).toBe('HDF5_KIND')
    const both = await Promise.all([file.requireGroup('x/y'), file.requireGroup('x/y')])
    expect(both.map(({ name }) => name)).toEqual(['/x/y', '/x/y'])
  })

  test('makes a dataset that is required, or looks whether the one there will do.', async () => {
    const made = await file.requireDataset('a/d', { shape: [3, 4], dtype: 'float32' })
    await made.write(1)
    const found = await file.requireDataset('a/d', { shape: [3, 4], dtype: 'float32', exact: true })
    expect(toNested(await found.read())).toEqual(Array(3).fill([1, 1, 1, 1]))
    expect(await codeOf(file.requireDataset('a/d', { shape: [3, 5], dtype: 'float32' }))).toBe('HDF5_SHAPE')
    expect(await codeOf(file.requireDataset('a/d', { shape: [3], dtype: 'float32' }))).toBe('HDF5_SHAPE')
    expect((await file.requireDataset('a/d', { shape: [3, 4], dtype: 'int16' })).name).toBe('/a/d')
    expect(await codeOf(file.requireDataset('a/d', { shape: [3, 4], dtype: 'int16', exact: true }))).toBe('HDF5_TYPE')
    const narrow = await errorOf(file.requireDataset('a/d', { shape: [3, 4], dtype: 'float64' }))
    expect(narrow).toMatchObject({ code: 'HDF5_TYPE', object: '/a/d' })
    expect(narrow.message).toMatch(/float32.*float64/)
    expect(await codeOf(file.requireDataset('a', { shape: [1], dtype: 'int8' }))).toBe('HDF5_KIND')
    const race = await Promise.all(Array.from({ length: 4 }, () => file.requireDataset('race', { shape: [2], dtype: 'int8' })))
    expect(new Set(race.map(({ name }) => name))).toEqual(new Set(['/race']))
  })

  test('replaces a dataset only when it is told to.', async () => {
    await file.createDataset('d', { data: [1, 2] })
    expect(await codeOf(file.createDataset('d', { data: [3] }))).toBe('HDF5_EXISTS')
    const replaced = await file.createDataset('d', { data: ['a', 'b', 'c'], overwrite: true })
    expect(toNested(await replaced.read())).toEqual(['a', 'b', 'c'])
  })

  test('deletes names; the object stays as long as it has another.', async () => {
    await file.createDataset('one', { data: [1, 2] })
    await file.createLink('two', hardLink(await file.dataset('one')))
    await file.delete('one')
    expect(await file.keys()).toEqual(['two'])
    expect(toNested(await (await file.dataset('two')).read())).toEqual([1, 2])
    expect(await codeOf(file.delete('one'))).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(file.delete('/'))).toBe('HDF5_INVALID')
  })

  test('makes soft, hard and external links, and tells what they are.', async () => {
    await file.createGroup('a')
    await file.createDataset('a/d', { data: [1, 2] })
    const group = await file.group('a')
    await group.createLink('soft', softLink('d'))
    await group.createLink('/deep/er/hard', hardLink('d'))
    await group.createLink('gone', softLink('/nowhere'))
    const beside = await File.open(join(file.path, '../other.h5'), 'w')
    await beside.createDataset('x', { data: 'far' })
    await group.createLink('far', externalLink('other.h5', '/x'))
    expect(await group.link('soft')).toEqual({ type: 'soft', target: 'd' })
    expect(await group.link('/deep/er/hard')).toEqual({ type: 'hard' })
    expect(await group.link('far')).toEqual({ type: 'external', file: 'other.h5', target: '/x' })
    for (const path of ['a/soft', 'deep/er/hard']) expect(toNested(await (await file.dataset(path)).read())).toEqual([1, 2])
    expect(toNested(await (await group.dataset('far')).read())).toBe('far')
    expect(await group.has('gone')).toBe(false)
    expect(await codeOf(group.get('gone'))).toBe('HDF5_LINK')
    expect(await codeOf(group.createLink('soft', softLink('x')))).toBe('HDF5_EXISTS')
    expect(await codeOf(group.createLink('no', hardLink('/nowhere')))).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(group.link('none'))).toBe('HDF5_NO_OBJECT')
  })

  test('is visited to the bottom, each object once, until the visitor answers something.', async () => {
    await file.write(async (tx) => {
      await tx.createGroup('a/b')
      await tx.createDataset('a/b/d', { data: 1 })
      await tx.createDataset('z', { data: 2 })
      await tx.createLink('a/soft', softLink('/z'))
    })
    const names: string[] = []
    expect(await file.visit((name) => void names.push(name))).toBe(undefined)
    expect(names).toEqual(['a', 'a/b', 'a/b/d', 'z'])
    const kinds: string[] = []
    await (await file.group('a')).visitItems((name, object) => void kinds.push(`${name} ${object.kind} ${object.name}`))
    expect(kinds).toEqual(['b group /a/b', 'b/d dataset /a/b/d'])
    expect(await file.visitItems(async (name, object) => (object instanceof Dataset ? name : undefined))).toBe('a/b/d')
    // The file is free meanwhile.
    await file.visit(async (name) => {
      if (name === 'z') await file.attrs.set('seen', name)
    })
    expect(await file.attrs.get('seen')).toBe('z')
  })

  test('is found by a reference that was stored.', async () => {
    const target = await file.createDataset('a/d', { data: [5] })
    await file.attrs.set('main', await target.ref)
    const reference = await file.attrs.get('main')
    expect(reference).toMatchObject({ type: 'reference', path: '/a/d' })
    expect((await file.get(reference as Awaited<typeof target.ref>)).name).toBe('/a/d')
    expect(await codeOf(file.get({ type: 'reference', path: null, to: 'object', bytes: new Uint8Array(8) }))).toBe('HDF5_NO_OBJECT')
  })

  test('of a real file leads where it does in h5py.', async () => {
    const real = await File.open(copyOf('slink.h5'))
    expect(await real.keys()).toEqual(['arr', 'arr2', 'pep', 'pep2'])
    expect(await real.link('arr2')).toEqual({ type: 'soft', target: '/arr' })
    expect(await (await real.group('pep2')).keys()).toEqual(['pep3'])
    expect(await (await real.dataset('arr2')).read()).toEqual(await (await real.dataset('arr')).read())
  })

  test('says what is wrong with arguments, before anything is locked.', async () => {
    const paths: unknown[] = ['', undefined, null, 7, 'a\0b', '\ud800']
    for (const path of paths) {
      for (const work of [
        () => file.get(path as string),
        () => file.has(path as string),
        () => file.createGroup(path as string),
        () => file.createDataset(path as string, { data: 1 }),
        () => file.delete(path as string),
        () => file.createLink(path as string, softLink('/a')),
      ]) {
        expect(await codeOf(work()), String(path)).toBe('HDF5_INVALID')
      }
      expect(() => softLink(path as string)).toThrow()
    }
    const options: unknown[] = [
      undefined,
      {},
      { data: 1, shape: 3 },
      { shape: [-1] },
      { shape: [1.5] },
      { data: [1], chunks: [0] },
      { data: [1], chunks: 'yes' },
      { data: [1], maxShape: [undefined] },
      { data: [1], gzip: 10 },
      { data: [1], gzip: 'best' },
      { data: [1], shuffle: 1 },
      { data: [1], overwrite: 'yes' },
      { data: [1], compression: 'gzip' },
      { data: [1], exact: true },
    ]
    for (const one of options)
      expect(await codeOf(file.createDataset('d', one as object as { data: 1 })), JSON.stringify(one)).toBe('HDF5_INVALID')
    expect(await codeOf(file.createDataset('d', { data: [1], dtype: 'complex64' }))).toBe('HDF5_TYPE')
    expect(await codeOf(file.createDataset('d', { data: (() => 1) as never }))).toBe('HDF5_TYPE')
    expect(await codeOf(file.requireDataset('d', { data: [1] } as never))).toBe('HDF5_INVALID')
    expect(await codeOf(file.createLink('l', { type: 'symbolic', target: '/a' } as unknown as NewLink))).toBe('HDF5_INVALID')
    expect(await codeOf(file.createLink('l', null as unknown as NewLink))).toBe('HDF5_INVALID')
    expect(await codeOf(file.visit(undefined as never))).toBe('HDF5_INVALID')
    expect(() => file.with({ patience: 5 } as object)).toThrow('patience')
    expect(await file.keys()).toEqual([])
  })
})
