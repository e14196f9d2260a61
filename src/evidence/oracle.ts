// SPDX-License-Identifier: MIT
// An oracle that knows no engine, no modes and no claims: only that whoever writes a sub-tree is alone in it, and that tokens rise. Workers put
// down marks; from these it finds out during which times each could count on its lease, and says where two overlapped that exclude each other.
//
// Invariant: a lease counts for less time than it was held, never for more. It counts from a mark made after the grant, to the earliest of: a mark
// made before the release was asked for, its deadline as far as its worker knew it, and a mark made before its worker was killed. One that was
// lost counts to the last look that found it good. So whatever overlaps here has overlapped in truth, however late a mark was put down.

/**
 * Sub-trees by their keys: `/a` covers `/a/b`, and `/` covers all that begin with a slash. Other keys belong to trees of their own, in which slashes
 * divide in the same way.
 */
export interface Roots {
  readonly read: readonly string[]
  readonly write: readonly string[]
}

interface LeaseMark {
  /** A name for the thread or process, never given twice. */
  readonly who: string
  /** Tells the leases of one worker apart. */
  readonly lease: number
  /** Nanoseconds of CLOCK_BOOTTIME, which all processes of a machine share. */
  readonly at: bigint
}

/** What workers put down about their leases, and whoever kills them about them. */
export type Mark =
  /** `deadline`: until when the lease is good unless it is renewed, on the same clock; 2^63-1 where leases do not run out. */
  | (LeaseMark & Roots & { readonly word: 'granted'; readonly token: bigint; readonly deadline: bigint })
  /** At this moment it was found good, until then. */
  | (LeaseMark & { readonly word: 'good'; readonly deadline: bigint })
  /** Is about to become a lease for reading only; is about to be given back; was lost. */
  | (LeaseMark & { readonly word: 'weakened' | 'released' | 'lost' })
  /** All that it holds ends here: it is about to be killed. What it still puts down does not count. */
  | { readonly word: 'gone'; readonly who: string; readonly at: bigint }

export interface Verdict {
  readonly grants: number
  readonly lost: number
  /** Two that exclude each other overlapped, in words. */
  readonly overlaps: readonly string[]
  /** A lease had a token that was not above that of an earlier one in its way, in words. */
  readonly tokenFaults: readonly string[]
}

/** During which somebody counted on these sub-trees. */
interface Span extends Roots {
  readonly whose: string
  readonly token: bigint
  readonly from: bigint
  to: bigint
  /** False for what is left of a lease after it was weakened. */
  readonly isGrant: boolean
}

/** A lease that has not ended yet. */
interface Belief {
  span: Span
  seenGood: bigint
  deadline: bigint
}

/** @param marks of all workers, in any order, as long as those of one worker are in its own. */
export function judge(marks: Iterable<Mark>): Verdict {
  const spans: Span[] = []
  const beliefs = new Map<string, Belief>()
  const gone = new Set<string>()
  let lost = 0
  const end = (whose: string, at: bigint): void => {
    const belief = beliefs.get(whose)
    if (belief === undefined) return
    belief.span.to = earlier(at, belief.deadline)
    beliefs.delete(whose)
  }
  for (const mark of [...marks].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))) {
    if (gone.has(mark.who)) continue
    if (mark.word === 'gone') {
      gone.add(mark.who)
      for (const whose of [...beliefs.keys()]) if (whose.startsWith(`${mark.who}#`)) end(whose, mark.at)
      continue
    }
    const whose = `${mark.who}#${mark.lease}`
    if (mark.word === 'granted') {
      const { token, read, write, at, deadline } = mark
      const span = { whose, token, read, write, from: at, to: at, isGrant: true }
      spans.push(span)
      beliefs.set(whose, { span, seenGood: at, deadline })
      continue
    }
    const belief = beliefs.get(whose)
    if (belief === undefined) continue
    if (mark.word === 'good') {
      belief.seenGood = mark.at
      belief.deadline = mark.deadline
    } else if (mark.word === 'weakened') {
      belief.span.to = earlier(mark.at, belief.deadline)
      const { token, read, write } = belief.span
      belief.span = { whose, token, read: [...read, ...write], write: [], from: mark.at, to: mark.at, isGrant: false }
      spans.push(belief.span)
    } else {
      if (mark.word === 'lost') lost++
      end(whose, mark.word === 'lost' ? belief.seenGood : mark.at)
    }
  }
  for (const belief of beliefs.values()) belief.span.to = belief.deadline
  const valid = spans.filter(({ from, to }) => to > from).sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  return { grants: spans.filter(({ isGrant }) => isGrant).length, lost, overlaps: overlaps(valid), tokenFaults: tokenFaults(valid) }
}

