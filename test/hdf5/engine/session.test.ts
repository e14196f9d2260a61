// SPDX-License-Identifier: MIT
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Operation, WriteOperation } from '../../../src/hdf5/engine/protocol.ts'
import { loadEngine } from '../../../src/hdf5/engine/wasm.ts'
import { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'
import { lockFile } from '../../../src/native/flock.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { answerOf, Desk, errorOf } from './desk.ts'

let desk: Desk
let path: string
let descriptors: number

beforeAll(async () => {
  desk = await Desk.open()
})
beforeEach(() => {
  path = join(temporaryFolder(), 'data.h5')
  writeFileSync(path, desk.engine.emptyFile())
  answerOf(desk.ask(path, 'write', create('/data')))
  descriptors = openDescriptors()
})
afterEach(() => {
  vi.restoreAllMocks()
  expect(openDescriptors()).toBe(descriptors)
})

const KEYS: Operation = { do: 'keys', path: '/' }

function create(name: string): WriteOperation {
  return { do: 'createDataset', path: name, options: { data: new Float32Array(5000).fill(1) } }
}

function begin(session: number, mode: 'read' | 'write', lease: SharedArrayBuffer | null = null): void {
  answerOf(desk.send({ session, open: { file: path, mode, durability: 'process', lease }, operations: [] }))
}

function keys(): readonly unknown[] {
  return answerOf(desk.ask(path, 'read', KEYS))[0] as string[]
}

describe('A session', () => {
  test('answers until it is closed, and what it wrote is there afterwards.', () => {
    begin(1, 'write')
    expect(answerOf(desk.send({ session: 1, operations: [create('/a'), KEYS] }))).toEqual([undefined, ['a', 'data']])
    expect(answerOf(desk.send({ session: 1, operations: [create('/b')], close: 'commit' }))).toEqual([undefined])
    expect(keys()).toEqual(['a', 'b', 'data'])
    expect(errorOf(desk.send({ session: 1, operations: [KEYS] })).code).toBe('HDF5_CLOSED')
  })

  test('that is rolled back leaves the file byte for byte.', () => {
    const before = readFileSync(path)
    begin(2, 'write')
    answerOf(desk.send({ session: 2, operations: [create('/a'), { do: 'delete', path: '/data' }, create('/b')] }))
    const writing = vi.spyOn(StoredFile.prototype, 'write')
    const discarding = vi.spyOn(StoredFile.prototype, 'discard')
    answerOf(desk.send({ session: 2, operations: [], close: 'roll back' }))
    for (const order of writing.mock.invocationCallOrder) expect(order).toBeGreaterThan(discarding.mock.invocationCallOrder[0]!)
    expect(readFileSync(path)).toEqual(before)
  })

  test('of one message is rolled back when one of its operations fails.', () => {
    const before = readFileSync(path)
    expect(errorOf(desk.ask(path, 'write', create('/a'), create('/data')))).toMatchObject({
      code: 'HDF5_EXISTS',
      file: path,
      object: '/data',
    })
    expect(readFileSync(path)).toEqual(before)
    expect(keys()).toEqual(['data'])
  })

  test('does not begin when the first of its operations fails.', () => {
    const open = { file: path, mode: 'write', durability: 'process', lease: null } as const
    expect(errorOf(desk.send({ session: 12, open, operations: [create('/data')] })).code).toBe('HDF5_EXISTS')
    expect(errorOf(desk.send({ session: 12, operations: [KEYS] })).code).toBe('HDF5_CLOSED')
    expect(keys()).toEqual(['data'])
  })

  test('goes on after an operation that failed before it changed anything.', () => {
    begin(3, 'write')
    expect(errorOf(desk.send({ session: 3, operations: [create('/a'), create('/data'), create('/never')] })).code).toBe('HDF5_EXISTS')
    expect(answerOf(desk.send({ session: 3, operations: [KEYS] }))).toEqual([['a', 'data']])
    answerOf(desk.send({ session: 3, operations: [], close: 'commit' }))
    expect(keys()).toEqual(['a', 'data'])
  })

  test('can only be rolled back after a failure in the middle of a change.', () => {
    const before = readFileSync(path)
    begin(4, 'write')
    answerOf(desk.send({ session: 4, operations: [create('/a')] }))
    const failing = vi.spyOn(desk.engine.module, 'create_dataset').mockImplementation(() => {
      throw new Error('error - something of the kind')
    })
    expect(errorOf(desk.send({ session: 4, operations: [create('/b')] })).code).toBe('HDF5_FAILED')
    failing.mockRestore()
    expect(errorOf(desk.send({ session: 4, operations: [KEYS] }))).toMatchObject({
      code: 'HDF5_FAILED',
      message: expect.stringContaining('failed before'),
    })
    expect(errorOf(desk.send({ session: 4, operations: [], close: 'commit' }))).toMatchObject({
      message: expect.stringContaining('something of the kind'),
    })
    expect(readFileSync(path)).toEqual(before)
  })

  test('can only be rolled back when the HDF5 library does not let go of the file.', () => {
    const before = readFileSync(path)
    begin(11, 'write')
    answerOf(desk.send({ session: 11, operations: [create('/a')] }))
    const closing = vi.spyOn(desk.engine.module, 'close_file').mockImplementation(() => 0)
    expect(errorOf(desk.send({ session: 11, operations: [{ do: 'delete', path: '/a' }] })).message).toContain('left it open')
    closing.mockRestore()
    expect(errorOf(desk.send({ session: 11, operations: [], close: 'commit' })).message).toContain('left it open')
    expect(readFileSync(path)).toEqual(before)
    vi.spyOn(desk.engine.module, 'close_file').mockImplementation(() => 0)
    expect(errorOf(desk.ask(path, 'write', create('/b'))).message).toContain('left it open')
    expect(readFileSync(path)).toEqual(before)
    vi.restoreAllMocks()
    expect(keys()).toEqual(['data'])
  })

  test.each([1, 2, 5])('on a disk that is full at write %i fails, and the file is as before.', (nth) => {
    const before = readFileSync(path)
    const { write } = StoredFile.prototype
    let writes = 0
    vi.spyOn(StoredFile.prototype, 'write').mockImplementation(function (this: StoredFile, bytes, position) {
      if (++writes < nth) return write.call(this, bytes, position)
      const error = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      Object.assign(this, { failed: error })
      throw error
    })
    const reply = desk.ask(path, 'write', { do: 'write', path: '/data', selection: [], value: 7 }, create('/a'), create('/b'))
    expect(errorOf(reply)).toMatchObject({ code: 'HDF5_FULL', file: path })
    vi.restoreAllMocks()
    expect(readFileSync(path)).toEqual(before)
    expect(existsSync(`${path}-journal`)).toBe(false)
  })

  test('whose lock is lost says so, and leaves the file to the next writer.', () => {
    const before = readFileSync(path)
    const lease = new SharedArrayBuffer(8)
    const cell = new BigInt64Array(lease)
    cell[0] = 2n ** 63n - 1n
    begin(5, 'write', lease)
    answerOf(desk.send({ session: 5, operations: [create('/a')] }))
    cell[0] = 0n
    expect(errorOf(desk.send({ session: 5, operations: [], close: 'commit' })).code).toBe('LOCK_LOST')
    answerOf(desk.ask(path, 'write'))
    expect(readFileSync(path)).toEqual(before)
  })

  test('does not begin while another program holds the file, nor on what a dead writer left.', () => {
    const rival = openSync(path, 'r+')
    expect(lockFile(rival, 'shared')).toBe(true)
    expect(desk.ask(path, 'write', KEYS).outcome).toBe('busy')
    expect(desk.ask(path, 'read', KEYS).outcome).toBe('done')
    expect(lockFile(rival, 'exclusive')).toBe(true)
    expect(desk.ask(path, 'read', KEYS).outcome).toBe('busy')
    closeSync(rival)
    const before = readFileSync(path)
    const dying = StoredFile.open({ path, mode: 'write', durability: 'process', lease: null }) as StoredFile
    dying.write(new Uint8Array(1000), 100)
    dying.close()
    expect(desk.ask(path, 'read', KEYS).outcome).toBe('torn')
    expect(desk.send({ session: 6, operations: [KEYS] }).outcome).toBe('failed')
    expect(desk.whole({ do: 'recover', file: path })).toMatchObject({ outcome: 'done', answers: [true] })
    expect(desk.whole({ do: 'recover', file: path })).toMatchObject({ outcome: 'done', answers: [false] })
    expect(readFileSync(path)).toEqual(before)
  })

  test('for reading refuses to write.', () => {
    expect(errorOf(desk.ask(path, 'read', create('/a'))).code).toBe('HDF5_READ_ONLY')
  })

  test('shares its thread with others, on other files and on the same.', () => {
    const other = join(path, '..', 'other.h5')
    expect(desk.whole({ do: 'create', file: other })).toMatchObject({ outcome: 'done' })
    expect(desk.whole({ do: 'create', file: other })).toMatchObject({ outcome: 'failed', error: { code: 'HDF5_FILE_EXISTS' } })
    begin(7, 'read')
    begin(8, 'read')
    answerOf(
      desk.send({ session: 9, open: { file: other, mode: 'write', durability: 'process', lease: null }, operations: [create('/x')] }),
    )
    for (const session of [7, 8]) expect(answerOf(desk.send({ session, operations: [KEYS] }))).toEqual([['data']])
    answerOf(desk.send({ session: 7, operations: [], close: 'commit' }))
    expect(answerOf(desk.send({ session: 8, operations: [KEYS], close: 'commit' }))).toEqual([['data']])
    expect(answerOf(desk.send({ session: 9, operations: [KEYS], close: 'commit' }))).toEqual([['x']])
    expect(answerOf(desk.ask(other, 'read', KEYS))).toEqual([['x']])
  })

  test('whose engine crashes loses its transaction, and the next has a new engine.', async () => {
    const before = readFileSync(path)
    begin(10, 'write')
    answerOf(desk.send({ session: 10, operations: [create('/a')] }))
    vi.spyOn(desk.engine.module, 'create_dataset').mockImplementation(() => {
      throw Object.assign(new Error('memory access out of bounds'), { name: 'RuntimeError' })
    })
    expect(errorOf(desk.send({ session: 10, operations: [create('/b')] }))).toMatchObject({ message: expect.stringContaining('crashed') })
    expect(desk.engine.isWorn).toBe(true)
    desk.engine = await loadEngine()
    expect(errorOf(desk.send({ session: 10, operations: [], close: 'commit' })).message).toContain('crashed')
    expect(readFileSync(path)).toEqual(before)
    expect(keys()).toEqual(['data'])
  })
})
