// SPDX-License-Identifier: MIT
// What the torture judges by, beside the oracle of exclusion and tokens: places in a line, waiting, and a resource that checks tokens.
import { describe, expect, test } from 'vitest'
import type { Roots } from '../../src/evidence/oracle.ts'
import { Fenced } from '../../src/evidence/torture/fenced.ts'
import { Judgement } from '../../src/evidence/torture/judgement.ts'
import type { Promised } from '../../src/evidence/torture/line.ts'
import type { Happening } from '../../src/evidence/torture/marks.ts'
import { PLACES, placeIn, placesOf, WHOLE } from '../../src/evidence/torture/places.ts'

const MS = 1_000_000
const FOR_EVER = 2 ** 52
const WRITE: Roots = { read: [], write: ['/a'] }
const READ: Roots = { read: ['/a/b'], write: [] }

/** Tells what happened, in milliseconds. */
class Story {
  readonly judgement: Judgement
  private requests = 0

  constructor(promised: Partial<Promised> = {}) {
    this.judgement = new Judgement({ ordered: true, prefer: 'first-come', boundMs: 1_000, quietMs: 100, ...promised })
  }

  asked(who: string, at: number, roots = WRITE, until = 0): OfRequest {
    const request = { who, lease: ++this.requests, roots }
    this.put({ word: 'asked', who, lease: request.lease, at: ns(at), until: ns(until), ...roots })
    return request
  }

  queued({ who, lease }: OfRequest, at: number): this {
    return this.put({ word: 'queued', who, lease, at: ns(at) })
  }

  withdrawn({ who, lease }: OfRequest, at: number): this {
    return this.put({ word: 'withdrawn', who, lease, at: ns(at) })
  }

  granted({ who, lease, roots }: OfRequest, at: number, deadline = FOR_EVER, token = at): this {
    return this.put({ word: 'granted', who, lease, at: ns(at), token: BigInt(token), deadline: ns(deadline), ...roots })
  }

  refused({ who, lease }: OfRequest, at: number): this {
    return this.put({ word: 'refused', who, lease, at: ns(at), why: 'aborted' })
  }

  ended({ who, lease }: OfRequest, at: number, word: 'released' | 'lost' = 'released'): this {
    return this.put({ word, who, lease, at: ns(at) })
  }

  wrote({ who, lease }: OfRequest, at: number, accepted: boolean): this {
    return this.put({ word: 'wrote', who, lease, at: ns(at), accepted })
  }

  put(one: Happening): this {
    this.judgement.put(one)
    return this
  }

  get found(): Record<string, number> {
    this.judgement.conclude()
    return Object.fromEntries(Object.entries(this.judgement.found).filter(([, count]) => count > 0))
  }
}

interface OfRequest {
  readonly who: string
  readonly lease: number
  readonly roots: Roots
}

function ns(ms: number): bigint {
  return BigInt(ms) * BigInt(MS)
}

