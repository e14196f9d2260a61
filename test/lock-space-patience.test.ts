// SPDX-License-Identifier: MIT
// The front door: time-outs, aborts, and requests that wait for themselves.
import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isLockError, type LockError, LockSpace, memoryBackend } from '../src/index.ts'
import { LosingBackend } from './support/losing-backend.ts'
import { isPending } from './support/pending.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const failureOf = async (promise: Promise<unknown>): Promise<LockError> => {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(isLockError(error)).toBe(true)
  return error
}

describe('A time-out', () => {
  test('rejects with LOCK_TIMEOUT once it is over, not before, and names the holders.', async () => {
    vi.useFakeTimers()
    const locks = new LockSpace()
    await using _ = await locks.write('/a', { name: 'holder' })
    const reader = locks.read('/a/b', { timeout: 5_000 })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(await isPending(reader)).toBe(true)
    const failure = failureOf(reader)
    await vi.advanceTimersByTimeAsync(1)
    const error = await failure
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'holder', write: ['/a'], state: 'held' }] })
    expect(error.message).toMatch(/Not granted within 5000 ms: read \/a\/b\. In the way: "holder", process \d+ on .* since .*: write \/a\./)
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'holder' }] })
  })

  test('of 0 is one try.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.read('/a', { timeout: 0 })
    const error = await failureOf(locks.write('/a', { timeout: 0 }))
    expect(error).toMatchObject({
      code: 'LOCK_TIMEOUT',
      holders: [{ read: ['/a'] }],
      message: expect.stringContaining('It is busy now: write /a.'),
    })
    expect(locks.waiting).toBe(0)
  })

  test('of 0 is one try on an engine that answers through promises, too.', async () => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    expect(await locks.read('/a', { timeout: 0 })).toMatchObject({ state: 'held' })
    backend.busy = true
    expect(await failureOf(locks.write('/a', { timeout: 0 }))).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] })
  })

  test.each([2 ** 31, 2 ** 31 + 5_000, 2 ** 40, Number.POSITIVE_INFINITY])(
    'of %d ms, longer than a timer can be, does not fire early.',
    async (timeout) => {
      vi.useFakeTimers()
      vi.spyOn(process, 'emitWarning').mockReturnValue()
      const locks = new LockSpace()
      const lease = await locks.write('/a')
      const reader = locks.read('/a', { timeout })
      await vi.advanceTimersByTimeAsync(2 ** 31 - 1)
      expect(await isPending(reader)).toBe(true)
      if (timeout < 2 ** 32) {
        const failure = failureOf(reader)
        await vi.advanceTimersByTimeAsync(timeout - (2 ** 31 - 1))
        expect(await failure).toMatchObject({ code: 'LOCK_TIMEOUT' })
      }
      await lease.release()
      expect(locks.waiting).toBe(0)
      if (timeout > 2 ** 32) await (await reader).release()
      expect(vi.getTimerCount()).toBeLessThanOrEqual(1)
    },
  )

  test('leaves nothing behind: those behind it move up, and the path is free afterwards.', async () => {
    const locks = new LockSpace()
    const reader = await locks.read('/a')
    const writer = locks.write(['/a', '/b'], { timeout: 5 })
    const behind = [locks.read('/a'), locks.write('/b')]
    expect(await failureOf(writer)).toMatchObject({ code: 'LOCK_TIMEOUT' })
    for (const lease of [reader, ...(await Promise.all(behind))]) await lease.release()
    expect(locks).toMatchObject({ held: 0, waiting: 0 })
    expect(await locks.tryWrite('/')).not.toBeNull()
  })

  test('does not fire after the grant.', async () => {
    vi.useFakeTimers()
    const locks = new LockSpace()
    const first = await locks.write('/a')
    const second = locks.write('/a', { timeout: 1_000 })
    await first.release()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await second).toMatchObject({ state: 'held' })
  })

  test('that falls together with the grant gives one of the two, and the count of waiting requests stays right.', async () => {
    vi.useFakeTimers()
    const backend = new LosingBackend()
    backend.busy = true
    const locks = new LockSpace(backend)
    let answer = (): void => {}
    backend.inspection = () =>
      new Promise((resolve) => {
        answer = () => resolve({ backend: 'losing', holders: [], waiters: [], silent: [] })
      })
    const early = locks.write('/a', { timeout: 1_000 })
    await vi.advanceTimersByTimeAsync(1_000)
    backend.open()
    backend.busy = true
    const late = [locks.write('/a'), locks.write('/b')]
    answer()
    await vi.advanceTimersByTimeAsync(0)
    expect(await early).toMatchObject({ state: 'held' })
    expect(locks.waiting).toBe(2)
    backend.open()
    await Promise.all(late)
    expect(locks.waiting).toBe(0)
  })

  test('is not held up by an engine that cannot say who holds.', async () => {
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    backend.busy = true
    backend.inspection = () => new Promise(() => {})
    expect(await failureOf(locks.write('/a', { timeout: 1 }))).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] })
    backend.inspection = () => Promise.reject(new Error('no connection'))
    expect(await failureOf(locks.write('/a', { timeout: 1 }))).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] })
  })
})

