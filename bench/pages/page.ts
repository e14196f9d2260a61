// SPDX-License-Identifier: MIT
// What a suite says of itself: the words of its part of docs/benchmarks.md, and which of its numbers stand side by side.
import type { Distribution } from '../harness.ts'
import type { SuiteResult } from '../results.ts'

export interface Page {
  /** Paragraphs in Markdown. */
  readonly about: readonly string[]
  /** By figure, what it says. A `*` at the end stands for all figures that begin so and are not named themselves. */
  readonly figures: Readonly<Record<string, string>>
  beside?(suite: SuiteResult): readonly Comparison[]
  plots?(suite: SuiteResult): readonly Plot[]
  readonly after?: readonly string[]
}

/** The same thing done by us and by others. Each has its bar in a plot and its line in a table. */
export interface Comparison {
  /** The plot's file, and its address in the page. */
  readonly id: string
  readonly title: string
  readonly says: string
  /** `duration` is in nanoseconds, and less is better; `rate` is a second, and more is better. */
  readonly unit: 'duration' | 'rate'
  readonly entries: readonly Entry[]
  /** What else is told of each. */
  readonly columns?: readonly string[]
}

export interface Entry {
  readonly name: string
  /** A floor is no lock: what cannot be done without. */
  readonly kind: 'ours' | 'peer' | 'floor'
  readonly value: number
  /** How many times as fast we are, where a figure tells it; else the values are compared. */
  readonly times?: number
  readonly version?: string
  /** Compared is with the first of ours that has the same. */
  readonly among?: string
  readonly cells?: readonly string[]
}

export type Plot = Curves | Distributions

/** Cost in nanoseconds against a number. */
interface Curves {
  readonly kind: 'curves'
  readonly id: string
  readonly title: string
  readonly says: string
  /** What the number counts. */
  readonly against: string
  /** What the cost is one of. */
  readonly cost: string
  readonly series: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** How long something took. */
interface Distributions {
  readonly kind: 'distributions'
  readonly id: string
  readonly title: string
  readonly says: string
  readonly series: Readonly<Record<string, Distribution>>
}

/** The median of one case. */
export function timed({ notes }: SuiteResult, kind: Entry['kind'], name: string, timing: string, more: Partial<Entry> = {}): Entry {
  return { name, kind, value: notes.median_ns[timing]!, ...more }
}

/** What the suite has put down of these, by the names under which they are shown. */
export function distributed({ notes }: SuiteResult, names: Readonly<Record<string, string>>): Record<string, Distribution> {
  const known = Object.entries(names).flatMap(([shown, name]) => {
    const one = notes.distributions?.[name]
    return one === undefined ? [] : [[shown, one] as const]
  })
  return Object.fromEntries(known)
}
