// SPDX-License-Identifier: MIT
// Every value accounted for: what the writers were told, against what lies in the file.
import { type Batch, ROWS_IN_BATCH } from './batches.ts'
import type { Contents, Inspection } from './inspection.ts'
import type { Span } from './records.ts'

export interface Accounts {
  /** False: the file cannot be opened, or the log not be found in it. */
  readonly readable: boolean
  /** Appends that succeeded, as far as their writers could see. */
  readonly acknowledged: number
  /** Of these, not in the file. */
  readonly lost: number
  /** In the file more than once. */
  readonly doubled: number
  /** After a later one of the same writer. */
  readonly outOfOrder: number
  /** In the file whole, and nobody has ever begun them. */
  readonly unknown: number
  /** Rows that are no batch: a part of one, or none that anybody wrote. */
  readonly spoilt: number
  /** Whether the attributes say what the rows say. */
  readonly agrees: boolean
  /** Datasets of the original file that are no longer what they were, of so many. */
  readonly damaged: number
  readonly datasets: number
}

export function accountFor(spans: readonly Span[], found: Inspection, original: Contents): Accounts {
  const begun = new Set<string>()
  const acknowledged = new Set<string>()
  for (const { batch, outcome } of spans) {
    if (batch === null) continue
    begun.add(nameOf(batch))
    if (outcome === 'appended') acknowledged.add(nameOf(batch))
  }
  const whole = found.batches.filter((batch) => batch !== null)
  const there = new Set(whole.map(nameOf))
  const datasets = Object.keys(original)
  return {
    readable: found.unreadable === null,
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((name) => !there.has(name)).length,
    doubled: whole.length - there.size,
    outOfOrder: countOutOfOrder(whole),
    unknown: [...there].filter((name) => !begun.has(name)).length,
    spoilt: found.batches.length - whole.length,
    agrees: found.noted !== null && found.noted.count === BigInt(found.rows) && found.noted.sum === found.sum,
    damaged: datasets.filter((name) => found.contents[name] !== original[name]).length,
    datasets: datasets.length,
  }
}

/** True when the batch of the killed writer is in the file, or a part of it. */
export function hasRowsOf(batch: Batch, found: Inspection): boolean {
  return found.batches.some((one) => one === null || nameOf(one) === nameOf(batch))
}

/** Everything that is not as it must be, in words; empty when each value is where it belongs. */
export function discrepancies(accounts: Accounts, { unreadable }: Inspection): readonly string[] {
  if (unreadable !== null) return [`the file cannot be read: ${unreadable}`]
  const { acknowledged, lost, doubled, outOfOrder, unknown, spoilt, agrees, damaged, datasets } = accounts
  const counts: readonly (readonly [number, string])[] = [
    [lost, `${lost} of ${acknowledged} acknowledged appends are lost`],
    [doubled, `${doubled} appends are there twice`],
    [outOfOrder, `${outOfOrder} appends are out of order`],
    [unknown, `${unknown} appends are there that nobody made`],
    [spoilt, `${spoilt} times ${ROWS_IN_BATCH} rows are not as anybody wrote them`],
    [agrees ? 0 : 1, 'the attributes do not agree with the rows'],
    [damaged, `${damaged} of ${datasets} datasets of the original file are damaged`],
  ]
  return counts.filter(([count]) => count > 0).map(([, text]) => text)
}

function countOutOfOrder(batches: readonly Batch[]): number {
  const last = new Map<number, number>()
  return batches.filter(({ writer, sequence }) => {
    const late = sequence < (last.get(writer) ?? 0)
    last.set(writer, Math.max(sequence, last.get(writer) ?? 0))
    return late
  }).length
}

function nameOf({ writer, sequence }: Batch): string {
  return `${writer}:${sequence}`
}
