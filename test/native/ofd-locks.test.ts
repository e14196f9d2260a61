// SPDX-License-Identifier: MIT
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { awaitRange, blockerOf, EXCLUSIVE, lockRange, SHARED, unlockRange } from '../../src/native/ofd-locks.ts'
import { python } from '../lock-file/foreign.ts'
import { memoryFolder, temporaryFolder } from '../support/file-folders.ts'

/** Locks that belong to an open file have none. */
const NO_PROCESS = -1

describe.each([
  ['the disk', temporaryFolder],
  ['tmpfs', memoryFolder],
])('byte-range locks on %s', (_, folder) => {
  let path: string
  let a: number
  let b: number

  beforeEach(() => {
    path = join(folder(), 'file')
    writeFileSync(path, '')
    a = openSync(path, 'r+')
    b = openSync(path, 'r+')
    return () => {
      closeSync(a)
      closeSync(b)
    }
  })

  test('two descriptors of one process exclude each other', () => {
    expect(lockRange(a, EXCLUSIVE, 10, 5)).toBe(true)
    expect(lockRange(b, SHARED, 14, 1)).toBe(false)
    expect(lockRange(b, EXCLUSIVE, 15, 1)).toBe(true)
    expect(lockRange(b, EXCLUSIVE, 9, 1)).toBe(true)
    unlockRange(a, 10, 5)
    expect(lockRange(b, EXCLUSIVE, 10, 5)).toBe(true)
  })

  test('shared locks stand beside each other, and keep an exclusive one out', () => {
    expect(lockRange(a, SHARED, 0, 1)).toBe(true)
    expect(lockRange(b, SHARED, 0, 1)).toBe(true)
    expect(lockRange(a, EXCLUSIVE, 0, 1)).toBe(false)
    expect(blockerOf(a, EXCLUSIVE, 0, 1)).toEqual({ type: SHARED, start: 0, length: 1, pid: NO_PROCESS })
    unlockRange(b, 0, 1)
    expect(lockRange(a, EXCLUSIVE, 0, 1)).toBe(true)
  })

  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 7, 2 ** 48 + 2 ** 31, 2 ** 52 - 2 ** 17])(
    'a range at %d is its own, and is reported where it lies',
    (start) => {
      const length = 65_535
      expect(lockRange(a, EXCLUSIVE, start, length)).toBe(true)
      expect(blockerOf(b, SHARED, start + length - 1, 100)).toEqual({ type: EXCLUSIVE, start, length, pid: NO_PROCESS })
      expect(lockRange(b, EXCLUSIVE, start + length, 1)).toBe(true)
      expect(lockRange(b, EXCLUSIVE, start - 1, 1)).toBe(true)
      // What is left of the address after cutting it to 32 bits is free.
      if (start >= 2 ** 32) expect(blockerOf(b, EXCLUSIVE, start % 2 ** 32, length)).toBeNull()
      expect(lockRange(b, SHARED, start, 1)).toBe(false)
      unlockRange(a, start, length)
      expect(blockerOf(b, EXCLUSIVE, start, length)).toBeNull()
    },
  )

  test('a conversion takes one step, in both directions, and a refused one leaves what was there', () => {
    lockRange(a, EXCLUSIVE, 0, 10)
    expect(lockRange(a, SHARED, 0, 10)).toBe(true)
    expect(lockRange(b, SHARED, 3, 1)).toBe(true)
    expect(lockRange(a, EXCLUSIVE, 0, 10)).toBe(false)
    expect(blockerOf(b, EXCLUSIVE, 0, 1)).toEqual({ type: SHARED, start: 0, length: 10, pid: NO_PROCESS })
    unlockRange(b, 3, 1)
    expect(lockRange(a, EXCLUSIVE, 0, 10)).toBe(true)
  })

  test('giving up the middle of a range leaves both ends', () => {
    lockRange(a, EXCLUSIVE, 0, 100)
    unlockRange(a, 40, 20)
    expect(blockerOf(b, SHARED, 0, 100)).toEqual({ type: EXCLUSIVE, start: 0, length: 40, pid: NO_PROCESS })
    expect(blockerOf(b, SHARED, 40, 100)).toEqual({ type: EXCLUSIVE, start: 60, length: 40, pid: NO_PROCESS })
    expect(lockRange(b, EXCLUSIVE, 40, 20)).toBe(true)
  })

  test('no length means all bytes, those to come included', () => {
    expect(lockRange(a, EXCLUSIVE, 0, 0)).toBe(true)
    expect(blockerOf(b, SHARED, 2 ** 52, 1)).toEqual({ type: EXCLUSIVE, start: 0, length: 0, pid: NO_PROCESS })
    expect(lockRange(b, EXCLUSIVE, 2 ** 52, 1)).toBe(false)
    unlockRange(a, 0, 0)
    awaitRange(b, EXCLUSIVE, 2 ** 52, 1)
    expect(lockRange(a, SHARED, 0, 0)).toBe(false)
  })

  test('a traditional lock is excluded, and its process is named', async () => {
    const them = python('lockf')
    expect(await them.take(path, 'write')).toBe(true)
    expect(lockRange(a, SHARED, 0, 1)).toBe(false)
    expect(blockerOf(a, SHARED, 0, 1)).toEqual({ type: EXCLUSIVE, start: 0, length: 0, pid: them.pid })
  })

  test('closing another descriptor of the file does no harm, closing its own frees', () => {
    const other = openSync(path, 'r+')
    lockRange(other, EXCLUSIVE, 0, 1)
    closeSync(openSync(path, 'r+'))
    closeSync(openSync(path, 'r'))
    expect(lockRange(a, EXCLUSIVE, 0, 1)).toBe(false)
    closeSync(other)
    expect(lockRange(a, EXCLUSIVE, 0, 1)).toBe(true)
  })

  test('its own locks are no blockers', () => {
    lockRange(a, EXCLUSIVE, 0, 1)
    expect(blockerOf(a, EXCLUSIVE, 0, 1)).toBeNull()
  })

  test('asking takes nothing', () => {
    expect(blockerOf(a, EXCLUSIVE, 0, 1)).toBeNull()
    expect(lockRange(b, EXCLUSIVE, 0, 1)).toBe(true)
  })

  test('a descriptor that cannot carry the lock is an error, not a refusal', () => {
    const reading = openSync(path, 'r')
    try {
      expect(lockRange(reading, SHARED, 0, 1)).toBe(true)
      expect(() => lockRange(reading, EXCLUSIVE, 0, 1)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'fcntl' }))
      expect(() => unlockRange(999_999, 0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
      expect(() => blockerOf(999_999, SHARED, 0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    } finally {
      closeSync(reading)
    }
  })
})
