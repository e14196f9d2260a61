// SPDX-License-Identifier: MIT
// The patience of a request, apart from any engine: what begins and ends it, and the warning about waits that take long.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WaitingRequest, WaitingRoom } from '../src/waiting.ts'
import { claimsOfShape } from './core/lock-table-model.ts'

const claims = claimsOfShape({ read: ['/a'], write: ['/b'] })
const warnings: { message: string; options: unknown }[] = []

beforeEach(() => {
  vi.useFakeTimers()
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation(((message: string, options: unknown) => {
    warnings.push({ message, options })
  }) as typeof process.emitWarning)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const roomWith = (timeUp: () => unknown = () => 'time is up') => new WaitingRoom('test', timeUp)
const waits = (room: WaitingRoom, patience: ConstructorParameters<typeof WaitingRequest>[2] = {}) => {
  const request = new WaitingRequest(room, claims, patience)
  const reasons: unknown[] = []
  request.begin((reason) => reasons.push(reason))
  return { request, reasons }
}

describe('A request', () => {
  test('has nothing to do with its room, its signal or a timer before it has to wait.', () => {
    const room = roomWith()
    const { signal } = new AbortController()
    const listen = vi.spyOn(signal, 'addEventListener')
    const request = new WaitingRequest(room, claims, { timeout: 5, signal, name: 'nightly' })
    request.end()
    expect(room.size).toBe(0)
    expect(listen).not.toHaveBeenCalled()
    expect(request.name).toBe('nightly')
  })

  test('has an id of its own, which stays the same.', () => {
    const room = roomWith()
    const { request } = waits(room)
    expect(request.id).toBe(request.id)
    expect(request.id).not.toBe(waits(room).request.id)
  })

  test('is withdrawn once, by whatever comes first: its time, its signal or its room.', () => {
    const room = roomWith()
    const controller = new AbortController()
    const { reasons } = waits(room, { timeout: 5, signal: controller.signal })
    const other = waits(room)
    vi.advanceTimersByTime(5)
    controller.abort('stop')
    room.dismiss('closed')
    expect(reasons).toEqual(['time is up'])
    expect(other.reasons).toEqual(['closed'])
    expect(room.size).toBe(0)
  })

  test('whose signal aborted before it had to wait is withdrawn, once its backend is ready for that.', async () => {
    const room = roomWith()
    const controller = new AbortController()
    const request = new WaitingRequest(room, claims, { signal: controller.signal })
    controller.abort('stop')
    const reasons: unknown[] = []
    request.begin((reason) => reasons.push(reason))
    expect(reasons).toEqual([])
    await Promise.resolve()
    expect(reasons).toEqual(['stop'])
    expect(room.size).toBe(0)
  })

  test('that is granted is not withdrawn any more.', () => {
    const room = roomWith()
    const controller = new AbortController()
    const { request, reasons } = waits(room, { timeout: 5, signal: controller.signal })
    const other = waits(room)
    request.end()
    request.end()
    request.withdraw('late')
    vi.advanceTimersByTime(5)
    controller.abort('stop')
    expect(reasons).toEqual([])
    expect(room.size).toBe(1)
    other.request.end()
    expect(room.size).toBe(0)
  })

  test('that goes from one queue to the next is withdrawn from the one in which it stands, and keeps its time.', () => {
    const room = roomWith()
    const { request, reasons } = waits(room, { timeout: 10 })
    vi.advanceTimersByTime(6)
    const later: unknown[] = []
    request.begin((reason) => later.push(reason))
    expect(room.size).toBe(1)
    vi.advanceTimersByTime(4)
    expect(reasons).toEqual([])
    expect(later).toEqual(['time is up'])
  })

  test('that is withdrawn while its room dismisses everybody does not disturb the others.', () => {
    const room = roomWith()
    const told: unknown[] = []
    const one = new WaitingRequest(room, claims, {})
    const two = new WaitingRequest(room, claims, {})
    const three = new WaitingRequest(room, claims, {})
    for (const request of [one, two, three]) {
      request.begin((reason) => {
        told.push(reason)
        two.end()
      })
    }
    room.dismiss('closed')
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(room.size).toBe(0)
    waits(room)
    expect(room.size).toBe(1)
  })

  test('may wait for the reason of its time-out, and is granted or withdrawn meanwhile.', async () => {
    let answer = (_: unknown): void => {}
    const room = roomWith(() => new Promise((resolve) => (answer = resolve)))
    const slow = waits(room, { timeout: 5 })
    await vi.advanceTimersByTimeAsync(5)
    expect(slow.reasons).toEqual([])
    answer('too late')
    await vi.advanceTimersByTimeAsync(0)
    expect(slow.reasons).toEqual(['too late'])
    const granted = waits(room, { timeout: 5 })
    const other = waits(room)
    await vi.advanceTimersByTimeAsync(5)
    granted.request.end()
    answer('too late')
    await vi.advanceTimersByTimeAsync(0)
    expect(granted.reasons).toEqual([])
    expect(room.size).toBe(1)
    other.request.end()
    expect(room.size).toBe(0)
  })
})

describe('A wait of more than ten seconds is a process warning', () => {
  test('which says what is waited for, has a code, and is given once for each request.', () => {
    const room = roomWith()
    waits(room)
    vi.advanceTimersByTime(9_999)
    expect(warnings).toEqual([])
    vi.advanceTimersByTime(2)
    expect(warnings).toEqual([
      {
        message: expect.stringMatching(/has waited 10 s for: .*read \/a/),
        options: { type: 'HoldfastWarning', code: 'HOLDFAST_LONG_WAIT' },
      },
    ])
    vi.advanceTimersByTime(1_000_000)
    expect(warnings).toHaveLength(1)
  })

  test('for all that wait in a lock space: it names the one that has waited longest, and counts the others.', () => {
    const room = roomWith()
    new WaitingRequest(room, claimsOfShape({ read: [], write: ['/first'] }), {}).begin(() => {})
    for (let i = 0; i < 9_999; i++) waits(room)
    vi.advanceTimersByTime(10_001)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]!.message).toContain('has waited 10 s for: write /first. 9,999 others wait, too.')
    vi.advanceTimersByTime(1_000_000)
    expect(warnings).toHaveLength(1)
    waits(roomWith())
    vi.advanceTimersByTime(10_001)
    expect(warnings).toHaveLength(2)
    expect(warnings[1]!.message).not.toContain('other')
  })

  test('not more often than once a minute for a lock space, however many come after others were warned about.', () => {
    const room = roomWith()
    const { request } = waits(room)
    vi.advanceTimersByTime(4_000)
    waits(room)
    vi.advanceTimersByTime(6_001)
    expect(warnings).toHaveLength(1)
    request.end()
    vi.advanceTimersByTime(30_000)
    waits(room)
    vi.advanceTimersByTime(29_998)
    expect(warnings).toHaveLength(1)
    vi.advanceTimersByTime(2)
    expect(warnings).toHaveLength(2)
    expect(warnings[1]!.message).toMatch(/has waited 66 s for: .* 1 other waits, too\./)
    vi.advanceTimersByTime(1_000_000)
    expect(warnings).toHaveLength(2)
    waits(room)
    vi.advanceTimersByTime(9_999)
    expect(warnings).toHaveLength(2)
    vi.advanceTimersByTime(2)
    expect(warnings).toHaveLength(3)
  })

  test('also for one that came too late for the warning of the minute, and has waited for less than ten seconds when that is over.', () => {
    const room = roomWith()
    waits(room)
    vi.advanceTimersByTime(10_001)
    vi.advanceTimersByTime(55_000)
    waits(room)
    vi.advanceTimersByTime(9_999)
    expect(warnings).toHaveLength(1)
    vi.advanceTimersByTime(2)
    expect(warnings).toHaveLength(2)
  })

  test('but not for a request that was granted in time.', () => {
    const room = roomWith()
    const { request } = waits(room)
    vi.advanceTimersByTime(9_000)
    request.end()
    waits(room)
    vi.advanceTimersByTime(9_000)
    expect(warnings).toEqual([])
    vi.advanceTimersByTime(1_001)
    expect(warnings).toHaveLength(1)
  })

  test('that names three paths and counts the others.', () => {
    const many = claimsOfShape({ read: ['/a', '/b', '/c', '/d', '/e'], write: [] })
    new WaitingRequest(roomWith(), many, {}).begin(() => {})
    vi.advanceTimersByTime(10_001)
    expect(warnings[0]!.message).toContain('read /a, read /b, read /c and 2 more')
  })

  test('and its timer alone does not keep the process alive.', async () => {
    vi.useRealTimers()
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timers()
    const { request } = waits(roomWith())
    expect(timers()).toBe(before)
    const impatient = waits(roomWith(), { timeout: 1_000 })
    expect(timers()).toBe(before + 1)
    request.end()
    impatient.request.end()
    expect(timers()).toBe(before)
  })
})
