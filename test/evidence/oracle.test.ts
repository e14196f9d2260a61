// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { exclude, judge, type Mark, Oracle, type Roots } from '../../src/evidence/oracle.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

const FOR_EVER = 2n ** 63n - 1n

/** Marks of one lease after the other, told in few words. */
class Told {
  readonly marks: Mark[] = []
  private leases = 0

  granted(
    who: string,
    at: number,
    roots: Partial<Roots>,
    more: { token?: number; deadline?: number } = {},
  ): { who: string; lease: number } {
    const { token = at, deadline } = more
    const lease = { who, lease: ++this.leases }
    const until = deadline === undefined ? FOR_EVER : BigInt(deadline)
    this.marks.push({ word: 'granted', ...lease, at: BigInt(at), token: BigInt(token), deadline: until, read: [], write: [], ...roots })
    return lease
  }

  after(lease: { who: string; lease: number }, word: 'released' | 'lost' | 'weakened', at: number): this {
    this.marks.push({ word, ...lease, at: BigInt(at) })
    return this
  }

  good(lease: { who: string; lease: number }, at: number, deadline: number): this {
    this.marks.push({ word: 'good', ...lease, at: BigInt(at), deadline: BigInt(deadline) })
    return this
  }

  gone(who: string, at: number): this {
    this.marks.push({ word: 'gone', who, at: BigInt(at) })
    return this
  }
}