describe('An abort', () => {
  test('rejects with the reason of the signal, whatever it is, and leaves nothing behind.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    for (const reason of [new Error('stop'), 'stop', 7, null]) {
      const controller = new AbortController()
      const reader = locks.read('/a', { signal: controller.signal })
      controller.abort(reason)
      await expect(reader).rejects.toBe(reason)
      expect(locks.waiting).toBe(0)
    }
    await lease.release()
    expect(await locks.tryWrite('/')).not.toBeNull()
  })

  test('that came before the request rejects it, though the path is free.', async () => {
    const locks = new LockSpace()
    const signal = AbortSignal.abort('too late')
    await expect(locks.read('/a', { signal })).rejects.toBe('too late')
    await expect(locks.withWrite('/a', { signal }, () => expect.unreachable())).rejects.toBe('too late')
    expect(locks.held).toBe(0)
  })

  test('after the grant does nothing, and the signal is let go.', async () => {
    const locks = new LockSpace()
    const controller = new AbortController()
    const options = { signal: controller.signal, timeout: 10_000 }
    const first = await locks.write('/a', options)
    const second = locks.write('/a', options)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    await first.release()
    const lease = await second
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    const third = locks.write('/a', options)
    controller.abort('stop')
    expect(lease).toMatchObject({ state: 'held', valid: true })
    await expect(third).rejects.toBe('stop')
  })

  test('of one signal ends every request that waits under it, without a warning about many listeners.', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const locks = new LockSpace()
    await using _ = await locks.write('/a')
    const controller = new AbortController()
    const waiting = Array.from({ length: 50 }, () => locks.read('/a', { signal: controller.signal }))
    controller.abort('stop')
    const ends = await Promise.allSettled(waiting)
    expect(ends.every((end) => end.status === 'rejected' && end.reason === 'stop')).toBe(true)
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })

  test.each(['first-come', 'writers'] as const)(
    'of one signal lets in none of them, in whatever order they wait, where %s go first.',
    async (prefer) => {
      const locks = new LockSpace(memoryBackend({ prefer }))
      await using _ = await locks.read('/a')
      const controller = new AbortController()
      const { signal } = controller
      const waiting = [
        locks.write('/a', { signal }),
        locks.read('/a', { signal }),
        locks.write('/a/b', { signal }),
        locks.read('/a/b', { signal }),
      ]
      controller.abort('stop')
      for (const end of await Promise.allSettled(waiting)) expect(end).toEqual({ status: 'rejected', reason: 'stop' })
    },
  )

  test('while the time-out asks who holds wins over it.', async () => {
    vi.useFakeTimers()
    const backend = new LosingBackend()
    backend.busy = true
    backend.inspection = () => new Promise(() => {})
    const locks = new LockSpace(backend)
    const controller = new AbortController()
    const writer = locks.write('/a', { timeout: 10, signal: controller.signal })
    const other = locks.write('/b')
    await vi.advanceTimersByTimeAsync(10)
    controller.abort('stop')
    await expect(writer).rejects.toBe('stop')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(locks.waiting).toBe(1)
    backend.open()
    await other
    expect(locks.waiting).toBe(0)
  })
})

describe('With detectReentrancy, a task that would wait for itself', () => {
  const watched = () => new LockSpace(memoryBackend(), { detectReentrancy: true })

  test('is told so, with the lease that it holds.', async () => {
    const locks = watched()
    const inner = locks.withWrite('/a', { name: 'outer' }, () => locks.read('/a/b'))
    const error = await failureOf(inner)
    expect(error).toMatchObject({ code: 'LOCK_REENTRANT', holders: [{ name: 'outer', write: ['/a'] }] })
    expect(error.message).toMatch(/read \/a\/b.*holds write \/a \(token \d+, "outer"\)/)
    expect(locks).toMatchObject({ held: 0, waiting: 0 })
  })

  test('is told so once: what waited behind the refused request goes on.', async () => {
    const locks = watched()
    await locks.withRead('/a', async () => {
      const writer = failureOf(locks.write('/a'))
      const reader = locks.read('/a')
      expect(await writer).toMatchObject({ code: 'LOCK_REENTRANT' })
      await (await reader).release()
      await isPending(reader)
      expect(locks).toMatchObject({ held: 1, waiting: 0 })
    })
  })

  test('is told so when it would wait for a writer that waits for it.', async () => {
    const locks = watched()
    let entered = (): void => {}
    let carryOn = (): void => {}
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    const told = new Promise<void>((resolve) => {
      carryOn = resolve
    })
    const inner = locks.withRead('/a', async () => {
      entered()
      await told
      return await locks.read('/a/b')
    })
    await inside
    const writer = locks.withWrite('/a', () => 'written')
    carryOn()
    expect(await failureOf(inner)).toMatchObject({ code: 'LOCK_REENTRANT', holders: [{ read: ['/a'], state: 'held' }] })
    expect(await writer).toBe('written')
  })

  test('is told so through several nested leases.', async () => {
    const locks = watched()
    const inner = locks.withRead('/a', () => locks.withRead('/b', () => locks.write('/a')))
    expect(await failureOf(inner)).toMatchObject({ code: 'LOCK_REENTRANT', holders: [{ read: ['/a'] }] })
  })

  test('may still wait for others, read what it reads, and lock what it has released.', async () => {
    const locks = watched()
    const other = await locks.write('/b')
    const result = locks.withRead('/a', async (lease) => {
      const second = await locks.read('/a')
      const waited = locks.write('/b')
      expect(await isPending(waited)).toBe(true)
      await other.release()
      await second.release()
      await (await waited).release()
      await lease.release()
      return await locks.withWrite('/a', () => 'done')
    })
    expect(await result).toBe('done')
  })

  test('is not confused with a task beside it.', async () => {
    const locks = watched()
    const order: string[] = []
    await Promise.all(
      ['one', 'two', 'three'].map((name) =>
        locks.withWrite('/a', async () => {
          await undefined
          order.push(name)
        }),
      ),
    )
    expect(order).toEqual(['one', 'two', 'three'])
  })

  test('waits until its time-out where nobody looks for it.', async () => {
    const locks = new LockSpace()
    const inner = locks.withWrite('/a', () => locks.read('/a', { timeout: 5 }))
    expect(await failureOf(inner)).toMatchObject({ code: 'LOCK_TIMEOUT' })
  })
})
