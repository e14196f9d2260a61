// SPDX-License-Identifier: MIT
// From bench/results.json to docs/benchmarks.md and its plots. The same results always make the same page.
import { HOW_IT_IS_MEASURED, introduction } from './pages/introduction.ts'
import type { Comparison, Page, Plot } from './pages/page.ts'
import { barChart, distributionChart, lineChart } from './plot.ts'
import { duration, short } from './plot-scale.ts'
import {
  ahead,
  comparisonTable,
  curveTable,
  distributionTable,
  figureTable,
  isolated,
  markdownTable,
  medianTable,
  value,
} from './report-tables.ts'
import type { Results, SuiteResult } from './results.ts'
import { SUITES } from './suites.ts'
import { bound, keeps } from './verdict.ts'

/** A machine of whose processor time others take more is not quiet. */
const QUIET_PERCENT = 10

export interface Report {
  /** Markdown. */
  readonly page: string
  /** SVG, by the name of the file. */
  readonly plots: Readonly<Record<string, string>>
}

export function report(results: Results): Report {
  const plots: Record<string, string> = {}
  const sections = Object.keys(SUITES).flatMap((name) => {
    const suite = results.suites[name]
    return suite === undefined ? [] : [section(name, suite, plots)]
  })
  const parts = [
    '<!-- Made by `npm run bench`: change the words in bench/pages/, and run `npm run bench -- --report`. -->',
    introduction(Object.keys(SUITES)),
    '## At a glance',
    ...glance(results),
    '## How it is measured',
    HOW_IT_IS_MEASURED,
    ...sections,
  ]
  return { page: `${parts.join('\n\n')}\n`, plots }
}

function section(name: string, suite: SuiteResult, plots: Record<string, string>): string {
  const page: Page = SUITES[name]!.page ?? { about: [], figures: {} }
  const compared = (page.beside?.(suite) ?? []).map((comparison) => {
    plots[`${comparison.id}.svg`] = bars(comparison)
    return `${illustration(comparison)}\n\n${comparisonTable(comparison)}`
  })
  const drawn = (page.plots?.(suite) ?? []).map((plot) => {
    plots[`${plot.id}.svg`] = drawing(plot)
    return `${illustration(plot)}\n\n${plot.kind === 'curves' ? curveTable(plot.against, plot.series) : distributionTable(plot.series)}`
  })
  return [
    `## The suite \`${name}\``,
    ...page.about,
    figureTable(suite, page.figures),
    ...compared,
    ...drawn,
    ...(page.after ?? []),
    ...(suite.notes.remarks.length === 0 ? [] : [suite.notes.remarks.map((remark) => `- ${isolated(remark)}`).join('\n')]),
    `<details><summary>Median and spread of every case</summary>\n\n${medianTable(suite)}\n\n</details>`,
  ].join('\n\n')
}

function illustration({ id, title, says }: Pick<Comparison, 'id' | 'title' | 'says'>): string {
  return `### ${title}\n\n${says}\n\n![${title}](plots/${id}.svg)`
}

function glance(results: Results): string[] {
  const all = Object.keys(SUITES).flatMap((name) => {
    const suite = results.suites[name]
    return suite === undefined ? [] : [[name, suite] as const]
  })
  const missing = Object.keys(SUITES).filter((name) => results.suites[name] === undefined)
  return [
    `Measured on ${results.cpu}, ${results.cores} cores, ${results.kernel}, Node ${results.node.replace(/^v/, '')}; the last of it on ${day(results.date)}.`,
    suitesTable(all),
    ...busy(all),
    ...(missing.length === 0 ? [] : [`Not measured here: ${missing.map((name) => `\`${name}\``).join(', ')}.`]),
    ...targets(all),
    ...peersAhead(all),
  ]
}

function suitesTable(all: readonly (readonly [string, SuiteResult])[]): string {
  const rows = all.map(([name, { date, seconds, load, others_busy_percent, notes }]) => [
    `[${name}](#the-suite-${name})`,
    `${day(date)}, ${date.slice(11, 16)} UTC`,
    `${Math.round(seconds)} s`,
    short(load),
    `${short(others_busy_percent)} %`,
    versions(notes),
  ])
  return markdownTable(['suite', 'when', 'took', 'load before', 'others', 'beside what'], rows)
}