describe('The line', () => {
  /** One has its place, the other is asked for later and let in first. */
  function passed(story: Story, { first = WRITE, second = READ, between = (_: OfRequest) => {}, queuedAt = 11 } = {}): Story {
    const one = story.asked('p1', 10, first)
    if (queuedAt > 0) story.queued(one, queuedAt)
    const other = story.asked('p2', 20, second)
    between(one)
    story.granted(other, 30).ended(other, 40)
    return story.granted(one, 50).ended(one, 60)
  }

  test('knows who was passed', () => {
    const story = passed(new Story())
    expect(story.found).toEqual({ order: 1 })
    expect(story.judgement.violations[0]?.inWords).toMatch(/^p2 request 2 \(read \/a\/b\) was let in before p1 request 1 \(write \/a\)/)
  })

  test.each<[string, Parameters<typeof passed>[1]]>([
    ['they do not exclude each other', { first: READ }],
    ['nobody said that it had its place', { queuedAt: 0 }],
    ['its place was told only after the other was asked for', { queuedAt: 21 }],
  ])('does not judge when %s', (_, how) => {
    expect(passed(new Story(), how).found).toEqual({})
  })

  test('does not judge when its worker had lost touch, or the server was struck', () => {
    for (const what of [
      { word: 'shaken', who: 'p1', at: ns(25) },
      { word: 'fault', who: 'p1', at: ns(25), kind: 'cut', manner: 'cut off', phase: 'begins' },
      { word: 'fault', who: null, at: ns(25), kind: 'freeze', manner: 'stands still', phase: 'begins' },
    ] as const) {
      const story = new Story()
      expect(passed(story, { between: () => story.put(what) }).found).toEqual({})
    }
    const another = new Story()
    expect(passed(another, { between: () => another.put({ word: 'shaken', who: 'p2', at: ns(25) }) }).found).toEqual({ order: 1 })
  })

  test('does not judge one whose worker loses touch after it was passed, and is asked for anew', () => {
    const story = new Story()
    const one = story.asked('p1', 10)
    story.queued(one, 11)
    const other = story.asked('p2', 20)
    story
      .granted(other, 30)
      .ended(other, 40)
      .put({ word: 'shaken', who: 'p1', at: ns(45) })
    expect(story.granted(one, 50).found).toEqual({})
  })

  test('does not judge one that was giving up', () => {
    const aborted = new Story()
    expect(passed(aborted, { between: (one) => aborted.withdrawn(one, 25) }).found).toEqual({})
    const story = new Story()
    const one = story.asked('p1', 10, WRITE, 29)
    story.queued(one, 11)
    const other = story.asked('p2', 20, READ)
    story.granted(other, 30).ended(other, 40).granted(one, 50).ended(one, 60)
    expect(story.found).toEqual({})
  })

  test('does not judge one that was let in before, and learnt of it when it was over', () => {
    const story = new Story()
    const one = story.asked('p1', 10)
    story.queued(one, 11)
    const other = story.asked('p2', 20)
    story.granted(other, 30, FOR_EVER, 7).ended(other, 40).granted(one, 50, 25, 6)
    expect(story.found).toEqual({})
  })

  test('lets writers pass readers where they go first, and nobody else', () => {
    expect(passed(new Story({ prefer: 'writers' }), { first: READ, second: WRITE }).found).toEqual({})
    expect(passed(new Story({ prefer: 'writers' }), { first: WRITE, second: WRITE }).found).toEqual({ order: 1 })
    expect(passed(new Story({ ordered: false }), {}).found).toEqual({})
  })

  test('finds who waits for too long, and once', () => {
    const story = new Story()
    const one = story.asked('p1', 10)
    story.judgement.look(ns(1_010), false)
    expect(story.found).toEqual({})
    story.judgement.look(ns(1_011), false)
    story.judgement.look(ns(1_012), false)
    expect(story.found).toEqual({ waiting: 1 })
    story.granted(one, 1_020)
    expect(story.judgement.waiting).toBe(0)
  })

  test('lets readers wait where writers go first, but not in the end', () => {
    const story = new Story({ prefer: 'writers' })
    story.asked('p1', 10, READ)
    story.judgement.look(ns(5_000), false)
    expect(story.found).toEqual({})
    story.judgement.look(ns(5_000), true)
    expect(story.found).toEqual({ waiting: 1 })
  })

  test('finds who waits while nobody is let in any more', () => {
    const story = new Story()
    const busy = story.asked('p2', 0)
    story.asked('p1', 10)
    story.granted(busy, 50)
    story.judgement.look(ns(151), false)
    story.judgement.look(ns(150), true)
    expect(story.found).toEqual({})
    story.judgement.look(ns(151), true)
    expect(story.found).toEqual({ waiting: 1 })
  })

  test('does not wait for the dead', () => {
    const story = new Story()
    story.asked('p1', 10)
    story.put({ word: 'gone', who: 'p1', at: ns(20) })
    // It was written, but not in time.
    story.asked('p1', 21)
    story.judgement.look(ns(5_000), true)
    expect(story.found).toEqual({})
  })
})

describe('The resource', () => {
  test('refuses whoever has a smaller token than it has seen, there or anywhere below', () => {
    const fenced = new Fenced(new BigInt64Array(PLACES.length), 1)
    const [deep, deeper, beside] = ['/d/2', '/d/2/3', '/f1'].map((place) => PLACES.indexOf(place)) as [number, number, number]
    expect(fenced.write([deep, beside], 5n)).toBe(true)
    expect(fenced.write([deep], 5n)).toBe(true)
    expect(fenced.write([deeper], 4n)).toBe(false)
    expect(fenced.write([deeper], 6n)).toBe(true)
    expect(fenced.write([deep], 5n)).toBe(false)
    expect(fenced.write([PLACES.indexOf('')], 5n)).toBe(false)
    expect(fenced.write([beside], 5n)).toBe(true)
  })

  test('knows several trees, and what is above all of them', () => {
    const fenced = new Fenced(new BigInt64Array(placesOf(3).length), 3)
    const at = (tree: number, place: string): number => placeIn(tree, PLACES.indexOf(place), 3)
    expect(fenced.write([at(0, '/d/2/3')], 5n)).toBe(true)
    expect(fenced.write([at(1, '/d'), at(2, '')], 3n)).toBe(true)
    expect(fenced.write([at(0, '')], 4n)).toBe(false)
    expect(fenced.write([WHOLE], 4n)).toBe(false)
    expect(fenced.write([WHOLE], 6n)).toBe(true)
    for (let tree = 0; tree < 3; tree++) expect(fenced.write([at(tree, '/f19')], 5n)).toBe(false)
  })

  test('is right to refuse what comes too late', () => {
    for (const end of ['released', 'lost', 'gone'] as const) {
      const story = new Story()
      const one = story.asked('p1', 10)
      story.granted(one, 20, 100)
      // In time, as far as was known then; and after the deadline.
      const at = end === 'released' ? 101 : 99
      story.wrote(one, at, false)
      if (end === 'gone') story.put({ word: 'gone', who: 'p1', at: ns(102) })
      else story.ended(one, 102, end)
      expect(story.found).toEqual({})
      expect(story.judgement.counts).toMatchObject({ lateRefused: 1, lateAccepted: 0 })
    }
  })

  test('is not to refuse a holder', () => {
    const story = new Story()
    const one = story.asked('p1', 10)
    story.granted(one, 20, 100).wrote(one, 99, false).ended(one, 102)
    expect(story.found).toEqual({ fence: 1 })
  })

  test('may accept what comes late, as long as nobody was there', () => {
    const story = new Story()
    const one = story.asked('p1', 10)
    story.granted(one, 20, 100).wrote(one, 120, true).ended(one, 121)
    expect(story.found).toEqual({})
    expect(story.judgement.counts).toMatchObject({ lateRefused: 0, lateAccepted: 1 })
  })
})
