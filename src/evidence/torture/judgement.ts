// SPDX-License-Identifier: MIT
// Everything that happened comes by here once, in the order of its times: counted, shown to the oracles, and remembered for a while, so that it can be told
// what came before the first thing that was wrong.
import { Oracle } from '../oracle.ts'
import { type Promised, WaitingLine } from './line.ts'
import type { Happening } from './marks.ts'
import type { Refusal } from './record.ts'

/** Overlap, token, order, waiting: as the oracles say. Fence: a write in time was refused. Left: something is left behind. Worker: a request failed, or a process. */
export type ViolationKind = 'overlap' | 'token' | 'order' | 'waiting' | 'fence' | 'left' | 'worker'

export interface Violation {
  readonly kind: ViolationKind
  readonly inWords: string
  /** Nanoseconds of CLOCK_BOOTTIME. */
  readonly at: bigint
}

export interface Counts {
  asked: number
  granted: number
  weakened: number
  lost: number
  /** Writes that came when the lease was over: refused, as somebody else had been there; or accepted, as nobody had. */
  lateRefused: number
  lateAccepted: number
  readonly refused: Record<Refusal, number>
}

/** What is remembered. */
const MEMORY_NS = 3_000_000_000n
const MEMORY_MARKS = 60_000
/** So many are told of each kind. */
const MOST_TOLD = 10

export class Judgement {
  readonly counts: Counts = {
    ...{ asked: 0, granted: 0, weakened: 0, lost: 0, lateRefused: 0, lateAccepted: 0 },
    refused: { busy: 0, 'timed out': 0, aborted: 0, unavailable: 0, failed: 0 },
  }
  /** The first ones of each kind. */
  readonly violations: Violation[] = []
  readonly found: Record<ViolationKind, number> = { overlap: 0, token: 0, order: 0, waiting: 0, fence: 0, left: 0, worker: 0 }
  private readonly oracle: Oracle
  private readonly line: WaitingLine
  private readonly gone = new Set<string>()
  /** Leases that count as good so far, and whose write was refused. */
  private readonly refused = new Map<string, bigint>()
  private history: Happening[] = []
  private frozen = false

  constructor(promised: Promised) {
    this.oracle = new Oracle((fault) => this.violated(fault))
    this.line = new WaitingLine((fault) => this.violated(fault), promised)
  }

  /** Requests under way. */
  get waiting(): number {
    return this.line.size
  }

  /** Of those that were let in. */
  get longestWaitMs(): number {
    return Number(this.line.longestWaitNs) / 1e6
  }

  /** Requests that had their place in the line, and were let in before all who came later. */
  get kept(): number {
    return this.line.kept
  }

  /** In the order of their times. */
  get remembered(): readonly Happening[] {
    return this.history
  }

  put(one: Happening): void {
    if (one.word !== 'fault' && this.gone.has(one.who)) return
    this.remember(one)
    this.count(one)
    this.line.put(one)
    switch (one.word) {
      case 'wrote':
        this.wrote(`${one.who}#${one.lease}`, one.at, one.accepted, this.oracle.deadlineOf(one.who, one.lease))
        return
      case 'gone':
        this.gone.add(one.who)
        for (const whose of [...this.refused.keys()]) if (whose.startsWith(`${one.who}#`)) this.late(whose)
        break
      case 'lost':
        this.late(`${one.who}#${one.lease}`)
        break
      case 'released':
        this.inTime(`${one.who}#${one.lease}`)
        break
      case 'granted':
      case 'good':
      case 'weakened':
        break
      default:
        return
    }
    this.oracle.put(one)
  }

  /** Everything up to this time is known. @param ending nobody asks for anything new. */
  look(now: bigint, ending: boolean): void {
    this.line.look(now, ending)
    this.forget(now)
  }

  /** No more is remembered, and nothing is forgotten. */
  freeze(): void {
    this.frozen = true
  }

  /** Nothing more comes. */
  conclude(): void {
    this.oracle.conclude()
  }

  violated({ kind, inWords, at }: Violation): void {
    if (++this.found[kind] <= MOST_TOLD) this.violations.push({ kind, inWords, at })
  }

  private count(one: Happening): void {
    const { counts } = this
    if (one.word === 'asked') counts.asked++
    else if (one.word === 'granted') counts.granted++
    else if (one.word === 'weakened') counts.weakened++
    else if (one.word === 'lost') counts.lost++
    else if (one.word === 'refused') counts.refused[one.why]++
  }

  private wrote(whose: string, at: bigint, accepted: boolean, deadline: bigint | null): void {
    if (accepted) this.counts.lateAccepted++
    // Whether it was good then is known at its end.
    else if (deadline !== null && at <= deadline) this.refused.set(whose, at)
    else this.counts.lateRefused++
  }

  private late(whose: string): void {
    if (this.refused.delete(whose)) this.counts.lateRefused++
  }

  private inTime(whose: string): void {
    const at = this.refused.get(whose)
    if (at === undefined) return
    this.refused.delete(whose)
    const inWords = `${whose.replace('#', ' lease ')} was good, and its write was refused: somebody with a larger token had been there`
    this.violated({ kind: 'fence', inWords, at })
  }

  private remember(one: Happening): void {
    if (!this.frozen) this.history.push(one)
  }

  private forget(now: bigint): void {
    const { history } = this
    if (this.frozen || history.length < 2_048) return
    const first = history.findIndex(({ at }) => now - at < MEMORY_NS)
    const from = Math.max(first === -1 ? history.length : first, history.length - MEMORY_MARKS)
    if (from > history.length / 2) this.history = history.slice(from)
  }
}