function busy(all: readonly (readonly [string, SuiteResult])[]): string[] {
  const disturbed = all.filter(([, { others_busy_percent }]) => others_busy_percent > QUIET_PERCENT).map(([name]) => `\`${name}\``)
  if (disturbed.length === 0) return []
  return [
    `**The machine had other work** when it ran ${disturbed.join(', ')}: those times are too long, those between processes most of all, and even ratios waver.`,
  ]
}

/** Some servers and libraries are told of under names of their own. */
function versions({ peers, redis_server, zookeeper, file_system }: SuiteResult['notes']): string {
  const server = [
    ...(redis_server === undefined ? [] : [`redis-server ${redis_server}`]),
    ...(zookeeper === undefined ? [] : [`ZooKeeper ${/\d+(?:\.\d+)+/.exec(String(zookeeper))?.[0] ?? ''}`]),
    ...(file_system === undefined ? [] : [`on ${file_system}`]),
  ]
  return [...server, ...Object.entries(peers).map((both) => both.join(' '))].join(', ')
}

function targets(all: readonly (readonly [string, SuiteResult])[]): string[] {
  const judged = all.flatMap(([name, { figures, targets }]) =>
    Object.entries(targets).map(([id, target]) => ({ name, id, target, figure: figures[id] })),
  )
  const missed = judged.filter(({ figure, target }) => figure === undefined || !keeps(figure, target))
  const kept = judged.length - missed.length
  if (judged.length === 0) return []
  if (missed.length === 0) return [`**Targets.** All ${judged.length} are kept.`]
  const lines = missed.map(
    ({ name, id, target, figure }) =>
      `- \`${id}\` ([${name}](#the-suite-${name})): ${figure === undefined ? 'not measured' : value(figure)}, where the target is ${bound(target)}.`,
  )
  return [`**Targets.** ${kept} of ${judged.length} are kept. Missed in this run:`, lines.join('\n')]
}

function peersAhead(all: readonly (readonly [string, SuiteResult])[]): string[] {
  const lines = all.flatMap(([name, suite]) =>
    (SUITES[name]!.page?.beside?.(suite) ?? []).flatMap((comparison) => {
      const theirs = ahead(comparison)
      return theirs.length === 0 ? [] : [`- [${comparison.title}](#${anchor(comparison.title)}): ${theirs.join('; ')}.`]
    }),
  )
  if (lines.length === 0) return ['**Where others are ahead.** Nowhere in this run.']
  return ['**Where others are ahead** in this run. What they leave out for it stands with their suites.', lines.join('\n')]
}

function bars({ title, says, unit, entries }: Comparison): string {
  const format = unit === 'duration' ? duration : (rate: number): string => `${short(rate)}/s`
  return barChart({
    title,
    description: `${says} ${unit === 'duration' ? 'Shorter is better.' : 'Longer is better.'}`,
    format,
    bars: entries,
  })
}

function drawing(plot: Plot): string {
  const { title, says: description } = plot
  const time = { scale: 'log', format: duration } as const
  if (plot.kind === 'distributions') return distributionChart({ title, description, x: { ...time, label: 'time' }, series: plot.series })
  const series = Object.entries(plot.series).map(
    ([name, curve]) => [name, Object.entries(curve).map(([x, y]) => [Number(x), y] as const)] as const,
  )
  return lineChart({
    title,
    description,
    x: { label: plot.against, scale: 'log', format: short },
    y: { ...time, label: plot.cost },
    series: Object.fromEntries(series),
  })
}

function day(date: string): string {
  return date.slice(0, 10)
}

/** As GitHub makes them from headings. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}
