// SPDX-License-Identifier: MIT
// The pure parts: who stands before whom by the names of tickets, how nodes and requests are named and written, and what is read from what
// others have written there.
import { describe, expect, test } from 'vitest'
import { Layout, parseTicket, sessionName, ticketPrefix } from '../../src/backends/zookeeper/layout.ts'
import { ahead, conflicting, isFollowed } from '../../src/backends/zookeeper/queue.ts'
import { modeOf, readOwner, readRecord, writeMode, writeOwner, writeRecord } from '../../src/backends/zookeeper/record.ts'
import { claimsOf } from '../../src/core/claims.ts'
import { compatible, MODES, type Mode } from '../../src/core/mode.ts'
import { parsePath } from '../../src/core/path.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

const seed = freshSeed()
const random = generator(seed)
const upTo = (most: number): number => random() % most
const one = <Item>(items: readonly Item[]): Item => items[upTo(items.length)]!

const FOREIGN = [
  'lock-0000000001',
  'X',
  'X+1-0000000002',
  '_c_7-lock-0000000003',
  'Q-1-1-0000000004',
  'x-1-1-0000000005',
  'S-1-1-5',
  '__lock__',
  '',
]

function aTicket(sequence: number): string {
  return `${ticketPrefix(one(MODES), `${upTo(9).toString(16)}-${upTo(99).toString(36)}`, upTo(2) === 0)}${String(sequence).padStart(10, '0')}`
}

describe(`In a queue (seed ${seed})`, () => {
  test('a ticket waits for those that exclude it and came before, and for nobody else', () => {
    for (let round = 0; round < scaled(2_000); round++) {
      const base = one([0, 1, 1_000, 2 ** 31 - 2 ** 16 - 20])
      const sequences = Array.from({ length: upTo(12) }, (_, i) => base + i).filter(() => upTo(3) > 0)
      const names = [...sequences.map(aTicket), ...FOREIGN.filter(() => upTo(3) === 0)].sort(() => upTo(3) - 1)
      const [mode, sequence] = [one(MODES), base + upTo(12)]
      const known = names.flatMap((name) => {
        const [, letters, digits] = /^(IS|IX|S|SIX|X)[+-][0-9a-f]+-[0-9a-z]+-(\d{10})$/.exec(name) ?? []
        return letters === undefined ? [] : [{ name, mode: letters as Mode, sequence: Number(digits) }]
      })
      const excluding = known.filter((other) => !compatible(mode, other.mode)).sort((a, b) => b.sequence - a.sequence)
      const before = excluding.filter((other) => other.sequence < sequence).map(({ name }) => name)
      expect(conflicting(names, mode).map(({ name }) => name)).toEqual(excluding.map(({ name }) => name))
      expect(ahead(names, mode, sequence).map(({ name }) => name)).toEqual(before)
      expect(isFollowed(names, mode, sequence)).toBe(excluding.some((other) => other.sequence > sequence))
    }
  })

  test('requests that take all their tickets at once wait in no circle, and the first of them for nobody', () => {
    for (let round = 0; round < scaled(300); round++) {
      const queues = new Map<string, string[]>()
      const places = Array.from({ length: 1 + upTo(8) }, (_, i) =>
        [...aRequest().list].map(({ key, mode }) => {
          const queue = queues.get(key) ?? []
          queues.set(key, queue)
          const name = `${ticketPrefix(mode, `1-${i}`, false)}${String(queue.length).padStart(10, '0')}`
          queue.push(name)
          return { key, mode, name }
        }),
      )
      for (const [i, own] of places.entries()) {
        for (const { key, mode, name } of own) {
          const waitsFor = ahead(queues.get(key)!, mode, parseTicket(name)!.sequence).map(({ request }) => Number(request.slice(2)))
          expect(waitsFor.every((other) => other < i)).toBe(true)
        }
      }
    }
  })
})

function aPath(): string {
  const segment = (): string => one(['a', 'b', 'c d', 'ü', '%2F', '~', '🔒', 'x'.repeat(90), '"', '\\', '\n'])
  return `/${Array.from({ length: upTo(5) }, segment).join('/')}`
}

function aRequest(): ReturnType<typeof claimsOf> {
  const nodes = (): ReturnType<typeof parsePath>[] => Array.from({ length: upTo(4) }, () => parsePath(aPath()))
  const [read, write] = [nodes(), nodes()]
  return read.length + write.length === 0 ? aRequest() : claimsOf(read, write)
}

