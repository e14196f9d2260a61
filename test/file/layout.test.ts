// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import {
  drawSlot,
  GATE_AT,
  LAYOUT,
  locate,
  MODE_RANGES,
  QUEUE_AT,
  REGION,
  SLOTS,
  TURNSTILE_AT,
  WAITS_AT,
} from '../../src/backends/file/layout.ts'
import { failure } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

const SHARDS = 4096
/** Two nodes that layout 1 puts in one place: found by search among thirty million. */
const ONE_PLACE = ['/24p49', '/bb4pg'] as const

test('layout 1 puts every node where it always did', () => {
  // Processes of several versions share a directory: change this only together with LAYOUT.
  expect(LAYOUT).toBe(1)
  const places = ['/', '/a', '/a/b', '/mouse-7/session-3', '/ü', '/😀', '', '/a\u0000'].map((key) => [key, locate(key)])
  expect(Object.fromEntries(places)).toEqual({
    '/': { shard: 1404, offset: 2845560914837504 },
    '/a': { shard: 284, offset: 444548655087616 },
    '/a/b': { shard: 2553, offset: 3009232438558720 },
    '/mouse-7/session-3': { shard: 1455, offset: 1364390106759168 },
    '/ü': { shard: 1243, offset: 3515389256794112 },
    '/😀': { shard: 1635, offset: 1743361365770240 },
    '': { shard: 2348, offset: 2866490356400128 },
    '/a\u0000': { shard: 2762, offset: 3988386615394304 },
  })
  expect([WAITS_AT, QUEUE_AT, TURNSTILE_AT, GATE_AT, SLOTS, REGION]).toEqual([0, 1, 2, 65_537, 65_534, 131_072])
})

test.each([
  ['numbered', (i: number) => `/study/${i}`],
  ['deep', (i: number) => `/a/${i % 10}/b/${Math.trunc(i / 10) % 100}/c/${Math.trunc(i / 1000)}`],
  ['named alike', (i: number) => `/mouse-${i.toString(2).padStart(17, '0')}`],
])('spreads %s nodes evenly over files, and over the places in them', (_, key) => {
  const count = 100_000
  const shards = new Array<number>(SHARDS).fill(0)
  const places = new Array<number>(SHARDS).fill(0)
  const seen = new Set<string>()
  const outside: string[] = []
  for (let i = 0; i < count; i++) {
    const { shard, offset } = locate(key(i))
    if (!(shard >= 0 && shard < SHARDS && offset >= 0 && offset + REGION <= 2 ** 52 && offset % REGION === 0)) outside.push(key(i))
    shards[shard]!++
    places[Math.trunc(offset / 2 ** 40)]!++
    seen.add(`${shard}.${offset}`)
  }
  // A chi-square of 4,095 degrees of freedom has mean 4,095 and standard deviation 90.5: six of them happen to nobody by chance.
  const expected = count / SHARDS
  for (const row of [shards, places]) {
    const chiSquare = row.reduce((sum, found) => sum + (found - expected) ** 2 / expected, 0)
    expect(Math.abs(chiSquare - (SHARDS - 1))).toBeLessThan(6 * Math.sqrt(2 * SHARDS))
  }
  expect(seen.size).toBe(count)
  expect(outside).toEqual([])
})

test('the parts of a node do not overlap, and neither do neighbouring nodes', () => {
  const parts = [
    { from: WAITS_AT, length: 1 },
    { from: QUEUE_AT, length: 1 },
    { from: TURNSTILE_AT, length: MODE_RANGES.X.length },
    { from: GATE_AT, length: MODE_RANGES.X.length },
  ]
  for (const [i, { from, length }] of parts.entries()) expect(from + length).toBeLessThanOrEqual(parts[i + 1]?.from ?? REGION)
  for (const { from, length } of Object.values(MODE_RANGES)) expect(from + length).toBeLessThanOrEqual(MODE_RANGES.X.length)
})

test('a slot lies in the row that readers lock', () => {
  let lowest = SLOTS
  let highest = 0
  for (let i = 0; i < 1_000_000; i++) {
    const slot = drawSlot()
    lowest = Math.min(lowest, slot)
    highest = Math.max(highest, slot)
  }
  expect(lowest).toBe(1)
  expect(highest).toBe(SLOTS)
})

test('two nodes in one place exclude each other more than they need to, and nothing worse', async () => {
  const [one, other] = ONE_PLACE
  expect(locate(one)).toEqual(locate(other))
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const there = openSpace(directory)

  // One request for both: the joined mode is taken once, and given back once.
  const both = await here.lock({ read: one, write: other })
  expect(await there.tryRead(one)).toBeNull()
  await both.downgrade()
  const reader = await there.tryRead([one, other])
  expect(reader).not.toBeNull()
  expect(await there.tryWrite(one)).toBeNull()
  await both.release()
  await reader!.release()

  // Two requests of one process, of which the table of that process thinks that they do not conflict.
  const first = await here.write(one)
  const second = here.write(other)
  const third = here.read(other)
  expect(await here.tryRead(other)).toBeNull()
  expect((await failure(here.write(other, { timeout: 20 }))).code).toBe('LOCK_TIMEOUT')
  await first.release()
  await (await second).release()
  await (await third).release()

  // Readers of both share in one process; a writer of another waits for both.
  const readers = await Promise.all([here.read(one), here.read(other)])
  const writer = there.write(other)
  await readers[0]!.release()
  expect(await there.tryRead('/')).toBeNull()
  expect(readers[1]!.valid).toBe(true)
  await readers[1]!.release()
  await (await writer).release()

  const all = await there.tryWrite('/')
  expect(all).not.toBeNull()
  await all!.release()
})
