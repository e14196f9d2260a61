// SPDX-License-Identifier: MIT
// The plan follows from its seed, and the record loses nothing between two processes.
import { describe, expect, onTestFinished, test } from 'vitest'
import { FAULTS } from '../../src/evidence/torture/fault-kinds.ts'
import { PLACES, placeIn, placesOf } from '../../src/evidence/torture/places.ts'
import { digestOf, type PlanSettings, planFaults } from '../../src/evidence/torture/plan.ts'
import { type RawMark, SharedRecord } from '../../src/evidence/torture/record.ts'
import { MOST_ROOTS, Requests, type Step } from '../../src/evidence/torture/requests.ts'

const SETTINGS: PlanSettings = { seed: 5, seconds: 60, processes: 4, tasks: 4, kinds: FAULTS, unitMs: 1_000 }

/** As many as can be asked for, and their last place. */
const MOST_TREES = 1_000
const LAST = placesOf(MOST_TREES).length - 1

describe('The plan', () => {
  test('is the same for the same seed, and another one for another', () => {
    expect(planFaults(SETTINGS)).toEqual(planFaults({ ...SETTINGS }))
    expect(digestOf(SETTINGS)).toBe(digestOf({ ...SETTINGS }))
    expect(digestOf(SETTINGS)).not.toBe(digestOf({ ...SETTINGS, seed: 6 }))
    const steps = (seed: number, life: number): Step[] => {
      const requests = new Requests(seed, 1, life, 2, 1_000)
      return Array.from({ length: 50 }, () => requests.next())
    }
    expect(steps(5, 0)).toEqual(steps(5, 0))
    expect(steps(5, 0)).not.toEqual(steps(5, 1))
  })

  test('has faults of all kinds, in order, for whoever they can strike, and all over in time', () => {
    const faults = planFaults({ ...SETTINGS, seconds: 600 })
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULTS))
    expect(new Set(faults.map(({ manner }) => manner)).size).toBe(7)
    for (const [i, { atMs, forMs, kind, victim }] of faults.entries()) {
      expect(atMs).toBeGreaterThanOrEqual(faults[i - 1]?.atMs ?? 0)
      expect(atMs + forMs).toBeLessThanOrEqual(600_001)
      expect(victim === null).toBe(kind === 'restart' || kind === 'freeze')
    }
    expect(planFaults({ ...SETTINGS, kinds: ['pause'] }).every(({ kind }) => kind === 'pause')).toBe(true)
    expect(planFaults({ ...SETTINGS, kinds: [] })).toEqual([])
  })

  test('asks for everything: flat, deep, many roots, all of it, in every manner', () => {
    const requests = new Requests(5, 0, 0, 0, 1_000)
    const steps = Array.from({ length: 5_000 }, () => requests.next())
    expect(new Set(steps.map(({ manner }) => manner))).toEqual(new Set(['try', 'time-out', 'abort', 'wait']))
    expect(new Set(steps.flatMap(({ read, write }) => [...read, ...write])).size).toBe(PLACES.length)
    for (const { read, write } of steps) {
      expect(read.length + write.length).toBeGreaterThan(0)
      expect(Math.max(read.length, write.length)).toBeLessThanOrEqual(MOST_ROOTS)
    }
    expect(steps.some(({ read, write }) => read.length > 1 && write.length > 1)).toBe(true)
    expect(steps.some(({ weaken, write, holdMs }) => weaken && write.length > 0 && holdMs >= 1)).toBe(true)
  })
})

describe('Several trees', () => {
  const TREES = 5
  const places = placesOf(TREES)

  function treesOf({ read, write }: Step): readonly string[] {
    return [...new Set([...read, ...write].map((place) => places[place]!.split('/')[1] ?? 'all'))]
  }

  test('are copies beside each other, each with a root of its own', () => {
    expect(new Set(places).size).toBe(1 + TREES * PLACES.length)
    expect(placesOf(1)).toEqual(PLACES)
    for (const [number, place] of PLACES.entries()) {
      expect(places[placeIn(3, number, TREES)]).toBe(`/t3${place}`)
      expect(placeIn(0, number, 1)).toBe(number)
    }
  })

  test('leave the plan of one tree as it is, and have one of their own', () => {
    expect(digestOf({ ...SETTINGS, trees: 1 })).toBe(digestOf(SETTINGS))
    expect(digestOf({ ...SETTINGS, trees: 2 })).not.toBe(digestOf(SETTINGS))
    expect(planFaults({ ...SETTINGS, trees: 2 })).toEqual(planFaults(SETTINGS))
  })

  test('are asked for one at a time for a while, now and then several, and now and then all', () => {
    const [one, many] = [new Requests(5, 0, 0, 0, 1_000), new Requests(5, 0, 0, 0, 1_000, TREES)]
    const steps = Array.from({ length: 20_000 }, () => many.next())
    for (const { read, write, ...rest } of steps.slice(0, 200)) {
      const alone = one.next()
      expect({ ...rest, count: [read.length, write.length] }).toEqual({
        ...{ manner: alone.manner, afterMs: alone.afterMs, holdMs: alone.holdMs, weaken: alone.weaken },
        count: [alone.read.length, alone.write.length],
      })
    }
    const trees = steps.map(treesOf)
    const single = trees.flatMap((names) => (names.length === 1 && names[0] !== 'all' ? names : []))
    const moves = single.filter((name, i) => i > 0 && name !== single[i - 1]).length
    expect(new Set(single).size).toBe(TREES)
    expect(moves).toBeLessThan(steps.length / 50)
    expect(trees.some((names) => names.length > 1)).toBe(true)
    expect(trees.some(([name]) => name === 'all')).toBe(true)
    expect(steps.some(({ read, write }) => [...read, ...write].some((place) => /^\/t\d$/.test(places[place]!)))).toBe(true)
  })
})

describe('The record', () => {
  test('gives back what was put down, in its order, over the end of a ring and more than once around', () => {
    const record = SharedRecord.create(2, MOST_TREES)
    onTestFinished(() => record.close())
    // Another view of the same memory, as another process has it.
    const ring = SharedRecord.open(record.fd, 2, MOST_TREES).ring(1)
    const reader = record.ring(1)
    ring.begin(3n)
    let next = 0
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 5_000; i++, next++)
        ring.put('granted', next, BigInt(10 * next + 5), 2n ** 63n - 1n, 2n ** 60n, [0, LAST], [1, 2, 3, 4])
      const marks: RawMark[] = []
      expect(reader.take((mark) => marks.push(mark))).toBe(BigInt(10 * (next - 1) + 5))
      expect(marks).toHaveLength(5_000)
      expect(marks[0]).toEqual({
        ...{ word: 'granted', lease: next - 5_000, at: BigInt(10 * (next - 5_000) + 5), token: 2n ** 60n, deadline: 2n ** 63n - 1n },
        ...{ read: [0, LAST], write: [1, 2, 3, 4] },
      })
    }
    expect(record.ring(0).take(() => expect.unreachable())).toBe(0n)
  })

  test('says when it is crowded, and never overwrites what nobody has read', () => {
    const record = SharedRecord.create(1, 1)
    onTestFinished(() => record.close())
    const ring = record.ring(0)
    let count = 0
    while (!ring.crowded) ring.put('shaken', 0, BigInt(++count))
    expect(() => {
      for (;;) ring.put('shaken', 0, BigInt(++count))
    }).toThrow(/full/)
    let seen = 0n
    ring.take(({ at }) => {
      expect(at).toBe(++seen)
    })
    expect(seen).toBe(BigInt(count - 1))
    expect(ring.crowded).toBe(false)
  })
})
