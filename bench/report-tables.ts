// SPDX-License-Identifier: MIT
// The tables of docs/benchmarks.md.
import type { Comparison, Entry } from './pages/page.ts'
import { duration, short } from './plot-scale.ts'
import type { SuiteResult } from './results.ts'
import { bound, keeps } from './verdict.ts'

/** Nearer than this, two are as fast as each other. */
const AS_FAST = 1.05
const TABLED_PERCENT = ['50', '90', '99', '100']

/** Figures in the order of what is said about them; those of which nothing is said come last. */
export function figureTable({ figures, targets }: SuiteResult, says: Readonly<Record<string, string>>): string {
  const patterns = Object.keys(says)
  const wordsOf = (id: string): string | undefined => patterns.find((one) => one === id) ?? patterns.find((one) => matches(one, id))
  const ids = [...new Set([...Object.keys(targets), ...Object.keys(figures)])]
  const sorted = ids.map((id) => ({ id, by: patterns.indexOf(wordsOf(id) ?? '') })).sort((a, b) => place(a.by) - place(b.by))
  const rows = sorted.map(({ id, by }) => {
    const figure = figures[id]
    const target = targets[id]
    const verdict = target === undefined ? '' : figure !== undefined && keeps(figure, target) ? 'kept' : '**missed**'
    return [
      `\`${id}\``,
      target === undefined ? '' : bound(target),
      figure === undefined ? 'not measured' : value(figure),
      verdict,
      by < 0 ? '' : says[patterns[by]!]!,
    ]
  })
  return markdownTable(['figure', 'target', 'measured', '', 'what it says'], rows)
}

export function comparisonTable(comparison: Comparison): string {
  const { unit, entries, columns = [] } = comparison
  const rows = entries.map((entry) => [
    entry.kind === 'ours' ? `**${entry.name}**` : entry.name,
    entry.version ?? '',
    unit === 'duration' ? duration(entry.value) : `${short(entry.value)} a second`,
    ...columns.map((_, i) => entry.cells?.[i] ?? ''),
    beside(comparison, entry),
  ])
  return markdownTable(['', 'version', unit === 'duration' ? 'time' : 'rate', ...columns, 'beside Holdfast'], rows)
}

/** The peers that are faster than we are, in words. */
export function ahead(comparison: Comparison): string[] {
  const faster = comparison.entries.filter((entry) => entry.kind === 'peer' && advantage(comparison, entry) < 1 / AS_FAST)
  return faster.map((entry) => `${entry.name} is ${times(1 / advantage(comparison, entry))} as fast`)
}

export function curveTable(against: string, series: Readonly<Record<string, Readonly<Record<string, number>>>>): string {
  const lines = Object.values(series)
  const numbers = [...new Set(lines.flatMap((line) => Object.keys(line)))].map(Number).sort((a, b) => a - b)
  const rows = numbers.map((number) => [short(number), ...lines.map((line) => (line[number] === undefined ? '' : duration(line[number])))])
  return markdownTable([against, ...Object.keys(series)], rows)
}

export function distributionTable(series: Readonly<Record<string, Readonly<Record<string, number>>>>): string {
  const rows = Object.entries(series).map(([name, one]) => [name, ...TABLED_PERCENT.map((percent) => duration(one[percent]!))])
  return markdownTable(['', 'half took no longer than', '90 %', '99 %', 'longest'], rows)
}

export function medianTable({ notes }: SuiteResult): string {
  const rows = Object.entries(notes.median_ns).map(([name, ns]) => [
    name,
    duration(ns),
    `± ${Math.round(50 * (notes.spread[name] ?? 0))} %`,
  ])
  return markdownTable(['case', 'median', 'spread'], rows)
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A figure as it is shown. */
export function value(figure: number): string {
  return short(figure)
}

/** Text as it is, where Markdown would see signs of its own. */
export function isolated(words: string): string {
  return words.replace(/[*_`<]/g, '\\$&')
}

function beside(comparison: Comparison, entry: Entry): string {
  if (entry.kind === 'ours') return ''
  const by = advantage(comparison, entry)
  if (entry.kind === 'floor') return `a floor: Holdfast takes ${times(1 / by)} as long`
  if (by > AS_FAST) return `Holdfast is ${times(by)} as fast`
  if (by < 1 / AS_FAST) return `**${entry.name} is ${times(1 / by)} as fast**`
  return 'as fast'
}

/** How many times as fast as this entry we are. */
function advantage({ unit, entries }: Comparison, entry: Entry): number {
  if (entry.times !== undefined) return entry.times
  const ours = entries.find(({ kind, among }) => kind === 'ours' && among === entry.among)
  if (ours === undefined) throw new Error(`There is nothing of ours beside ${entry.name}.`)
  return unit === 'duration' ? entry.value / ours.value : ours.value / entry.value
}

function times(factor: number): string {
  return `${Number(factor.toPrecision(2)).toLocaleString('en-US')} times`
}

function matches(pattern: string, id: string): boolean {
  return pattern.endsWith('*') && id.startsWith(pattern.slice(0, -1))
}

function place(index: number): number {
  return index < 0 ? Number.POSITIVE_INFINITY : index
}
