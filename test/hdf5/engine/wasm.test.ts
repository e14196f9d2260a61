// SPDX-License-Identifier: MIT
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Engine, loadEngine } from '../../../src/hdf5/engine/wasm.ts'
import { failureOf, stacksIn } from '../../../src/hdf5/engine/wasm-failures.ts'
import type { Attachment, Source } from '../../../src/hdf5/engine/wasm-files.ts'
import { isHdf5Error } from '../../../src/hdf5/errors.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'

const WHERE = { file: 'data.h5', object: '/' }

/** A file in memory that counts what is done to it. */
class Memory implements Source {
  bytes: Uint8Array
  writes = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get size(): number {
    return this.bytes.length
  }

  read(into: Uint8Array, position: number): number {
    const part = this.bytes.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  write(bytes: Uint8Array, position: number): void {
    this.writes++
    this.truncate(Math.max(this.size, position + bytes.length))
    this.bytes.set(bytes, position)
  }

  truncate(length: number): void {
    const bytes = new Uint8Array(length)
    bytes.set(this.bytes.subarray(0, length))
    this.bytes = bytes
  }
}

function memoryFile(engine: Engine): { source: Memory; file: Attachment } {
  const source = new Memory(engine.emptyFile())
  return { source, file: { path: '/nowhere/data.h5', source } }
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isHdf5Error(error)) return error.code
    throw error
  }
  return 'done'
}

describe('The engine', () => {
  test('works on whatever stands for a file, and has no descriptor of its own.', async () => {
    const engine = await loadEngine()
    const { source, file } = memoryFile(engine)
    const before = openDescriptors()
    const id = engine.open(file, 'write')
    engine.call(file, WHERE, () => engine.module.create_group(id, '/a', false))
    expect(openDescriptors()).toBe(before)
    engine.close(file, id)
    expect(source.writes).toBeGreaterThan(0)
    const again = engine.open(file, 'read')
    expect(engine.call(file, WHERE, () => engine.module.get_names(again, '/', false))).toEqual(['a'])
    engine.close(file, again)
  })

  test('raises what h5wasm keeps to itself.', async () => {
    const engine = await loadEngine()
    const { module } = engine
    const { source, file } = memoryFile(engine)
    const id = engine.open(file, 'write')
    const call = <Result>(work: () => Result) => engine.call(file, WHERE, work)
    call(() => module.create_group(id, '/a', false))
    expect(codeOf(() => call(() => module.create_group(id, '/a', false)))).toBe('HDF5_EXISTS')
    expect(codeOf(() => call(() => module.get_names(id, '/none', false)))).toBe('HDF5_NO_OBJECT')
    expect(codeOf(() => call(() => module.delete_attribute(id, '/a', 'none')))).toBe('HDF5_NO_OBJECT')
    engine.close(file, id)
    source.truncate(100)
    expect(codeOf(() => engine.open(file, 'read'))).toBe('HDF5_NOT_HDF5')
  })

  test('tells of what went wrong with the file itself, whatever the library makes of it.', async () => {
    const engine = await loadEngine()
    const { source, file } = memoryFile(engine)
    const id = engine.open(file, 'write')
    source.write = () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    }
    engine.call(file, WHERE, () => engine.module.create_group(id, '/a', false))
    expect(codeOf(() => engine.close(file, id))).toBe('HDF5_FULL')
    const { file: good } = memoryFile(engine)
    engine.close(good, engine.open(good, 'write'))
  })

  test('lets no write through to a file that is in nobody’s service.', async () => {
    const engine = await loadEngine()
    const path = join(temporaryFolder(), 'alone.h5')
    writeFileSync(path, engine.emptyFile())
    const bytes = readFileSync(path)
    const { file } = memoryFile(engine)
    for (const mode of [1, 2, 4]) {
      let id = -1n
      codeOf(() => {
        id = engine.call(file, WHERE, () => engine.module.open(path, mode, false, -1, -1))
      })
      codeOf(() => id >= 0n && engine.call(file, WHERE, () => engine.module.create_group(id, '/a', false)))
      codeOf(() => id >= 0n && engine.call(file, WHERE, () => engine.module.close_file(id)))
      expect(readFileSync(path)).toEqual(bytes)
    }
    expect(() => engine.module.FS.unlink(path)).toThrow()
    expect(() => engine.module.FS.truncate(path, 0)).toThrow()
    expect(readFileSync(path)).toEqual(bytes)
  })

  test('that has crashed refuses every call, and a new one takes its place.', async () => {
    const engine = await loadEngine()
    const { file } = memoryFile(engine)
    const id = engine.open(file, 'read')
    const crash = () => {
      throw Object.assign(new Error('unreachable'), { name: 'RuntimeError' })
    }
    expect(codeOf(() => engine.call(file, WHERE, crash))).toBe('HDF5_FAILED')
    expect([engine.hasCrashed, engine.isWorn]).toEqual([true, true])
    expect(() => engine.call(file, WHERE, () => engine.module.get_names(id, '/', false))).toThrow('crashed')
    const { file: good } = memoryFile(await loadEngine())
    expect(good.source.size).toBeGreaterThan(0)
  })

  test('wears out when errors were thrown through it too often.', async () => {
    const engine = await loadEngine()
    const { file } = memoryFile(engine)
    const id = engine.open(file, 'read')
    let thrown = 0
    for (; !engine.isWorn; thrown++) codeOf(() => engine.call(file, WHERE, () => engine.module.get_dataset_metadata(id, '/none')))
    expect(thrown).toBeLessThan(1000)
    expect(engine.hasCrashed).toBe(false)
  })
})

describe('What HDF5 prints', () => {
  const stack = (...lines: string[]) =>
    `HDF5-DIAG: Error detected in HDF5 (2.0.0):\n${lines.map((line, index) => `  #00${index}: /src/H5.c line 1 in ${line}\n    major: M\n    minor: m\n`).join('')}`

  test('becomes an error with a code, a filter named.', () => {
    const missing = stack("H5Dread(): can't read data", "H5Z_pipeline(): required filter 'lzf' is not registered", 'H5PL_load(): no plugin')
    expect(failureOf(stacksIn(missing), WHERE)).toMatchObject({ code: 'HDF5_FILTER', message: expect.stringContaining("'lzf'"), ...WHERE })
    const other = stack('H5Dwrite(): outer', 'H5D__write(): inner')
    expect(failureOf(stacksIn(other), WHERE)).toMatchObject({ code: 'HDF5_FAILED', message: '/ in data.h5: HDF5 says: outer: inner.' })
    expect(failureOf(stacksIn(stack('H5Fopen(): unable', 'H5F_open(): file is already open for write')), WHERE).code).toBe('HDF5_TORN')
  })

  test('is nothing when h5wasm only asked a question that has no answer.', () => {
    const harmless = stack("H5Tset_order(): can't set order", 'H5T__set_order(): operation not allowed')
    expect(stacksIn(harmless)).toEqual([])
    expect(stacksIn(harmless + stack('H5Dread(): no'))).toHaveLength(1)
    expect(stacksIn('')).toEqual([])
  })
})
