// SPDX-License-Identifier: MIT
// An oracle for those who wait: nobody waits for ever, and where it is promised nobody is let in past one who came before. Beside marks it knows nothing.
//
// Order is judged only where there can be no doubt: one had its place in the line before the other was asked for, they exclude each other, the other was let
// in while the first still waited, and the first then got a lease that was good: it cannot have been let in before, without its worker knowing. Whoever lost
// touch with the server meanwhile may have lost its place, too, and does not count.
import type { Preference } from '../../core/backend.ts'
import { exclude, type Roots } from '../oracle.ts'
import type { Happening } from './marks.ts'

export interface Promised {
  /** Whoever comes first is let in first, and not only some time. */
  readonly ordered: boolean
  readonly prefer: Preference
  /** Nobody waits for longer, but for readers where writers go first. */
  readonly boundMs: number
  /** In the end, when nobody asks for anything new: somebody is let in at least so often, as long as somebody waits. */
  readonly quietMs: number
}

export type LineFault = { readonly kind: 'order' | 'waiting'; readonly inWords: string; readonly at: bigint }

interface Waiting extends Roots {
  readonly who: string
  readonly lease: number
  readonly asked: bigint
  /** Null while nobody has said that it has its place. */
  queued: bigint | null
  /** From then on it may have given up; null where it will not. */
  until: bigint | null
  /** Where it stands is not known any more. */
  lost: boolean
  /** Who was let in past it, in words. */
  passedBy: string | null
}

export class WaitingLine {
  /** Pairs of which the one had to be let in before the other, and was. */
  kept = 0
  longestWaitNs = 0n
  private readonly found: (fault: LineFault) => void
  private readonly ordered: boolean
  private readonly writersFirst: boolean
  private readonly boundNs: bigint
  private readonly quietNs: bigint
  private readonly waiting = new Map<string, Waiting>()
  /** Those that have a place in the line, and exclude whoever comes later. */
  private readonly inLine = new Set<Waiting>()
  private struck = 0
  private lastGrant = 0n

  constructor(found: (fault: LineFault) => void, { ordered, prefer, boundMs, quietMs }: Promised) {
    this.found = found
    this.ordered = ordered
    this.writersFirst = prefer === 'writers'
    this.boundNs = BigInt(Math.round(boundMs)) * 1_000_000n
    this.quietNs = BigInt(Math.round(quietMs)) * 1_000_000n
  }

  /** Requests that have not come to their end. */
  get size(): number {
    return this.waiting.size
  }

  /** Marks come in the order of their times. */
  put(mark: Happening): void {
    switch (mark.word) {
      case 'asked': {
        const { who, lease, at, until, read, write } = mark
        this.waiting.set(`${who}#${lease}`, {
          ...{ who, lease, read, write, asked: at, queued: null, until: until === 0n ? null : until },
          ...{ lost: this.struck > 0, passedBy: null },
        })
        return
      }
      case 'queued': {
        const one = this.waiting.get(`${mark.who}#${mark.lease}`)
        if (one === undefined || !this.ordered) return
        one.queued = mark.at
        this.inLine.add(one)
        return
      }
      case 'withdrawn': {
        const one = this.waiting.get(`${mark.who}#${mark.lease}`)
        if (one !== undefined) one.until = mark.at
        return
      }
      case 'granted':
        this.granted(mark)
        return
      case 'refused':
        this.end(`${mark.who}#${mark.lease}`)
        return
      case 'gone':
        for (const [whose, { who }] of [...this.waiting]) if (who === mark.who) this.end(whose)
        return
      case 'shaken':
        this.shake(mark.who)
        return
      case 'fault':
        if (mark.who === null) this.struck += mark.phase === 'begins' ? 1 : -1
        this.shake(mark.who)
    }
  }

  /** Everything up to this time is known. @param ending nobody asks for anything new. */
  look(now: bigint, ending: boolean): void {
    for (const [whose, one] of this.waiting) {
      // In the order in which they were asked for.
      if (now - one.asked <= this.boundNs) break
      // As long as writers come.
      if (this.standsAside(one)) continue
      this.stranded(whose, one, `has waited for ${seconds(now - one.asked)}`, now)
    }
    if (!ending) return
    for (const [whose, one] of [...this.waiting]) {
      const quiet = [now - one.asked, now - this.lastGrant]
      if (quiet.every((ns) => ns > this.quietNs)) this.stranded(whose, one, `waits, and nobody is let in any more`, now)
    }
  }

  private granted(mark: Happening & { readonly word: 'granted' }): void {
    const { who, lease, at, deadline } = mark
    this.lastGrant = at
    const one = this.end(`${who}#${lease}`)
    if (one === undefined) return
    if (at - one.asked > this.longestWaitNs) this.longestWaitNs = at - one.asked
    if (one.passedBy !== null && !one.lost && deadline > at)
      this.found({
        kind: 'order',
        inWords: `${one.passedBy} was let in before ${say(one)}, which had its place before it was asked for`,
        at,
      })
    for (const other of this.inLine) {
      if (other.queued! >= one.asked || other.lost || !exclude(one, other)) continue
      if (this.standsAside(other)) continue
      if (other.until !== null && other.until <= at) continue
      other.passedBy ??= say(one)
    }
    if (one.queued !== null && one.passedBy === null) this.kept++
  }

  private standsAside({ write }: Waiting): boolean {
    return this.writersFirst && write.length === 0
  }

  private end(whose: string): Waiting | undefined {
    const one = this.waiting.get(whose)
    this.waiting.delete(whose)
    if (one !== undefined) this.inLine.delete(one)
    return one
  }

  /** @param who null for everybody. */
  private shake(who: string | null): void {
    for (const one of this.waiting.values()) if (who === null || one.who === who) one.lost = true
  }

  private stranded(whose: string, one: Waiting, what: string, at: bigint): void {
    this.end(whose)
    this.found({ kind: 'waiting', inWords: `${say(one)} ${what}`, at })
  }
}

function say({ who, lease, read, write }: Waiting): string {
  const what = [...write.map((key) => `write ${key}`), ...read.map((key) => `read ${key}`)].join(', ')
  return `${who} request ${lease} (${what})`
}

function seconds(ns: bigint): string {
  return `${(Number(ns) / 1e9).toFixed(1)} s`
}
