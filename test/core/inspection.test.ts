// SPDX-License-Identifier: MIT
// Who waits for whom.
import { describe, expect, test } from 'vitest'
import { exclude, type Holder, holding, inspectionOf, inTheWay, waitsThrough } from '../../src/core/inspection.ts'
import { LockSpace } from '../../src/index.ts'
import { LosingBackend } from '../support/losing-backend.ts'
import { claimsOfShape } from './lock-table-model.ts'

function request(id: string, state: Holder['state'], read: string[], write: string[] = []): Holder {
  const claims = claimsOfShape({ read, write })
  const owner = { pid: 1, thread: 0, host: 'host', command: 'node job.js' }
  return {
    id,
    state,
    read: claims.read,
    write: claims.write,
    claims: claims.list,
    since: '2026-01-02T03:04:05.678Z',
    token: null,
    name: null,
    owner,
  }
}
const waitsFor = (seen: ReturnType<typeof inspectionOf>) => Object.fromEntries(seen.waiters.map((one) => [one.id, one.waitsFor]))

const holders = [request('reader', 'held', ['/a']), request('elsewhere', 'held', [], ['/b'])]
const line = [
  request('first writer', 'waiting', [], ['/a']),
  request('late reader', 'waiting', ['/a/c']),
  request('second writer', 'waiting', [], ['/a/c', '/b']),
]

describe('Who waits for whom', () => {
  test('A waiting request names everybody before it that excludes it, holders first.', () => {
    expect(waitsFor(inspectionOf('test', holders, line))).toEqual({
      'first writer': ['reader'],
      'late reader': ['first writer'],
      'second writer': ['reader', 'elsewhere', 'first writer', 'late reader'],
    })
  })

  test('Where writers go first, a reader waits for every writer, and no writer for a waiting reader.', () => {
    expect(waitsFor(inspectionOf('test', holders, line, true))).toEqual({
      'first writer': ['reader'],
      'late reader': ['first writer', 'second writer'],
      'second writer': ['reader', 'elsewhere', 'first writer'],
    })
  })

  test('Those in the way of a waiting request are those that it waits for.', () => {
    const seen = inspectionOf('test', holders, line)
    const late = claimsOfShape({ read: ['/a/c'], write: [] })
    expect(inTheWay(seen, late, false, 'late reader').map(({ id }) => id)).toEqual(['first writer'])
  })

  test('Those in the way of a request that only tries are all whom it would wait for, and nobody for one that could enter.', () => {
    const seen = inspectionOf('test', holders, line)
    const writer = claimsOfShape({ read: [], write: ['/a/c'] })
    expect(inTheWay(seen, claimsOfShape({ read: ['/a'], write: [] }), false).map(({ id }) => id)).toEqual(['first writer', 'second writer'])
    expect(inTheWay(seen, writer, false).map(({ id }) => id)).toEqual(['reader', 'first writer', 'late reader', 'second writer'])
    expect(inTheWay(seen, writer, true).map(({ id }) => id)).toEqual(['reader', 'first writer', 'second writer'])
    expect(inTheWay(seen, claimsOfShape({ read: [], write: ['/c'] }), false)).toEqual([])
  })

  test('A request that is gone from the line has at most the holders in its way.', () => {
    const seen = inspectionOf('test', holders, line)
    expect(inTheWay(seen, claimsOfShape({ read: [], write: ['/'] }), false, 'gone').map(({ id }) => id)).toEqual(['reader', 'elsewhere'])
  })

  test('Waiting goes through others that wait, each named once, whatever the circles.', () => {
    const seen = inspectionOf('test', holders, line)
    expect(waitsThrough(seen, 'late reader').map(({ id }) => id)).toEqual(['first writer', 'reader'])
    expect(waitsThrough(seen, 'unknown')).toEqual([])
    const chain = ['a', 'b', 'c', 'd'].map((path, i, all) => request(path, 'waiting', i === 0 ? [] : [`/${all[i - 1]}`], [`/${path}`]))
    const through = waitsThrough(inspectionOf('test', [request('first', 'held', ['/a'])], chain), 'd').map(({ id }) => id)
    expect(through).toEqual(['c', 'b', 'a', 'first'])
    const circle = { ...seen, waiters: seen.waiters.map((one) => ({ ...one, waitsFor: seen.waiters.map(({ id }) => id) })) }
    expect(waitsThrough(circle, 'late reader')).toHaveLength(3)
  })

  test('Who was gone when the others were seen is passed over.', () => {
    const seen = inspectionOf('test', holders, line)
    const halfSeen = { ...seen, waiters: seen.waiters.map((one) => ({ ...one, waitsFor: ['gone', ...one.waitsFor] })) }
    expect(waitsThrough(halfSeen, 'late reader').map(({ id }) => id)).toEqual(['first writer', 'reader'])
  })

  test('A lease that is suspended is shown so, until it is held again.', async () => {
    const backend = new LosingBackend()
    const lease = await new LockSpace(backend).write('/a')
    const { owner } = holders[0]!
    const states = [false, true, false].map((suspended) => {
      lease.suspend(suspended)
      return holding(lease, owner).state
    })
    expect(states).toEqual(['held', 'suspended', 'held'])
    await lease.release()
  })

  test('Two sets of claims exclude each other where one node has modes that do not go together.', () => {
    const of = (read: string[], write: string[] = []) => claimsOfShape({ read, write }).list
    expect(exclude(of(['/a']), of(['/a/b']))).toBe(false)
    expect(exclude(of(['/a']), of([], ['/a/b']))).toBe(true)
    expect(exclude(of([], ['/a']), of([], ['/b']))).toBe(false)
  })

  test('The answer survives JSON.stringify.', () => {
    const seen = inspectionOf('test', holders, line)
    expect(JSON.parse(JSON.stringify(seen))).toEqual(seen)
  })
})
