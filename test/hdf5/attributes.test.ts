// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { type Attributes, File, type NdArray, toNested } from '../../src/hdf5/index.ts'
import { codeOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'

useOwnLocks()

let file: File
let attrs: Attributes
beforeEach(async () => {
  file = await File.open(newPath(), 'w')
  attrs = (await file.createDataset('a/d', { data: [1] })).attrs
})

describe('Attributes', () => {
  test('are set, over an existing one too, and read.', async () => {
    await attrs.set('unit', 'mV')
    await attrs.set('unit', 3.5)
    await attrs.set('size', [1, 2], { dtype: 'uint8' })
    expect(await attrs.get('unit')).toBe(3.5)
    expect(toNested((await attrs.get('size')) as NdArray)).toEqual([1, 2])
    expect(await attrs.dtype('size')).toBe('uint8')
  })

  test('that are not there answer the fallback, or fail.', async () => {
    expect(await attrs.get('none', 'nothing')).toBe('nothing')
    expect(await attrs.get('none', undefined)).toBe(undefined)
    const error = await errorOf(attrs.get('none'))
    expect(error).toMatchObject({ code: 'HDF5_NO_OBJECT', object: '/a/d@none', file: file.path })
    expect(error.message).toContain('"none"')
    expect(await codeOf(attrs.dtype('none'))).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(attrs.delete('none'))).toBe('HDF5_NO_OBJECT')
  })

  test('are listed, looked for, iterated over and deleted.', async () => {
    for (const name of ['b', 'a', 'c']) await attrs.set(name, name.toUpperCase())
    expect((await attrs.keys()).sort()).toEqual(['a', 'b', 'c'])
    expect(await attrs.has('a')).toBe(true)
    await attrs.delete('a')
    expect(await attrs.has('a')).toBe(false)
    expect((await attrs.items()).sort()).toEqual([
      ['b', 'B'],
      ['c', 'C'],
    ])
    expect((await attrs.values()).sort()).toEqual(['B', 'C'])
    expect(await attrs.all()).toEqual({ b: 'B', c: 'C' })
    const names: string[] = []
    for await (const name of attrs) names.push(name)
    expect(names.sort()).toEqual(['b', 'c'])
  })

  test('may have any name.', async () => {
    for (const name of ['__proto__', 'constructor', '.', '/', 'a/b', 'Größe', ' ']) {
      await attrs.set(name, 1)
      expect(await attrs.get(name)).toBe(1)
    }
    expect(Object.keys(await attrs.all())).toContain('__proto__')
  })

  test('belong to an object that must be there.', async () => {
    await file.delete('a/d')
    expect(await codeOf(attrs.get('x', 1))).toBe('HDF5_NO_OBJECT')
    expect(await codeOf(attrs.set('x', 1))).toBe('HDF5_NO_OBJECT')
  })

  test('have the patience that they are given.', async () => {
    const patient = attrs.with({ timeout: 1000 })
    await patient.set('x', 1)
    expect(await patient.get('x')).toBe(1)
  })

  test('say what is wrong with arguments, before anything is locked.', async () => {
    for (const name of ['', undefined, 5, 'a\0b'] as string[]) {
      for (const work of [() => attrs.get(name), () => attrs.set(name, 1), () => attrs.has(name), () => attrs.delete(name)]) {
        expect(await codeOf(work())).toBe('HDF5_INVALID')
      }
    }
    expect(await codeOf(attrs.set('a', undefined as never))).toBe('HDF5_INVALID')
    expect(await codeOf(attrs.set('a', 1, { type: 'int8' } as object))).toBe('HDF5_INVALID')
    expect(await codeOf(attrs.set('a', 1, 'int8' as never))).toBe('HDF5_INVALID')
    expect(await codeOf(attrs.set('a', (() => 1) as never))).toBe('HDF5_TYPE')
  })
})
