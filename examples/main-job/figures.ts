// SPDX-License-Identifier: MIT
// Numbers from a recording.
import { type Hold, isHold, type Role, type Span } from './records.ts'

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
 * How often somebody was let in while a writer was in, or a writer while somebody was in. It knows nothing of locks or values: it is a second
 * witness beside the torn reads.
 */
export function intrusions(spans: readonly Span[]): number {
  let inside: Hold[] = []
  let count = 0
  for (const span of inOrderOfGrants(spans)) {
    inside = inside.filter((other) => other.ended === null || other.ended > span.granted)
    count += inside.filter((other) => other.role === 'writer' || span.role === 'writer').length
    inside.push(span)
  }
  return count
}

/**
 * How many grants had a fencing token that did not rise above those of everybody before whom they excluded. A third witness: tokens rise among
 * all who share a lock space, so if they do not, these processes share none, whatever else may have kept them apart.
 */
export function tokensOutOfOrder(spans: readonly Span[]): number {
  const highest = { reader: -1n, writer: -1n }
  let count = 0
  for (const { role, token: text } of inOrderOfGrants(spans)) {
    if (text === null) continue
    const token = BigInt(text)
    if (token <= highest.writer || (role === 'writer' && token <= highest.reader)) count++
    if (token > highest[role]) highest[role] = token
  }
  return count
}

function inOrderOfGrants(spans: readonly Span[]): readonly Hold[] {
  return spans.filter(isHold).sort((a, b) => a.granted - b.granted)
}
