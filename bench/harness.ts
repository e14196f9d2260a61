// SPDX-License-Identifier: MIT
// How things are timed: short slices of each case in turn (A B C A B C …), so that a machine that slows down slows all alike. Ratios are taken
// within a round, and the median of the rounds is the figure.
import { availableParallelism, cpus, release } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** Before each slice, so that no case sweeps up after the one before it. */
const collectYoung = runInNewContext('gc') as (options: { type: 'minor' }) => void

const DRAWN_PERCENT = [0, 1, 2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 98, 99, 99.5, 100]

/** Something to time. */
export interface Case {
  readonly name: string
  /** Operations in one turn of `run`. Default 1. */
  readonly size?: number
  /** Does it so many times. */
  run(times: number): Promise<void> | void
}

export interface Effort {
  readonly rounds: number
  /** How long one case runs at a stretch, in milliseconds. */
  readonly sliceMs: number
  /** Each case once or twice, to see that it runs: the figures mean nothing. */
  readonly smoke: boolean
}

/** Where a figure should lie. */
export interface Target {
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Notes {
  readonly machine: string
  readonly node: string
  /** What was run beside Holdfast, with versions. */
  readonly peers: Readonly<Record<string, string>>
  /** Median cost of one operation in nanoseconds, case by case. */
  readonly median_ns: Readonly<Record<string, number>>
  /** Half of the rounds lie this far apart, as a part of the median. */
  readonly spread: Readonly<Record<string, number>>
  /** What is so in this run; what is so in every run stands in the suite's page. */
  readonly remarks: readonly string[]
  /** Of times in nanoseconds, by name: they are drawn. */
  readonly distributions?: Readonly<Record<string, Distribution>>
  readonly [more: string]: unknown
}

export interface Outcome {
  readonly figures: Readonly<Record<string, number>>
  readonly notes: Notes
}

export interface Suite {
  readonly name: string
  readonly targets: Readonly<Record<string, Target>>
  run(smoke: boolean): Promise<Outcome>
}

/** Nanoseconds an operation, case by case and round by round. */
export class Timings {
  private readonly rounds = new Map<string, number[]>()

  add(name: string, nanoseconds: number): void {
    const known = this.rounds.get(name)
    if (known === undefined) this.rounds.set(name, [nanoseconds])
    else known.push(nanoseconds)
  }

  of(name: string): readonly number[] {
    const known = this.rounds.get(name)
    if (known === undefined) throw new Error(`No case is named ${JSON.stringify(name)}.`)
    return known
  }

  /** How many times dearer the one is than the other: the median over the rounds. */
  ratio(dear: string, cheap: string): number {
    const others = this.of(cheap)
    return median(this.of(dear).map((nanoseconds, round) => nanoseconds / others[round]!))
  }

  medians(): Record<string, number> {
    return this.each((values) => rounded(median(values)))
  }

  spreads(): Record<string, number> {
    return this.each((values) => rounded((quantile(values, 0.75) - quantile(values, 0.25)) / median(values)))
  }

  private each(of: (values: readonly number[]) => number): Record<string, number> {
    return Object.fromEntries([...this.rounds].map(([name, values]) => [name, of(values)]))
  }
}

/** Runs all cases in turn, round after round, and adds to `timings`. */
export async function time(cases: readonly Case[], { rounds, sliceMs, smoke }: Effort, timings: Timings = new Timings()): Promise<Timings> {
  const times = new Map<Case, number>()
  for (const one of cases) times.set(one, smoke ? 2 : await timesIn(one, sliceMs))
  for (let round = 0; round < (smoke ? 2 : rounds); round++) {
    for (const one of cases) timings.add(one.name, (await elapsed(one, times.get(one)!)) / (times.get(one)! * (one.size ?? 1)))
  }
  return timings
}

/** Warms up, and answers how many turns fill a slice. */
async function timesIn(one: Case, sliceMs: number): Promise<number> {
  const sliceNs = sliceMs * 1e6
  let times = 1
  for (let warm = 0; warm < 5; ) {
    const took = await elapsed(one, times)
    if (took > sliceNs / 2) warm++
    times = Math.max(1, Math.round(times * Math.min(4, sliceNs / Math.max(took, 1))))
  }
  return times
}

async function elapsed(one: Case, times: number): Promise<number> {
  collectYoung({ type: 'minor' })
  const from = process.hrtime.bigint()
  await one.run(times)
  return Number(process.hrtime.bigint() - from)
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which such a part of the values lies. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new Error('There is no quantile of nothing.')
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

/** By per cent: the value below which so many lie. */
export type Distribution = Readonly<Record<string, number>>

export function distribution(values: readonly number[]): Distribution {
  return Object.fromEntries(DRAWN_PERCENT.map((percent) => [percent, rounded(quantile(values, percent / 100))]))
}

/** More digits than these would only be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

/** What every suite says about where it ran. */
export function machine(): string {
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${process.platform} ${release()}`
}