/** In the order in which they began, each against those that had not ended. */
function overlaps(spans: readonly Span[]): string[] {
  const faults: string[] = []
  let open: Span[] = []
  for (const span of spans) {
    open = open.filter((other) => other.to > span.from)
    for (const other of open) {
      if (other.whose === span.whose || !exclude(span, other)) continue
      faults.push(`${say(span)} began ${milliseconds(other.to - span.from)} before the end of ${say(other)}`)
    }
    open.push(span)
  }
  return faults
}

/** True when the two cannot be held at once. */
export function exclude(one: Roots, other: Roots): boolean {
  return meet(one.write, other.write) || meet(one.write, other.read) || meet(one.read, other.write)
}

function meet(some: readonly string[], others: readonly string[]): boolean {
  return some.some((a) => others.some((b) => covers(a, b) || covers(b, a)))
}

function covers(above: string, below: string): boolean {
  return above === below || below.startsWith(above === '/' ? '/' : `${above}/`)
}

/** The largest tokens seen at a place itself, and anywhere below it. */
interface Highest {
  read: bigint
  write: bigint
  readBelow: bigint
  writeBelow: bigint
}

/** One that is granted later has a larger token than all that were in its way. Every place remembers the largest, so the cost is that of depth. */
function tokenFaults(spans: readonly Span[]): string[] {
  const faults: string[] = []
  const places = new Map<string, Highest>()
  const placeAt = (key: string): Highest => {
    let place = places.get(key)
    if (place === undefined) {
      place = { read: -1n, write: -1n, readBelow: -1n, writeBelow: -1n }
      places.set(key, place)
    }
    return place
  }
  for (const span of spans) {
    if (!span.isGrant) continue
    const { token } = span
    let before = -1n
    const above = (key: string): readonly Highest[] => [key, ...ancestors(key)].map(placeAt)
    for (const key of span.write) {
      before = largest(before, placeAt(key).readBelow, placeAt(key).writeBelow)
      for (const place of above(key)) before = largest(before, place.read, place.write)
    }
    for (const key of span.read) {
      before = largest(before, placeAt(key).writeBelow)
      for (const place of above(key)) before = largest(before, place.write)
    }
    if (token <= before) faults.push(`${say(span)} came after token ${before}, which is not smaller`)
    for (const key of span.write) {
      placeAt(key).write = largest(placeAt(key).write, token)
      for (const up of ancestors(key)) placeAt(up).writeBelow = largest(placeAt(up).writeBelow, token)
    }
    for (const key of span.read) {
      placeAt(key).read = largest(placeAt(key).read, token)
      for (const up of ancestors(key)) placeAt(up).readBelow = largest(placeAt(up).readBelow, token)
    }
  }
  return faults
}

/** What lies above a key. */
function ancestors(key: string): string[] {
  if (key === '/') return []
  const above = key.startsWith('/') ? ['/'] : []
  for (let at = key.indexOf('/', 1); at !== -1; at = key.indexOf('/', at + 1)) above.push(key.slice(0, at))
  return above
}

function say({ whose, token, read, write }: Span): string {
  const what = [...write.map((key) => `write ${key}`), ...read.map((key) => `read ${key}`)].join(', ')
  return `${whose.replace('#', ' lease ')} (${what}, token ${token})`
}

function milliseconds(ns: bigint): string {
  return `${(Number(ns) / 1e6).toFixed(3)} ms`
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function largest(...numbers: readonly bigint[]): bigint {
  let most = -1n
  for (const number of numbers) if (number > most) most = number
  return most
}
