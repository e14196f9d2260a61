// SPDX-License-Identifier: MIT
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { LockFile, LockMgr } from '../../src/compat/lock-file.ts'
import { python } from '../lock-file/foreign.ts'
import { failure } from '../support/file-agent.ts'
import { temporaryFolder } from '../support/file-folders.ts'

let path: string
let lock: LockMgr

beforeEach(() => {
  path = join(temporaryFolder(), 'foo.lock')
  lock = new LockMgr(path)
})

describe('LockMgr', () => {
  test('takes the lock and gives it back; a second call while it is held is true as well', async () => {
    expect([lock.lockfile, lock.acquired, lock.msg]).toEqual([path, false, ''])
    expect(await lock.acquireLock()).toBe(true)
    expect(lock.acquired).toBe(true)
    expect(await lock.acquireLock({ wait: true })).toBe(true)
    expect(lock.msg).toMatch(/already/)
    expect(await lock.releaseLock()).toBe(true)
    expect(lock.acquired).toBe(false)
    expect(await lock.releaseLock()).toBe(false)
    expect(lock.msg).toMatch(/no lock/)
  })

  test('is kept out by programs that lock the file, and keeps them out', async () => {
    expect(await lock.acquireLock()).toBe(true)
    const them = python('flock')
    expect(await them.take(path, 'write')).toBe(false)
    await lock.releaseLock()
    expect(await them.take(path, 'write')).toBe(true)
    expect(await lock.acquireLock()).toBe(false)
    expect(lock.acquired).toBe(false)
    expect(lock.msg).toMatch(new RegExp(`process ${them.pid}`))
  })

  test('waits when it is told to, and for as many seconds as it is told', async () => {
    const other = new LockMgr(path)
    await other.acquireLock()
    const began = performance.now()
    expect(await lock.acquireLock({ wait: true, timeout: 0.2 })).toBe(false)
    expect(performance.now() - began).toBeGreaterThan(190)
    expect(performance.now() - began).toBeLessThan(2000)
    const granted = lock.acquireLock({ wait: true })
    await other.releaseLock()
    expect(await granted).toBe(true)
  })

  test('is one holder, however many calls are under way at once', async () => {
    const file = new LockFile(path)
    const lease = await file.write()
    const calls = [lock.acquireLock({ wait: true }), lock.acquireLock({ wait: true }), lock.acquireLock()]
    await lease.release()
    expect(await Promise.all(calls)).toEqual([true, true, true])
    expect(await lock.releaseLock()).toBe(true)
    expect(await file.tryWrite()).not.toBeNull()
  })

  test('notices that its file was removed', async () => {
    await lock.acquireLock()
    rmSync(path)
    expect(lock.acquired).toBe(false)
    expect(await lock.acquireLock()).toBe(true)
    rmSync(path)
    expect(await lock.releaseLock()).toBe(false)
    expect(lock.msg).toMatch(/lost/)
  })

  test('answers false where the file cannot be locked, and refuses what means nothing', async () => {
    const nowhere = new LockMgr(join(path, 'no', 'such'))
    expect(await nowhere.acquireLock()).toBe(false)
    expect(nowhere.msg).toMatch(/folder/)
    expect(await failure(lock.acquireLock({ timeout: -1 }))).toMatchObject({ code: 'LOCK_INVALID' })
    expect(await failure(lock.acquireLock({ wait: 1 as unknown as boolean }))).toMatchObject({ code: 'LOCK_INVALID' })
    expect(() => new LockMgr('')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })
})
