// SPDX-License-Identifier: MIT
// The front door, method by method, on the memory backend: what is asked for, what is answered, what is refused.
import { describe, expect, test } from 'vitest'
import { LockSpace, memoryBackend } from '../src/index.ts'
import { LosingBackend } from './support/losing-backend.ts'
import { isPending } from './support/pending.ts'

describe('Taking a lock', () => {
  test('Readers share, and a writer waits for all of them.', async () => {
    const locks = new LockSpace()
    const one = await locks.read('/a')
    const two = await locks.read('/a')
    const writer = locks.write('/a')
    await one.release()
    expect(await isPending(writer)).toBe(true)
    await two.release()
    expect((await writer).state).toBe('held')
  })

  test('A lock on a path covers everything below it, and nothing beside it.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.write('/a/b')
    expect(await locks.tryRead('/a/b/c/d')).toBeNull()
    expect(await locks.tryRead('/a')).toBeNull()
    expect(await locks.tryRead('/')).toBeNull()
    expect(await locks.tryWrite('/a/bc')).not.toBeNull()
    expect(await locks.tryWrite('/c')).not.toBeNull()
  })

  test('Several sub-trees are taken whole or not at all.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.write('/to')
    expect(await locks.tryLock({ read: '/from', write: '/to' })).toBeNull()
    expect(await locks.tryWrite('/from')).not.toBeNull()
  })

  test('A request may read a tree and write something in it.', async () => {
    const locks = new LockSpace()
    await using lease = await locks.lock({ read: '/a', write: ['/a/b', '/a/c'] })
    expect(lease).toMatchObject({ read: ['/a'], write: ['/a/b', '/a/c'] })
    expect(await locks.tryRead('/a/d')).not.toBeNull()
    expect(await locks.tryRead('/a/b')).toBeNull()
    expect(await locks.tryWrite('/a/d')).toBeNull()
  })

  test('A path may be text or, inside a list, segments.', async () => {
    const locks = new LockSpace()
    await using lease = await locks.read([['a', 'b'], '/c'])
    expect(lease.read).toEqual(['/a/b', '/c'])
    const { write } = await locks.lock({ write: [['d']] })
    expect(write).toEqual(['/d'])
  })

  test('Keys of an object store are relative, if the space was made so.', async () => {
    const locks = new LockSpace(memoryBackend(), { paths: 'object-key' })
    await using _ = await locks.write('folder/')
    expect(await locks.tryRead('folder/object')).toBeNull()
    expect(await locks.tryRead('folder-2/object')).not.toBeNull()
    await expect(new LockSpace().read('folder')).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  })

  test.each(['tryRead', 'tryWrite'] as const)('%s answers a lease, or null when somebody is in the way.', async (method) => {
    const locks = new LockSpace()
    await using lease = await locks[method]('/a', { name: 'nightly' })
    expect(lease).toMatchObject({ state: 'held', name: 'nightly' })
    expect(method === 'tryRead' ? await locks.tryWrite('/a') : await locks.tryRead('/a')).toBeNull()
    expect(await locks.tryLock({ read: '/b', write: [] })).toMatchObject({ read: ['/b'] })
  })

  test.each(['tryReadSync', 'tryWriteSync'] as const)(
    '%s answers the lease itself, or null, and throws where it is asked for nonsense.',
    (method) => {
      const locks = new LockSpace()
      const lease = locks[method]('/a', { name: 'nightly' })
      expect(lease).toMatchObject({ state: 'held', name: 'nightly' })
      expect(locks.tryLockSync({ read: '/b', write: '/a' })).toBeNull()
      expect(locks.tryLockSync({ read: '/b', write: '/c' })).toMatchObject({ read: ['/b'], write: ['/c'] })
      expect(() => locks[method]('a')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
      void locks.close()
      expect(() => locks[method]('/d')).toThrow(expect.objectContaining({ code: 'LOCK_CLOSED' }))
      expect(() => new LockSpace(new LosingBackend())[method]('/a')).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED' }))
    },
  )

  test('A ready-made node is a path too, and is the same place as the path of its key.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.write({ key: '/a/b', ancestors: ['/a', '/'] })
    expect(await locks.tryRead('/a')).toBeNull()
    expect(await locks.tryLock({ read: ['/c', { key: '/a/b/c', ancestors: ['/', '/a', '/a/b'] }] })).toBeNull()
  })

  test('A try does not pass those who wait.', async () => {
    const locks = new LockSpace()
    await using reader = await locks.read('/a')
    const writer = locks.write('/a')
    expect(await locks.tryRead('/a')).toBeNull()
    await reader.release()
    await (await writer).release()
    expect(await locks.tryRead('/a')).not.toBeNull()
  })

  test('held and waiting count the leases and the requests of the space.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const waiting = [locks.write('/a'), locks.read('/a')]
    expect(locks).toMatchObject({ held: 1, waiting: 2 })
    await lease.release()
    expect(locks).toMatchObject({ held: 1, waiting: 1 })
    await (await waiting[0]!).release()
    await (await waiting[1]!).release()
    expect(locks).toMatchObject({ held: 0, waiting: 0 })
  })

  test('Twenty thousand paths can be locked one after the other, and the first ones again.', async () => {
    const locks = new LockSpace()
    for (let i = 0; i < 20_000; i++) await (await locks.write(`/${i}/a`)).release()
    await using _ = await locks.write('/0/a')
    expect(await locks.tryRead('/0')).toBeNull()
    expect(await locks.tryWrite('/1/a')).not.toBeNull()
  })

  test('The space says on which engine it stands.', () => {
    const { backend } = new LockSpace(memoryBackend({ prefer: 'writers' }))
    expect(backend).toMatchObject({ name: 'memory', prefer: 'writers', supports: { scope: 'thread' } })
  })
})