describe('The oracle', () => {
  test.each<[string, Partial<Roots>, Partial<Roots>, boolean]>([
    ['two writers of one path', { write: ['/a'] }, { write: ['/a'] }, true],
    ['a writer above a reader', { write: ['/a'] }, { read: ['/a/b'] }, true],
    ['a writer below a reader', { write: ['/a/b/c'] }, { read: ['/a'] }, true],
    ['a writer of everything', { write: ['/'] }, { read: ['/x'] }, true],
    ['one of many paths', { read: ['/x', '/y'] }, { write: ['/z', '/y/1'] }, true],
    ['readers', { read: ['/a'] }, { read: ['/a/b', '/'] }, false],
    ['writers beside each other', { write: ['/a/b'] }, { write: ['/a/c'] }, false],
    ['names that begin alike', { write: ['/a'] }, { write: ['/ab'] }, false],
    ['trees of their own', { write: ['tree:1'] }, { write: ['tree:1/x'] }, true],
    ['and beside them', { write: ['tree:1'] }, { write: ['/', 'tree:11'] }, false],
  ])('knows whether %s exclude each other', (_, one, other, excluded) => {
    const told = new Told()
    const first = told.granted('a', 10, one)
    const second = told.granted('b', 15, other)
    told.after(first, 'released', 20).after(second, 'released', 25)
    expect(judge(told.marks).overlaps).toHaveLength(excluded ? 1 : 0)
    expect(exclude({ read: [], write: [], ...one }, { read: [], write: [], ...other })).toBe(excluded)
  })

  test('names who overlapped, and for how long', () => {
    const told = new Told()
    const first = told.granted('process 1', 1_000_000, { write: ['/a'] })
    told.after(first, 'released', 3_000_000)
    told.granted('thread 2', 2_500_000, { read: ['/a/b'] })
    expect(judge(told.marks).overlaps).toEqual([
      'thread 2 lease 2 (read /a/b, token 2500000) began 0.500 ms before the end of process 1 lease 1 (write /a, token 1000000)',
    ])
  })

  test('lets leases follow each other without a pause', () => {
    const told = new Told()
    told.after(told.granted('a', 10, { write: ['/a'] }), 'released', 20)
    told.after(told.granted('b', 20, { write: ['/a'] }), 'released', 30)
    expect(judge(told.marks)).toEqual({ grants: 2, lost: 0, overlaps: [], tokenFaults: [] })
  })

  test('counts a lease until the deadline that its worker knew last', () => {
    const told = new Told()
    const late = told.granted('a', 10, { write: ['/a'] }, { deadline: 20 })
    told.granted('b', 21, { write: ['/a'] }, { deadline: 22 })
    told.after(late, 'released', 30)
    expect(judge(told.marks).overlaps).toEqual([])
    told.good(late, 15, 25)
    expect(judge(told.marks).overlaps).toHaveLength(1)
  })

  test('counts one that was lost until it was last seen to be good', () => {
    const told = new Told()
    const lost = told.granted('a', 10, { write: ['/a'] }, { deadline: 40 })
    told.good(lost, 15, 40).after(lost, 'lost', 30)
    told.granted('b', 16, { write: ['/a'] }, { deadline: 60 })
    expect(judge(told.marks)).toMatchObject({ lost: 1, overlaps: [] })
    expect(judge([...told.marks, ...told.good(lost, 20, 40).marks]).overlaps).toHaveLength(1)
  })

  test('counts one that was lost when its time was over until its deadline', () => {
    const told = new Told()
    const late = told.granted('a', 10, { write: ['/a'] }, { deadline: 40 })
    told.after(late, 'lost', 41)
    told.granted('b', 39, { write: ['/a'] })
    expect(judge(told.marks)).toMatchObject({ lost: 1, overlaps: [expect.stringContaining('before the end of a lease 1')] })
  })

  test('judges while marks come in, and tells of a fault as soon as nothing can change it', () => {
    const told = new Told()
    const [first, long] = [told.granted('a', 10, { write: ['/a'] }), told.granted('c', 11, { read: ['/z'] })]
    const second = told.granted('b', 12, { write: ['/a'] }, { token: 3 })
    told.after(first, 'released', 20).after(second, 'released', 30).after(long, 'released', 40)
    const found: string[] = []
    const oracle = new Oracle(({ kind, at }) => found.push(`${kind} at ${at}`))
    const seen = told.marks.map((mark) => {
      oracle.put(mark)
      return found.length
    })
    // The one that begins to overlap waits for the end of all that began before it.
    expect(seen).toEqual([0, 0, 0, 0, 0, 2])
    expect(found).toEqual(['overlap at 12', 'token at 12'])
    expect(oracle.conclude()).toMatchObject({ grants: 3, overlaps: [expect.any(String)], tokenFaults: [expect.any(String)] })
  })

  test('counts what a process holds until it is killed, and not what it puts down after that', () => {
    const told = new Told()
    const dying = told.granted('a', 10, { write: ['/a'] })
    told.gone('a', 20).after(dying, 'released', 22)
    told.granted('a', 23, { write: ['/b'] })
    told.granted('b', 21, { write: ['/a'] })
    told.granted('b', 24, { write: ['/b'] })
    expect(judge(told.marks)).toMatchObject({ grants: 3, overlaps: [] })
    expect(judge(told.marks.filter(({ word }) => word !== 'gone')).overlaps).not.toEqual([])
  })

  test('knows that a process whose name begins like that of one that was killed is another', () => {
    const told = new Told()
    told.granted('process 11', 10, { write: ['/a'] })
    told.gone('process 1', 20)
    told.granted('b', 21, { write: ['/a'] })
    expect(judge(told.marks).overlaps).toHaveLength(1)
  })

  test('counts a lease for reading from the mark before its downgrade on', () => {
    const told = new Told()
    const weaker = told.granted('a', 10, { write: ['/a'] })
    told.after(weaker, 'weakened', 20)
    told.granted('b', 21, { read: ['/a'] })
    expect(judge(told.marks)).toMatchObject({ grants: 2, overlaps: [] })
    told.granted('c', 25, { write: ['/a/b'] })
    expect(judge(told.marks).overlaps).toHaveLength(2)
  })

  test.each<[string, Partial<Roots>, Partial<Roots>, boolean]>([
    ['a write after a write', { write: ['/a'] }, { write: ['/a'] }, true],
    ['a read after a write above it', { write: ['/a'] }, { read: ['/a/b'] }, true],
    ['a write after a read below it', { read: ['/a/b'] }, { write: ['/a'] }, true],
    ['a write of everything', { read: ['/x'] }, { write: ['/'] }, true],
    ['a read after a read', { read: ['/a'] }, { read: ['/a'] }, false],
    ['something beside it', { write: ['/a/b'] }, { write: ['/a/c'] }, false],
  ])('wants a larger token for %s', (_, one, other, wanted) => {
    const told = new Told()
    told.after(told.granted('a', 10, one, { token: 7 }), 'released', 20)
    told.after(told.granted('b', 30, other, { token: 7 }), 'released', 40)
    expect(judge(told.marks).tokenFaults).toHaveLength(wanted ? 1 : 0)
    expect(judge(told.marks).overlaps).toEqual([])
  })

  test('agrees with a look at every pair, on random marks', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const below = (limit: number): number => next() % limit
    const places = ['/', '/a', '/a/b', '/a/b/c', '/ab', '/d']
    for (let round = 0; round < scaled(200); round++) {
      const told = new Told()
      const spans = Array.from({ length: 12 }, () => {
        const roots = { read: [] as string[], write: [] as string[] }
        for (let i = 0; i <= below(2); i++) roots[below(2) === 0 ? 'read' : 'write'].push(places[below(places.length)]!)
        const from = below(400)
        const span = { from, to: from + 1 + below(30), token: below(60), ...roots }
        told.after(told.granted(`w${below(3)}`, from, roots, { token: span.token }), 'released', span.to)
        return span
      })
      let [overlapping, faulty] = [0, 0]
      for (const [i, one] of spans.entries()) {
        const inWay = spans.filter((other, j) => j !== i && exclude(one, other))
        // Each pair once: by who began first.
        overlapping += spans.filter((other, j) => j < i && exclude(one, other) && one.from < other.to && other.from < one.to).length
        if (inWay.some((other) => other.from < one.from && other.token >= one.token)) faulty++
      }
      const verdict = judge(told.marks)
      const unlike = new Set(spans.map(({ from }) => from)).size === spans.length
      expect({ seed, round, overlapping: verdict.overlaps.length }).toEqual({ seed, round, overlapping })
      if (unlike) expect({ seed, round, faulty: verdict.tokenFaults.length }).toEqual({ seed, round, faulty })
    }
  })
})
