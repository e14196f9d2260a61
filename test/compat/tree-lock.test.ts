// SPDX-License-Identifier: MIT
// treelock's face: the callable lock, and nodes that are objects.
import { describe, expect, test } from 'vitest'
import { TreeLock, type TreeLockRequest, type TreeNode } from '../../src/compat/tree-lock.ts'
import { LockSpace, memoryBackend } from '../../src/index.ts'
import { isPending } from '../support/pending.ts'

/** A path object in the manner of Python's pathlib: its parents are all of its ancestors, the nearest first. */
class PurePath implements TreeNode {
  readonly key: string

  constructor(text: string) {
    this.key = text
  }

  get parents(): PurePath[] {
    if (this.key === '/') return []
    const parent = new PurePath(this.key.slice(0, this.key.lastIndexOf('/')) || '/')
    return [parent, ...parent.parents]
  }
}

/** A node that knows its nearest parent alone. */
const folder = (key: string, parent?: TreeNode): TreeNode => ({ key, parents: new Set(parent === undefined ? [] : [parent]) })

async function busy(lock: TreeLock, request: TreeLockRequest): Promise<boolean> {
  try {
    await (await lock(request, { timeout: 0 })).release()
    return false
  } catch (error) {
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT' })
    return true
  }
}

describe('A TreeLock', () => {
  test('is called with what to read and what to write, and gives a lease.', async () => {
    const lock = new TreeLock()
    {
      await using lease = await lock({ read: ['/a'], write: ['/b'] })
      expect(lease).toMatchObject({ state: 'held', read: ['/a'], write: ['/b'] })
      expect(await busy(lock, { read: ['/b/c'] })).toBe(true)
      expect(await busy(lock, { read: ['/a/c'] })).toBe(false)
    }
    expect(await busy(lock, { write: ['/'] })).toBe(false)
  })

  test('runs work under the lock with `with`.', async () => {
    const lock = new TreeLock()
    const answer = await lock.with({ write: ['/a'] }, async (lease) => {
      expect(lease.write).toEqual(['/a'])
      return await busy(lock, { read: ['/a'] })
    })
    expect(answer).toBe(true)
    const failing = lock.with({ write: ['/a'] }, { timeout: 10 }, () => Promise.reject(new Error('disk full')))
    await expect(failing).rejects.toThrow('disk full')
    expect(await busy(lock, { write: ['/a'] })).toBe(false)
  })

  test('is a TreeLock, and each excludes its own requests alone.', async () => {
    const lock = new TreeLock()
    expect(lock).toBeInstanceOf(TreeLock)
    expect(typeof lock).toBe('function')
    await using _ = await lock({ write: ['/'] })
    expect(await busy(new TreeLock(), { write: ['/'] })).toBe(false)
  })

  test('can be extended.', async () => {
    class Store extends TreeLock {
      remove(key: string): Promise<string> {
        return this.with({ write: [key] }, () => `${key} is gone`)
      }
    }
    expect(await new Store().remove('/a')).toBe('/a is gone')
  })

  test('takes a signal and a time-out.', async () => {
    const lock = new TreeLock()
    await using _ = await lock({ write: ['/a'] })
    await expect(lock({ read: ['/a'] }, { timeout: 1 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await expect(lock({ read: ['/a'] }, { signal: AbortSignal.abort('stop') })).rejects.toBe('stop')
    const waiting = lock({ read: ['/a'] }, { signal: AbortSignal.timeout(1) })
    await expect(waiting).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('may read a tree and write in it by one request, in whatever order they are named.', async () => {
    const lock = new TreeLock()
    for (const request of [
      { read: ['/a'], write: ['/a/b'] },
      { read: ['/a/b/c', '/a'], write: ['/a/b', '/a/b/d'] },
    ]) {
      await using _ = await lock(request)
      expect(await busy(lock, { read: ['/a/e'] })).toBe(false)
      expect(await busy(lock, { write: ['/a/e'] })).toBe(true)
      expect(await busy(lock, { read: ['/a/b'] })).toBe(true)
      expect(await busy(lock, { write: ['/c'] })).toBe(false)
    }
  })

  test('lets in first who came first.', async () => {
    const lock = new TreeLock()
    const order: string[] = []
    const held = await lock({ read: ['/a'] })
    const all = [
      lock.with({ write: ['/a/b'] }, () => order.push('writer')),
      lock.with({ read: ['/a'] }, () => order.push('reader')),
      lock.with({ write: ['/'] }, () => order.push('root')),
    ]
    expect(await isPending(all[1]!)).toBe(true)
    await held.release()
    await Promise.all(all)
    expect(order).toEqual(['writer', 'reader', 'root'])
  })

  test('says who waits for whom.', async () => {
    const lock = new TreeLock()
    const lease = await lock({ write: ['/a'] })
    const reader = lock({ read: ['/a'] })
    const { holders, waiters } = await lock.inspect()
    expect(waiters).toMatchObject([{ read: ['/a'], waitsFor: [holders[0]!.id] }])
    await lease.release()
    await (await reader).release()
  })

  test('on a lock space of somebody else keeps its rules for paths, and excludes what is locked there.', async () => {
    const locks = new LockSpace(memoryBackend(), { paths: 'object-key' })
    const lock = new TreeLock(locks)
    await using _ = await lock({ write: ['folder/'] })
    expect(await locks.tryRead('folder/object')).toBeNull()
  })
})

describe('A node', () => {
  test('may be text, a list of segments, or an object, and one place is one place.', async () => {
    const lock = new TreeLock()
    for (const write of ['/a/b', ['a', 'b'], new PurePath('/a/b'), folder('/a/b', folder('/a', folder('/')))]) {
      await using _ = await lock({ write: [write] })
      for (const read of ['/a', ['a', 'b', 'c'], new PurePath('/a/b/c'), folder('/a', folder('/'))]) {
        expect(await busy(lock, { read: [read] })).toBe(true)
      }
      for (const read of ['/c', ['a', 'c'], new PurePath('/a/c'), folder('/a/c', folder('/a', folder('/')))]) {
        expect(await busy(lock, { read: [read] })).toBe(false)
      }
    }
  })

  test('may list its parents in any order, all of them or the nearest alone, in any iterable.', async () => {
    const lock = new TreeLock()
    const root = { key: 'root', parents: [] }
    const a = { key: 'a', parents: [root] }
    const b = { key: 'b', parents: [a] }
    await using _ = await lock({ write: [a] })
    const parents: (() => Iterable<TreeNode>)[] = [
      () => [root, a, b],
      () => [b, a, root],
      () => [a, root, b],
      () => new Set([b]),
      () => new Map([['up', b]]).values(),
    ]
    for (const [i, all] of parents.entries()) {
      expect(await busy(lock, { read: [{ key: `c${i}`, parents: all() }] })).toBe(true)
    }
    expect(await busy(lock, { write: [{ key: 'd', parents: [root] }] })).toBe(false)
    expect(await busy(lock, { read: [root] })).toBe(true)
  })

  test('may lie below several parents that do not lie below each other: it is locked with each of them.', async () => {
    const lock = new TreeLock()
    const both = { key: 'both', parents: [folder('left'), folder('right')] }
    for (const name of ['left', 'right']) {
      await using _ = await lock({ write: [folder(name)] })
      expect(await busy(lock, { read: [both] })).toBe(true)
    }
    await using _ = await lock({ write: [both] })
    expect(await busy(lock, { read: [folder('left')] })).toBe(true)
  })

  test('needs no order among keys: a parent may sort after its children.', async () => {
    const lock = new TreeLock()
    const z = folder('z')
    await using _ = await lock({ read: [z], write: [folder('a', z)] })
    expect(await busy(lock, { read: [folder('b', z)] })).toBe(false)
    expect(await busy(lock, { write: [folder('b', z)] })).toBe(true)
  })

  test('that makes no sense rejects with LOCK_INVALID, and takes nothing.', async () => {
    const lock = new TreeLock()
    const circle: { key: string; parents: TreeNode[] } = { key: 'circle', parents: [] }
    circle.parents.push({ key: 'other', parents: [circle] })
    const requests: unknown[] = [
      undefined,
      null,
      '/a',
      {},
      { read: [], write: [] },
      { reed: ['/a'] },
      { read: ['/a'], writes: ['/b'] },
      { read: null, write: ['/a'] },
      { read: '/a' },
      { read: folder('a') },
      { read: 7 },
      { read: ['a'] },
      { read: [7] },
      { read: [null] },
      { write: [{ key: 'a' }] },
      { write: [{ key: 'a', parents: 'b' }] },
      { write: [{ key: 7, parents: [] }] },
      { write: [{ key: 'a', parents: ['b'] }] },
      { write: [{ key: 'a', parents: [{ key: 'b' }] }] },
      { write: [circle] },
    ]
    for (const request of requests) {
      await expect(lock(request as TreeLockRequest)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
      await expect(lock.with(request as TreeLockRequest, () => expect.unreachable())).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    }
    await expect(lock.with({ read: ['/a'] }, undefined as never)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    expect((await lock.inspect()).holders).toEqual([])
  })
})