describe('Order', () => {
  const arrive = (locks: LockSpace) => {
    const order: string[] = []
    const come = (name: string, request: Parameters<LockSpace['lock']>[0]) =>
      locks.withLock(request, () => {
        order.push(name)
      })
    return { order, come }
  }

  test('Conflicting requests enter in the order in which they came.', async () => {
    const locks = new LockSpace()
    const { order, come } = arrive(locks)
    const lease = await locks.write('/a')
    const all = [come('reader', { read: '/a' }), come('writer', { write: '/a/b' }), come('late reader', { read: '/' })]
    await lease.release()
    await Promise.all(all)
    expect(order).toEqual(['reader', 'writer', 'late reader'])
  })

  test('In a space that prefers writers, a waiting writer goes before waiting readers.', async () => {
    const locks = new LockSpace(memoryBackend({ prefer: 'writers' }))
    const { order, come } = arrive(locks)
    const lease = await locks.write('/a')
    const all = [come('reader', { read: '/a' }), come('writer', { write: '/a/b' }), come('late reader', { read: '/' })]
    await lease.release()
    await Promise.all(all)
    expect(order[0]).toBe('writer')
    expect(order.slice(1).sort()).toEqual(['late reader', 'reader'])
  })

  test('Each conflicting lease has a larger token than those before it, minted when it is granted.', async () => {
    const locks = new LockSpace()
    const first = await locks.write('/a')
    const second = locks.write('/a')
    const elsewhere = await locks.write('/b')
    await first.release()
    const { token } = await second
    expect(typeof token).toBe('bigint')
    expect(token).toBeGreaterThan(first.token)
    expect(token).toBeGreaterThan(elsewhere.token)
  })
})

describe('A lease', () => {
  test('that is downgraded lets readers in and keeps writers out, with the same token.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const { token } = lease
    const reader = locks.read('/a/b')
    const writer = locks.write('/a')
    await lease.downgrade()
    await (await reader).release()
    expect(await isPending(writer)).toBe(true)
    expect(lease).toMatchObject({ token, read: ['/a'], write: [] })
    await lease.release()
    await (await writer).release()
  })

  test('cannot be upgraded.', async () => {
    await expect((await new LockSpace().read('/a')).upgrade()).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED' })
  })

  test('that is released twice frees nobody else.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    await lease.release()
    await using _ = await locks.write('/a')
    await lease.release()
    expect(await locks.tryRead('/a')).toBeNull()
  })

  test('and what inspect() answers survive JSON.stringify, tokens as text.', async () => {
    const locks = new LockSpace()
    await using lease = await locks.write('/a', { name: 'nightly' })
    expect(JSON.parse(JSON.stringify(lease))).toMatchObject({
      state: 'held',
      token: lease.token.toString(),
      write: ['/a'],
      name: 'nightly',
    })
    const waiter = locks.read('/a')
    const seen = await locks.inspect()
    expect(JSON.parse(JSON.stringify(seen))).toEqual(seen)
    await lease.release()
    await (await waiter).release()
  })
})

