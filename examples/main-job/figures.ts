// SPDX-License-Identifier: MIT
// Numbers from a recording.
import { type Hold, isHold, type Outcome, type Role, type Span } from './records.ts'

/** The smallest value that at least `percent` of the values do not exceed (nearest rank); null of nothing. */
export function percentile(values: readonly number[], percent: number): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!
}

/** Milliseconds between asking and being let in. */
export function waits(spans: readonly Span[], role: Role): readonly number[] {
  return spans
    .filter(isHold)
    .filter((span) => span.role === role)
    .map((span) => span.granted - span.asked)
}

/**
 * How often somebody was let in to a study while a writer was in, or a writer while somebody was in. It knows nothing of locks or
 * digests: it is a second witness beside the torn reads.
 */
export function intrusions(spans: readonly Span[]): number {
  const inside = new Map<string, Hold[]>()
  let count = 0
  for (const span of spans.filter(isHold).sort((a, b) => a.granted - b.granted)) {
    const others = (inside.get(span.study) ?? []).filter((other) => other.ended === null || other.ended > span.granted)
    count += others.filter((other) => other.role === 'writer' || span.role === 'writer').length
    inside.set(span.study, [...others, span])
  }
  return count
}

/**
 * How often somebody took a file for a dead writer's though none had died on it: a reader that skipped or a writer that restored at any
 * other time than between the kill and the first restoration. If locks failed, notes of live writers would be met, and hide torn reads.
 */
export function falseAlarms(spans: readonly Span[], kill: { readonly study: string; readonly at: number } | null): number {
  const alarms = spans.filter(isHold).filter(({ outcome }) => outcome === 'skipped' || outcome === 'restored')
  const explained = (span: Hold): boolean => kill !== null && span.study === kill.study && span.granted > kill.at
  const restoredAt = Math.min(...alarms.filter((span) => span.outcome === 'restored' && explained(span)).map((span) => span.granted))
  return alarms.filter((span) => !explained(span) || span.granted > restoredAt).length
}

export function countOutcomes(spans: readonly Span[], ...outcomes: readonly Outcome[]): number {
  return spans.filter((span) => span.outcome !== null && outcomes.includes(span.outcome)).length
}
