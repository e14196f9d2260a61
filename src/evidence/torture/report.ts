// SPDX-License-Identifier: MIT
// What came out of a run: promise by promise, and the figures.
import type { Preference } from '../../core/backend.ts'
import { spoken } from '../bounded.ts'
import { FAULTS, type FaultKind } from './fault-kinds.ts'
import type { Counts, Judgement, ViolationKind } from './judgement.ts'

export type PromiseName = 'exclusion' | 'tokens' | 'order' | 'waiting' | 'left' | 'fence' | 'workers'

export interface PromiseResult {
  readonly promise: PromiseName
  readonly title: string
  readonly outcome: 'ok' | 'failed' | 'not tried'
  readonly found: string
  readonly violations: number
  /** The first ones, in words. */
  readonly first: readonly string[]
}

export interface TortureReport {
  readonly version: 1
  readonly verdict: 'ok' | 'failed'
  readonly sentence: string
  readonly engine: string
  readonly place: string
  readonly prefer: Preference
  readonly seed: number
  /** The same for the same plan of requests and faults. */
  readonly plan: string
  /** It was stopped before its time. */
  readonly interrupted: boolean
  readonly seconds: number
  readonly processes: number
  /** Requests that a process makes at once. */
  readonly tasks: number
  /** Copies of the tree of places. */
  readonly trees: number
  readonly leaseMs: number | null
  readonly grants: number
  readonly requests: Omit<Counts, 'lateRefused' | 'lateAccepted'>
  readonly lateWrites: { readonly refused: number; readonly accepted: number }
  readonly longestWaitMs: number
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly promises: readonly PromiseResult[]
  /** The file in which the time around the first violation is drawn. */
  readonly timeline: string | null
}

export interface Facts {
  readonly judgement: Judgement
  /** Whether order is promised at all. */
  readonly ordered: boolean
  /** How long somebody might have waited. */
  readonly boundMs: number
  /** Whether there was somebody to look around in the end. */
  readonly looked: boolean
}

const TITLES: Readonly<Record<PromiseName, string>> = {
  exclusion: 'exclusion',
  tokens: 'tokens rise',
  order: 'first come, first served',
  waiting: 'nobody waits for ever',
  left: 'nothing is left behind',
  fence: 'late writes are refused',
  workers: 'nothing else went wrong',
}

const KINDS: Readonly<Record<PromiseName, ViolationKind>> = {
  exclusion: 'overlap',
  tokens: 'token',
  order: 'order',
  waiting: 'waiting',
  left: 'left',
  fence: 'fence',
  workers: 'worker',
}

export function promisesOf(facts: Facts): readonly PromiseResult[] {
  const { judgement } = facts
  const good = found(facts)
  return (Object.keys(TITLES) as PromiseName[]).map((promise) => {
    const kind = KINDS[promise]
    const violations = judgement.found[kind]
    const first = judgement.violations.flatMap((one) => (one.kind === kind ? [one.inWords] : []))
    const { untried, text } = good[promise]
    const outcome = violations > 0 ? 'failed' : untried ? 'not tried' : 'ok'
    return { promise, title: TITLES[promise], outcome, found: violations > 0 ? bad(violations, first) : text, violations, first }
  })
}

/** What is said when nothing was wrong. */
function found({ judgement, ordered, boundMs, looked }: Facts): Readonly<Record<PromiseName, { untried?: boolean; text: string }>> {
  const { counts, kept, longestWaitMs } = judgement
  const grants = amount(counts.granted, 'grant')
  return {
    exclusion: { untried: counts.granted === 0, text: `${grants}, and no two at once that exclude each other` },
    tokens: { untried: counts.granted === 0, text: 'each token was above all earlier ones in its way' },
    order: ordered
      ? { untried: kept === 0, text: `${amount(kept, 'request')} in line, and nobody was let in past them` }
      : { untried: true, text: 'not promised there: only that nobody starves' },
    waiting: { text: `the longest wait was ${spoken(longestWaitMs)}, ${spoken(boundMs)} would have been too long` },
    left: looked
      ? { text: 'the whole tree was free, and nobody to be seen in it' }
      : { untried: true, text: 'there was nobody left who could look' },
    fence: {
      text: `${amount(counts.lateRefused, 'write')} refused that came too late, none in time; ${counts.lateAccepted} late, with nobody before them`,
    },
    workers: { text: `${amount(counts.refused.unavailable, 'request')} failed as the server was out of reach` },
  }
}

function bad(violations: number, [first = '']: readonly string[]): string {
  return `${violations === 1 ? '' : `${violations} times, first: `}${first}`
}

function amount(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
}

export function sentenceOf(report: Pick<TortureReport, 'promises' | 'grants' | 'faults' | 'seconds' | 'interrupted'>): string {
  const { promises, grants, faults, seconds, interrupted } = report
  const failed = promises.filter(({ outcome }) => outcome === 'failed')
  const struck = FAULTS.reduce((sum, kind) => sum + faults[kind], 0)
  const run = `${amount(grants, 'grant')}, ${amount(struck, 'fault')}, ${seconds.toFixed(1)} s${interrupted ? ', interrupted' : ''}`
  if (failed.length > 0) return `Broken: ${failed.map(({ title }) => title).join(', ')} (${run}).`
  return `No promise was broken (${run}).`
}
