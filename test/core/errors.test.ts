// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { invalid, isLockError, LockError } from '../../src/core/errors.ts'
import type { Holder } from '../../src/core/inspection.ts'

const holder: Holder = {
  id: 'host.1.0.1',
  state: 'held',
  read: ['/a'],
  write: [],
  claims: [{ key: '/a', mode: 'S' }],
  since: '2026-01-02T03:04:05.678Z',
  token: '18446744073709551616',
  name: 'nightly',
  owner: { pid: 1, thread: 0, host: 'host', command: 'node job.js' },
}

describe('A LockError', () => {
  test('is an Error with a name, a code, a message and a stack.', () => {
    const error = new LockError('LOCK_TIMEOUT', 'Too late.')
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toBe('LockError: Too late.')
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] })
    expect(error.stack).toContain('errors.test.ts')
  })

  test('keeps its cause, even one that is undefined, and has none when none was given.', () => {
    const cause = new Error('disk full')
    expect(new LockError('LOCK_LOST', 'Gone.', { cause }).cause).toBe(cause)
    expect('cause' in new LockError('LOCK_LOST', 'Gone.', { cause: undefined })).toBe(true)
    expect('cause' in new LockError('LOCK_LOST', 'Gone.')).toBe(false)
  })

  test('survives JSON.stringify with its code and its holders.', () => {
    const error = new LockError('LOCK_TIMEOUT', 'Too late.', { holders: [holder] })
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'LockError', code: 'LOCK_TIMEOUT', message: 'Too late.', holders: [holder] })
  })
})

describe('isLockError', () => {
  test('recognises the errors of Holdfast, and asks for a code if one is given.', () => {
    const error = invalid('No.')
    expect(isLockError(error)).toBe(true)
    expect(isLockError(error, 'LOCK_INVALID')).toBe(true)
    expect(isLockError(error, 'LOCK_LOST')).toBe(false)
  })

  test('recognises an error of another copy of the package.', () => {
    const foreign = Object.assign(new Error('Gone.'), { code: 'LOCK_LOST', [Symbol.for('holdfast.LockError')]: true })
    expect(isLockError(foreign, 'LOCK_LOST')).toBe(true)
  })

  test('is false for everything else, whatever its code says.', () => {
    const others = [Object.assign(new Error('No.'), { code: 'LOCK_LOST' }), { code: 'LOCK_LOST' }, null, undefined, 'LOCK_LOST', 7]
    for (const other of others) expect(isLockError(other)).toBe(false)
  })
})