describe('inspect() and blockers()', () => {
  test('name who holds and who waits, since when, and for whom.', async () => {
    const locks = new LockSpace()
    await new Promise(setImmediate) // times are those of the turn of the event loop
    const before = Date.now() - 1000
    const lease = await locks.read('/a', { name: 'holder' })
    const line = [locks.write('/a', { name: 'writer' }), locks.read('/a/b', { name: 'reader' })]
    const { backend, holders, waiters } = await locks.inspect()
    expect(backend).toBe('memory')
    expect(holders).toMatchObject([{ state: 'held', name: 'holder', token: lease.token.toString(), read: ['/a'] }])
    expect(waiters).toMatchObject([
      { state: 'waiting', name: 'writer', token: null, write: ['/a'], waitsFor: [holders[0]!.id] },
      { state: 'waiting', name: 'reader', token: null, read: ['/a/b'], waitsFor: [waiters[0]!.id] },
    ])
    for (const { owner, since, claims } of [...holders, ...waiters]) {
      expect(owner).toMatchObject({ pid: process.pid, thread: expect.any(Number), command: expect.stringContaining('node') })
      expect(new Date(since).toISOString()).toBe(since)
      expect(Date.parse(since)).toBeGreaterThan(before)
      expect(claims[0]).toMatchObject({ key: '/' })
    }
    expect(new Set([...holders, ...waiters].map(({ id }) => id)).size).toBe(3)
    await lease.release()
    for (const waiter of line) await (await waiter).release()
    expect(await locks.inspect()).toMatchObject({ holders: [], waiters: [] })
  })

  test('tell whom a request would have to wait for, and nobody if it could enter.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.read('/a', { name: 'holder' })
    const writer = locks.write('/a', { name: 'writer', timeout: 1 }).catch(() => null)
    expect(await locks.blockers({ write: '/a' })).toMatchObject([{ name: 'holder' }, { name: 'writer' }])
    expect(await locks.blockers({ read: '/a' })).toMatchObject([{ name: 'writer' }])
    expect(await locks.blockers({ write: '/b' })).toEqual([])
    await writer
  })

  test('tell a writer that goes before waiting readers that it does not wait for them.', async () => {
    const locks = new LockSpace(memoryBackend({ prefer: 'writers' }))
    const lease = await locks.write('/a', { name: 'holder' })
    const reader = locks.read('/a', { name: 'reader' })
    expect(await locks.blockers({ write: '/a' })).toMatchObject([{ name: 'holder' }])
    await lease.release()
    await (await reader).release()
  })
})

describe('Bad input rejects with LOCK_INVALID, never throws, and takes nothing:', () => {
  const nothing = undefined as never
  const work = () => 'done'
  const calls: Record<string, (locks: LockSpace) => Promise<unknown>> = {
    'no path': (locks) => locks.read(nothing),
    'null for a path': (locks) => locks.write(null as never),
    'a number for a path': (locks) => locks.tryRead(7 as never),
    'an object for a path': (locks) => locks.tryWrite({} as never),
    'an empty list of paths': (locks) => locks.read([]),
    'a relative path': (locks) => locks.write('a'),
    'one bad path among good ones': (locks) => locks.write(['/a', '/b/../c']),
    'segments that are not in a list': (locks) => locks.read(['a', 'b']),
    'no request': (locks) => locks.lock(nothing),
    'null for a request': (locks) => locks.tryLock(null as never),
    'a list for a request': (locks) => locks.lock(['/a'] as never),
    'text for a request': (locks) => locks.lock('/a' as never),
    'an empty request': (locks) => locks.lock({}),
    'a request of two empty lists': (locks) => locks.lock({ read: [], write: [] }),
    'a request with a misspelt word': (locks) => locks.lock({ reed: '/a' } as never),
    'a request with a word too many': (locks) => locks.lock({ read: '/a', writes: '/b' } as never),
    'a request with null in it': (locks) => locks.lock({ read: '/a', write: null } as never),
    'options that are null': (locks) => locks.read('/a', null as never),
    'options that are a number': (locks) => locks.read('/a', 500 as never),
    'a negative time-out': (locks) => locks.read('/a', { timeout: -1 }),
    'a time-out that is not a number': (locks) => locks.write('/a', { timeout: '5' as never }),
    'a time-out of NaN': (locks) => locks.lock({ read: '/a' }, { timeout: Number.NaN }),
    'a signal that is none': (locks) => locks.read('/a', { signal: {} as never }),
    'a name that is not text': (locks) => locks.tryRead('/a', { name: 7 as never }),
    'a node whose key is not text': (locks) => locks.read({ key: 7, ancestors: [] } as never),
    'a node whose ancestors are no list': (locks) => locks.lock({ write: [{ key: '/a', ancestors: null }] } as never),
    'no work': (locks) => locks.withRead('/a', nothing),
    'options and no work': (locks) => locks.withWrite('/a', {}, nothing),
    'work that is no function': (locks) => locks.withLock({ read: '/a' }, {}, 7 as never),
    'a bad path for work': (locks) => locks.withWrite('a', work),
    'bad options for work': (locks) => locks.withRead('/a', { timeout: -1 }, work),
    'no request for blockers': (locks) => locks.blockers(nothing),
  }

  test.each(Object.entries(calls))('%s', async (_, call) => {
    const locks = new LockSpace()
    const answer = call(locks)
    expect(answer).toBeInstanceOf(Promise)
    await expect(answer).rejects.toMatchObject({ name: 'LockError', code: 'LOCK_INVALID' })
    expect(locks).toMatchObject({ held: 0, waiting: 0 })
    expect(await locks.tryWrite('/')).not.toBeNull()
  })

  test('options of the space itself', () => {
    expect(() => new LockSpace(memoryBackend(), { paths: 'posix' as never })).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
    expect(() => memoryBackend({ prefer: 'readers' as never })).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })
})
