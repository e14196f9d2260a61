// SPDX-License-Identifier: MIT
// The front door: how work ends, how leases are lost, and how a space is closed.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Lease, LockError, LockSpace, memoryBackend } from '../src/index.ts'
import { LosingBackend } from './support/losing-backend.ts'
import { isPending } from './support/pending.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** From now on the engine answers nothing until it is told to. */
function slow(backend: LosingBackend): { answers: () => void } {
  let answers = (): void => {}
  backend.slowness = new Promise((resolve) => {
    answers = resolve
  })
  return { answers: () => answers() }
}

const FORMS = {
  withRead: (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withRead('/a', work),
  'withRead and options': (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withRead('/a', { timeout: 10 }, work),
  withWrite: (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withWrite('/a', work),
  'withWrite and options': (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withWrite('/a', { name: 'nightly' }, work),
  withLock: (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withLock({ read: '/a', write: '/b' }, work),
  'withLock and options': (locks: LockSpace, work: (lease: Lease) => unknown) => locks.withLock({ read: '/a' }, {}, work),
}

describe.each(Object.entries(FORMS))('Work under %s', (_, run) => {
  test('is handed the lease, and its answer is the answer.', async () => {
    const locks = new LockSpace()
    let seen: Lease | undefined
    const answer = await run(locks, async (lease) => {
      seen = lease
      expect(lease.state).toBe('held')
      return 'done'
    })
    expect(answer).toBe('done')
    expect(seen?.state).toBe('released')
  })

  test('may be a plain function, and the lock is released after what it throws.', async () => {
    const locks = new LockSpace()
    expect(await run(locks, () => 7)).toBe(7)
    const thrown = new Error('disk full')
    await expect(
      run(locks, () => {
        throw thrown
      }),
    ).rejects.toBe(thrown)
    await expect(run(locks, () => Promise.reject(undefined))).rejects.toBeUndefined()
    expect(locks.held).toBe(0)
  })

  test('may release the lease itself.', async () => {
    const locks = new LockSpace()
    expect(await run(locks, (lease) => lease.release().then(() => 'done'))).toBe('done')
  })

  test('rejects with LOCK_LOST if the lease was lost meanwhile, though the work ended well.', async () => {
    const backend = new LosingBackend()
    const loss = new LockError('LOCK_LOST', 'The server went away.')
    const work = run(new LockSpace(backend), () => backend.loseAll(loss))
    await expect(work).rejects.toMatchObject({ code: 'LOCK_LOST', message: expect.stringContaining('somebody else'), cause: loss })
  })

  test('that fails because the lease was lost rejects with LOCK_LOST, and what it threw is the cause.', async () => {
    const backend = new LosingBackend()
    const work = run(new LockSpace(backend), async (lease) => {
      backend.loseAll()
      lease.signal.throwIfAborted()
    })
    await expect(work).rejects.toMatchObject({ code: 'LOCK_LOST', cause: { code: 'LOCK_LOST' } })
    const thrown = new Error('torn')
    const other = run(new LockSpace(backend), () => {
      backend.loseAll()
      throw thrown
    })
    await expect(other).rejects.toMatchObject({ code: 'LOCK_LOST', cause: thrown })
  })

  test('rejects with LOCK_LOST if the lease has run out by the clock, though nothing has told it yet.', async () => {
    const backend = new LosingBackend()
    const work = run(new LockSpace(backend), () => {
      backend.last.runOut = true
    })
    await expect(work).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(backend.leases.size).toBe(0)
  })

  test('that ends while the server is out of reach, its lease still good, ends well.', async () => {
    const backend = new LosingBackend()
    expect(
      await run(new LockSpace(backend), (lease) => {
        backend.last.suspend(true)
        return lease.state
      }),
    ).toBe('suspended')
  })
})

describe('Closing a space', () => {
  test('refuses new requests, every one of them, and goes on answering inspect().', async () => {
    const locks = new LockSpace()
    await locks.close()
    const requests = [
      locks.read('/a'),
      locks.write('/a'),
      locks.lock({ read: '/a' }),
      locks.tryRead('/a'),
      locks.tryWrite('/a'),
      locks.tryLock({ write: '/a' }),
      locks.withRead('/a', () => expect.unreachable()),
      locks.withWrite('/a', () => expect.unreachable()),
      locks.withLock({ read: '/a' }, () => expect.unreachable()),
    ]
    for (const request of requests) await expect(request).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
  })

  test.each(['first-come', 'writers'] as const)('rejects all who wait, in whatever order they wait, where %s go first.', async (prefer) => {
    const locks = new LockSpace(memoryBackend({ prefer }))
    const lease = await locks.read('/a')
    const waiting = [locks.write('/a'), locks.read('/a'), locks.write('/a/b'), locks.read('/a/b'), locks.write('/')]
    const closed = locks.close()
    for (const end of await Promise.allSettled(waiting)) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'LOCK_CLOSED' } })
    expect(locks).toMatchObject({ held: 1, waiting: 0 })
    await lease.release()
    await closed
  })

  test('rejects a reader that was passed by a writer, too.', async () => {
    const locks = new LockSpace(memoryBackend({ prefer: 'writers' }))
    const leases = [await locks.read('/a/x'), await locks.write('/b')]
    const waiting = [locks.read(['/a', '/b']), locks.write('/a')]
    await leases[1]!.release()
    const closed = locks.close()
    for (const end of await Promise.allSettled(waiting)) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'LOCK_CLOSED' } })
    await leases[0]!.release()
    await closed
  })

  test('waits for the leases, which stay good until they are released.', async () => {
    const backend = new LosingBackend({ immediate: false })
    const locks = new LockSpace(backend)
    const leases = [await locks.read('/a'), await locks.read('/b')]
    const closed = locks.close()
    expect(locks.close()).toBe(closed)
    expect(await isPending(closed)).toBe(true)
    await leases[0]!.release()
    expect(await isPending(closed)).toBe(true)
    expect(leases[1]).toMatchObject({ state: 'held', valid: true })
    expect(backend.closed).toBe(0)
    await leases[1]!.release()
    await closed
    expect(backend.closed).toBe(1)
  })

  test('with a time-out takes away the leases that are left after it: they are lost, and their signals fire.', async () => {
    vi.useFakeTimers()
    const locks = new LockSpace()
    const leases = [await locks.write('/a'), await locks.write('/b')]
    const closed = locks.close({ timeout: 1_000 })
    await vi.advanceTimersByTimeAsync(999)
    expect(leases.map(({ state }) => state)).toEqual(['held', 'held'])
    await vi.advanceTimersByTimeAsync(1)
    await closed
    for (const lease of leases) {
      expect(lease).toMatchObject({ state: 'lost', valid: false })
      expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', cause: { code: 'LOCK_CLOSED' } })
    }
    expect(locks.held).toBe(0)
  })

  test('with a time-out takes them away all at once, though the engine is slow to hear of it.', async () => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    const leases = [await locks.write('/a'), await locks.write('/b')]
    const engine = slow(backend)
    const closed = locks.close({ timeout: 0 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(leases.map(({ state }) => state)).toEqual(['lost', 'lost'])
    engine.answers()
    await closed
  })

  test.each(['read', 'tryRead'] as const)('while a %s is under way at the engine refuses it, or waits for its lease.', async (method) => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    const engine = slow(backend)
    const request = locks[method]('/a').catch((error) => error)
    const closed = locks.close()
    await new Promise(setImmediate)
    engine.answers()
    const answer = await request
    await new Promise(setImmediate)
    if (answer instanceof Error) {
      expect(answer).toMatchObject({ code: 'LOCK_CLOSED' })
      expect(backend.leases.size).toBe(0)
    } else {
      expect(backend.closed).toBe(0)
      await answer.release()
    }
    await closed
    expect(backend.closed).toBe(1)
  })

  test('while a request is under way that will have to wait refuses it.', async () => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    backend.busy = true
    const engine = slow(backend)
    const request = locks.read('/a')
    const closed = locks.close()
    engine.answers()
    await expect(request).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
    await closed
    expect(locks.waiting).toBe(0)
  })

  test('with a time-out does not wait for what the engine grants after it.', async () => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    const engine = slow(backend)
    const request = locks.tryRead('/a')
    const closed = locks.close({ timeout: 0 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    engine.answers()
    await request.then(
      (lease) => expect(lease).toMatchObject({ valid: false }),
      (error) => expect(error).toMatchObject({ code: 'LOCK_CLOSED' }),
    )
    await closed
    expect(backend.leases.size).toBe(0)
  })

  test('with a time-out of 0 takes them away at once.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    await locks.close({ timeout: 0 })
    expect(lease.state).toBe('lost')
  })

  test('with a time-out does not wait for it when the leases come back earlier.', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const closed = locks.close({ timeout: 1_000_000 })
    await lease.release()
    await closed
    expect(lease.state).toBe('released')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('with a time-out longer than a timer can be does not take them away early.', async () => {
    vi.useFakeTimers()
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const closed = locks.close({ timeout: Number.POSITIVE_INFINITY })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(lease.state).toBe('held')
    await lease.release()
    await closed
  })

  test('with options that make no sense is refused, and the space stays open.', async () => {
    const locks = new LockSpace()
    await expect(locks.close({ timeout: -1 })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    expect(await locks.tryRead('/a')).not.toBeNull()
  })

  test('happens at the end of an `await using` block.', async () => {
    const backend = new LosingBackend()
    {
      await using locks = new LockSpace(backend)
      await (await locks.read('/a')).release()
    }
    expect(backend.closed).toBe(1)
  })

  test('ends work under way with LOCK_LOST when it takes the lease away.', async () => {
    const locks = new LockSpace()
    const work = locks.withWrite(
      '/a',
      (lease) => new Promise((_, reject) => lease.signal.addEventListener('abort', () => reject(lease.signal.reason))),
    )
    await Promise.all([expect(work).rejects.toMatchObject({ code: 'LOCK_LOST' }), locks.close({ timeout: 1 })])
  })
})

test('No rejection is left without a listener, however requests end.', async () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  const locks = new LockSpace(memoryBackend(), { detectReentrancy: true })
  const lease = await locks.write('/a')
  const ends = [
    locks.write('/a', { timeout: 1 }),
    locks.write('/a', { timeout: 0 }),
    locks.write('/a', { signal: AbortSignal.timeout(1) }),
    locks.withWrite('/b', () => locks.read('/b')),
    locks.write('b'),
    locks.write('/a'),
  ].map((end) => end.catch(() => 'rejected'))
  await Promise.all(ends.slice(0, 5))
  const closed = locks.close({ timeout: 1 })
  expect(await Promise.all(ends)).toEqual(Array.from({ length: 6 }, () => 'rejected'))
  await closed
  await lease.downgrade().catch(() => undefined)
  await new Promise(setImmediate)
  process.off('unhandledRejection', listen)
  expect(unhandled).toEqual([])
})
