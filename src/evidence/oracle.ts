// SPDX-License-Identifier: MIT
// An oracle that knows no engine, no modes and no claims: only that whoever writes a sub-tree is alone in it, and that tokens rise. Workers put
// down marks; from these it finds out during which times each could count on its lease, and says where two overlapped that exclude each other.
//
// Invariant: a lease counts for less time than it was held, never for more. It counts from a mark made after the grant, to the earliest of: a mark
// made before the release was asked for, its deadline as far as its worker knew it, and a mark made before its worker was killed. One that was
// lost before its deadline counts to the last look that found it good. So whatever overlaps here has overlapped in truth, however late a mark was put down.

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

/** One thing that the oracle has found. */
export interface OracleFault {
  readonly kind: 'overlap' | 'token'
  readonly inWords: string
  readonly at: bigint
}

/** During which somebody counted on these sub-trees. */
interface Span extends Roots {
  readonly whose: string
  readonly token: bigint
  readonly from: bigint
  /** Null while it is not known. */
  to: bigint | null
  /** False for what is left of a lease after it was weakened. */
  readonly isGrant: boolean
}

/** One whose end is known. */
type EndedSpan = Span & { readonly to: bigint }

/** A lease that has not ended yet. */
interface Belief {
  span: Span
  seenGood: bigint
  deadline: bigint
}

/** @param marks of all workers, in any order, as long as those of one worker are in its own. */
export function judge(marks: Iterable<Mark>): Verdict {
  const oracle = new Oracle()
  for (const mark of [...marks].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))) oracle.put(mark)
  return oracle.conclude()
}

/**
 * Judges while marks come in, however many there are: a span is looked at as soon as its end is known and that of all that began before it, and only
 * what may still overlap with something is remembered.
 */
export class Oracle {
  private readonly found: (fault: OracleFault) => void
  private readonly overlaps: string[] = []
  private readonly tokenFaults: string[] = []
  private readonly beliefs = new Map<string, Belief>()
  private readonly gone = new Set<string>()
  private readonly tokens = new Tokens()
  /** In the order in which they began; those before `judged` are done with. */
  private spans: Span[] = []
  private judged = 0
  /** Valid spans that had not ended when the last one that was looked at began. */
  private open: EndedSpan[] = []
  private grants = 0
  private lost = 0

  /** @param found told of each fault when it is found. */
  constructor(found: (fault: OracleFault) => void = () => {}) {
    this.found = found
  }

  /** Marks come in the order of their times. */
  put(mark: Mark): void {
    if (this.gone.has(mark.who)) return
    if (mark.word === 'gone') this.bury(mark.who, mark.at)
    else if (mark.word === 'granted') this.granted(mark)
    else this.tell(mark)
    this.look()
  }

  /** When a lease that is not over ends at the latest, as far as is known; null for one that is over. */
  deadlineOf(who: string, lease: number): bigint | null {
    return this.beliefs.get(`${who}#${lease}`)?.deadline ?? null
  }

  /** No more marks come: what was not given back counts to its deadline. */
  conclude(): Verdict {
    for (const belief of this.beliefs.values()) belief.span.to = belief.deadline
    this.beliefs.clear()
    this.look()
    const { grants, lost, overlaps, tokenFaults } = this
    return { grants, lost, overlaps, tokenFaults }
  }

  private granted({ who, lease, token, read, write, at, deadline }: Mark & { readonly word: 'granted' }): void {
    const whose = `${who}#${lease}`
    const span = { whose, token, read, write, from: at, to: null, isGrant: true }
    const twice = this.beliefs.get(whose)
    // Nobody knows which of the two is meant by what follows: the first does not count.
    if (twice !== undefined) twice.span.to = twice.span.from
    this.grants++
    this.spans.push(span)
    this.beliefs.set(whose, { span, seenGood: at, deadline })
  }

