// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WaitingNotice } from '../../src/cli/waiting-notice.ts'
import type { Holder, Inspection, Waiter } from '../../src/core/inspection.ts'
import { owner } from '../../src/owner.ts'

const WANTED = { read: [], write: ['/a'] }
let seen: Inspection
let said: string[]

beforeEach(() => {
  vi.useFakeTimers()
  said = []
})
afterEach(() => vi.useRealTimers())

function holder(id: string, more: Partial<Holder> = {}): Holder {
  const since = new Date(Date.now() - 125_000).toISOString()
  const base = { id, state: 'held', read: [], write: ['/a'], claims: [], since, token: id, name: null } as const
  return { ...base, owner: { pid: 1, thread: 0, host: 'lab', command: 'job' }, ...more }
}

function ourselves(waitsFor: string[]): Waiter {
  return { ...holder('we', { state: 'waiting', owner: owner() }), waitsFor }
}

function notice(inspect = (): Promise<Inspection> => Promise.resolve(seen)): WaitingNotice {
  const blockers = (): Promise<readonly Holder[]> => inspect().then(({ holders, waiters }) => [...holders, ...waiters])
  return new WaitingNotice({ inspect, blockers }, WANTED, (line) => said.push(line))
}

describe('The line about a wait', () => {
  test('comes after a second, not before', async () => {
    seen = { backend: 'file', holders: [holder('1')], waiters: [ourselves(['1'])], silent: [] }
    notice()
    await vi.advanceTimersByTimeAsync(999)
    expect(said).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(said).toEqual([
      expect.stringMatching(/^waiting to write \/a: pid 1 on lab \(job\) has had the lock to write \/a since .* \(2 min\)$/),
    ])
  })

  test('does not come when the wait is over by then', async () => {
    seen = { backend: 'file', holders: [holder('1')], waiters: [ourselves(['1'])], silent: [] }
    notice().end()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(said).toEqual([])
  })

  test('does not come when the wait ended while the others were asked', async () => {
    let answer: (seen: Inspection) => void = () => undefined
    const waiting = notice(() => new Promise((resolve) => (answer = resolve)))
    await vi.advanceTimersByTimeAsync(1_000)
    waiting.end()
    answer({ backend: 'file', holders: [holder('1')], waiters: [ourselves(['1'])], silent: [] })
    await vi.advanceTimersByTimeAsync(100_000)
    expect(said).toEqual([])
  })

  test('is repeated when others are in the way, ever more seldom, and not when nothing has changed', async () => {
    seen = { backend: 'file', holders: [holder('1')], waiters: [ourselves(['1'])], silent: [] }
    const waiting = notice()
    await vi.advanceTimersByTimeAsync(4_000)
    seen = { backend: 'file', holders: [holder('2', { name: 'second' }), holder('3')], waiters: [ourselves(['2', '3'])], silent: [] }
    await vi.advanceTimersByTimeAsync(600_000)
    expect(said).toHaveLength(2)
    expect(said[1]).toMatch(/: "second", pid 1 on lab .*; and for 1 more$/)
    waiting.end()
  })

  test('names those who wait before us, and not those behind us', async () => {
    const before: Waiter = { ...holder('2', { state: 'waiting' }), waitsFor: ['1'] }
    const behind: Waiter = { ...holder('3', { state: 'waiting' }), waitsFor: ['we'] }
    seen = { backend: 'file', holders: [], waiters: [before, ourselves(['2']), behind], silent: [] }
    notice()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(said).toEqual([expect.stringMatching(/has been waiting to write \/a since [^;]*$/)])
  })

  test('names those who hold something and do not say what, when nobody else is known to be in the way', async () => {
    const orphan = { pid: 7, thread: 0, host: 'lab', command: 'sleep 60' }
    seen = { backend: 'file', holders: [], waiters: [ourselves([])], silent: [orphan, orphan] }
    notice()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(said).toEqual(['waiting to write /a: perhaps for pid 7 on lab (sleep 60), which does not say what it holds; and for 1 more'])
  })

  test('is said also when nobody is seen, and when nobody can be asked', async () => {
    seen = { backend: 'file', holders: [], waiters: [ourselves([])], silent: [] }
    notice()
    notice(() => Promise.reject(new Error('no')))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(said).toEqual([
      expect.stringContaining('for somebody who does not say so'),
      expect.stringContaining('it cannot be told for whom'),
    ])
  })
})