describe(`What is written is read again (seed ${seed})`, () => {
  test('of requests, before and after they came down to reading', () => {
    for (let round = 0; round < scaled(1_000); round++) {
      const claims = aRequest()
      const record = { id: `host.1.0.${round}`, name: upTo(2) === 0 ? null : 'a "name"', since: 1_700_000_000_000 + round, claims }
      const { claims: read, ...rest } = readRecord(writeRecord(record))!
      expect(rest).toEqual({ id: record.id, name: record.name, since: record.since, weakened: false })
      expect([read.list, read.read, read.write]).toEqual([claims.list, claims.read, claims.write])
      const weaker = claims.withoutWriting()
      const then = readRecord(writeRecord(record, 'S'))!
      expect(then.weakened).toBe(true)
      expect([then.claims.list, then.claims.read, then.claims.write]).toEqual([weaker.list, weaker.read, weaker.write])
    }
  })

  test('of modes and owners', () => {
    for (const named of MODES) for (const mode of MODES) expect(modeOf(writeMode(mode), named)).toBe(mode)
    expect(modeOf(Buffer.alloc(0), 'X')).toBe('X')
    expect(modeOf(writeRecord({ id: 'a', name: null, since: 0, claims: aRequest() }), 'X')).toBe('X')
    const owner = { pid: 7, thread: 1, host: 'here', command: 'node program.js' }
    expect(readOwner(writeOwner(owner))).toEqual(owner)
  })

  test('of tickets', () => {
    for (const mode of MODES) {
      for (const tells of [true, false]) {
        const name = `${ticketPrefix(mode, `${sessionName(-3n)}-zz`, tells)}0000000042`
        expect(parseTicket(name)).toEqual({ name, mode, sequence: 42, tells, request: 'fffffffffffffffd-zz' })
      }
    }
    for (const name of FOREIGN) expect(parseTicket(name)).toBeNull()
  })
})

test('Every key has a queue of its own, with a name that ZooKeeper allows', () => {
  const layout = new Layout('/root')
  const long = 'k'.repeat(200)
  const keys = [
    '',
    '.',
    '..',
    '/',
    '/.',
    '%',
    '%.',
    '%..',
    '~',
    'a~b',
    'a/b',
    'a%2Fb',
    '\0',
    '\ud83d\udd12',
    'é',
    'e\u0301',
    long,
    `${long}x`,
    `${long}y`,
  ]
  const cut = layout.queue(long).slice('/root/locks/'.length)
  const names = [...keys, cut, decodeURIComponent(cut.replace('%~', '~'))].map((key) => layout.queue(key))
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^\/root\/locks\/(?!\.{1,2}$)[\x20-\x2e\x30-\x7e]{1,120}$/)
  expect(() => layout.queue('a\ud800')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
})

describe('What others have written there does no harm', () => {
  const good = { id: 'a', since: 1, read: ['/a'], write: [], above: [['IS', 0, 1]] }
  test.each([
    '',
    '{',
    'null',
    '7',
    '"text"',
    '[]',
    '{}',
    ...[
      { ...good, id: 7 },
      { ...good, name: {} },
      { ...good, since: 'yesterday' },
      { ...good, since: 1e30 },
      { ...good, read: '/a' },
      { ...good, read: [7] },
      { ...good, write: null },
      { ...good, above: [['IS', 5, 1]] },
      { ...good, above: [['IS', -1, 1]] },
      { ...good, above: [['QQ', 0, 1]] },
      { ...good, above: [['IS', {}]] },
      { ...good, above: [null] },
      { ...good, above: {} },
    ].map((json) => JSON.stringify(json)),
    '\u{fffd}\0\x01',
  ])('as a record: %s', (text) => {
    expect(readRecord(Buffer.from(text))).toBeNull()
    expect(MODES).toContain(modeOf(Buffer.from(text), 'IX'))
    expect(readOwner(Buffer.from(text))).toMatchObject({ pid: expect.any(Number), host: expect.any(String), command: expect.any(String) })
  })

  test('as random bytes, or a record of ours with some changed', () => {
    const record = writeRecord({ id: 'a', name: 'b', since: 1, claims: aRequest() })
    for (let round = 0; round < scaled(3_000); round++) {
      const bytes = Buffer.from(record)
      for (let i = 0; i <= upTo(4); i++) bytes[upTo(bytes.length)] = upTo(256)
      const read = readRecord(bytes)
      if (read !== null) expect(() => JSON.stringify([read, new Date(read.since).toISOString()])).not.toThrow()
      expect(MODES).toContain(modeOf(bytes, 'X'))
      readOwner(bytes)
    }
  })
})