  private tell(mark: LeaseMark & { readonly word: string; readonly deadline?: bigint }): void {
    const whose = `${mark.who}#${mark.lease}`
    const belief = this.beliefs.get(whose)
    if (belief === undefined) return
    if (mark.word === 'good') {
      belief.seenGood = mark.at
      belief.deadline = mark.deadline!
    } else if (mark.word === 'weakened') {
      belief.span.to = earlier(mark.at, belief.deadline)
      const { token, read, write } = belief.span
      belief.span = { whose, token, read: [...read, ...write], write: [], from: mark.at, to: null, isGrant: false }
      this.spans.push(belief.span)
    } else {
      if (mark.word === 'lost') this.lost++
      const early = mark.word === 'lost' && mark.at < belief.deadline
      this.end(whose, belief, early ? belief.seenGood : mark.at)
    }
  }

  private bury(who: string, at: bigint): void {
    this.gone.add(who)
    for (const [whose, belief] of [...this.beliefs]) if (whose.startsWith(`${who}#`)) this.end(whose, belief, at)
  }

  private end(whose: string, belief: Belief, at: bigint): void {
    belief.span.to = earlier(at, belief.deadline)
    this.beliefs.delete(whose)
  }

  /** In the order in which they began, each against those that had not ended. */
  private look(): void {
    const { spans } = this
    for (; this.judged < spans.length && spans[this.judged]!.to !== null; this.judged++) {
      const span = spans[this.judged] as EndedSpan
      if (span.to > span.from) this.judge(span)
    }
    if (this.judged < 1_024) return
    this.spans = spans.slice(this.judged)
    this.judged = 0
  }

  private judge(span: EndedSpan): void {
    const { open } = this
    let kept = 0
    for (const other of open) {
      if (other.to <= span.from) continue
      open[kept++] = other
      if (other.whose === span.whose || !exclude(span, other)) continue
      const inWords = `${say(span)} began ${milliseconds(other.to - span.from)} before the end of ${say(other)}`
      this.overlaps.push(inWords)
      this.found({ kind: 'overlap', inWords, at: span.from })
    }
    open.length = kept
    open.push(span)
    if (!span.isGrant) return
    const before = this.tokens.add(span)
    if (span.token > before) return
    const inWords = `${say(span)} came after token ${before}, which is not smaller`
    this.tokenFaults.push(inWords)
    this.found({ kind: 'token', inWords, at: span.from })
  }
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
  readonly above: readonly Highest[]
  read: bigint
  write: bigint
  readBelow: bigint
  writeBelow: bigint
}

/** One that is granted later has a larger token than all that were in its way. Every place remembers the largest, so the cost is that of depth. */
class Tokens {
  private readonly places = new Map<string, Highest>()

  /** Answers the largest token of those before it that were in its way. */
  add({ read, write, token }: Span): bigint {
    let before = -1n
    const seen = (...tokens: readonly bigint[]): void => {
      for (const one of tokens) if (one > before) before = one
    }
    const [reads, writes] = [read.map((key) => this.at(key)), write.map((key) => this.at(key))]
    for (const place of writes) {
      seen(place.readBelow, place.writeBelow, place.read, place.write)
      for (const up of place.above) seen(up.read, up.write)
    }
    for (const place of reads) {
      seen(place.writeBelow, place.write)
      for (const up of place.above) seen(up.write)
    }
    for (const place of writes) {
      place.write = larger(place.write, token)
      for (const up of place.above) up.writeBelow = larger(up.writeBelow, token)
    }
    for (const place of reads) {
      place.read = larger(place.read, token)
      for (const up of place.above) up.readBelow = larger(up.readBelow, token)
    }
    return before
  }

  private at(key: string): Highest {
    let place = this.places.get(key)
    if (place === undefined) {
      place = { above: ancestors(key).map((up) => this.at(up)), read: -1n, write: -1n, readBelow: -1n, writeBelow: -1n }
      this.places.set(key, place)
    }
    return place
  }
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

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
