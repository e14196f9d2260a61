// SPDX-License-Identifier: MIT
// The table at the end, and the judgement.
import { countOutcomes, falseAlarms, intrusions, percentile, waits } from './figures.ts'
import type { PhaseResult } from './phase.ts'
import type { Role } from './records.ts'

const NONE = '–'
type Row = readonly [label: string, figure: (phase: PhaseResult) => string]

const ROWS: readonly Row[] = [
  ['reads', ({ spans }) => String(countReads({ spans }))],
  ['rewrites', ({ spans }) => String(countOutcomes(spans, 'rewritten', 'restored'))],
  ['wait for a read, p50 / p99', (phase) => waitsOf(phase, 'reader')],
  ['wait for a write, p50 / p99', (phase) => waitsOf(phase, 'writer')],
  ['torn reads', ({ spans }) => tornOf({ spans })],
  ['let in beside a writer', ({ spans }) => String(intrusions(spans))],
  ['holders killed', ({ kill }) => (kill === null ? NONE : '1')],
  ['  reads that met its half-written file', ({ kill, spans }) => (kill === null ? NONE : `${countOutcomes(spans, 'skipped')} (skipped)`)],
  ['  writers that restored it', ({ kill, spans }) => (kill === null ? NONE : String(countOutcomes(spans, 'restored')))],
  ['  from the kill to the next grant', (phase) => milliseconds(killToGrantMs(phase))],
  ['processes stuck', ({ stuck }) => String(stuck.length)],
  ['files whole at the end', ({ wholeAtEnd, studies }) => `${wholeAtEnd} of ${studies.length}`],
]

/** The phases side by side, as text. */
export function table(phases: readonly PhaseResult[]): string {
  const cells = [['', ...phases.map((phase) => phase.title)], ...ROWS.map(([label, figure]) => [label, ...phases.map(figure)])]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const lines = cells.map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('   '))
  return [lines[0], '─'.repeat(lines[0]!.length), ...lines.slice(1)].join('\n')
}

export function countReads({ spans }: Pick<PhaseResult, 'spans'>): number {
  return countOutcomes(spans, 'whole', 'torn')
}

export function killToGrantMs({ kill }: Pick<PhaseResult, 'kill'>): number | null {
  return kill?.next == null ? null : kill.next.granted - kill.at
}

/** Everything that did not go as it must; empty when all held. */
export function complaints(without: PhaseResult, within: PhaseResult): readonly string[] {
  const found: string[] = []
  const complain = (when: boolean, text: string): void => {
    if (when) found.push(text)
  }
  complain(
    countOutcomes(without.spans, 'torn') === 0,
    'Without locks no read was torn, so the second phase shows nothing. Try more --seconds.',
  )
  complain(countReads(within) === 0, 'With locks nobody has read anything.')
  const torn = countOutcomes(within.spans, 'torn')
  complain(torn > 0, `With locks ${torn} reads were torn.`)
  const beside = intrusions(within.spans)
  complain(beside > 0, `With locks somebody was let in beside a writer ${beside} times.`)
  const alarms = falseAlarms(within.spans, within.kill)
  complain(alarms > 0, `With locks somebody met a half-written file that no writer had died on ${alarms} times.`)
  complain(within.kill === null, 'The writer that was to be killed never got to the middle of a rewrite.')
  complain(within.kill !== null && within.kill.next === null, 'After the kill nobody was let in to the file again.')
  complain(within.kill !== null && countOutcomes(within.spans, 'restored') === 0, 'Nobody restored the file of the killed writer.')
  complain(within.wholeAtEnd !== within.studies.length, `At the end ${within.studies.length - within.wholeAtEnd} files are damaged.`)
  for (const phase of [without, within]) {
    complain(phase.stuck.length > 0, `Stuck ${phase.title}: ${phase.stuck.join(', ')}.`)
    for (const failure of phase.failures) complain(true, `Failed ${phase.title}: ${failure}.`)
  }
  return found
}

/** The outcome in a sentence. */
export function summary(without: PhaseResult, within: PhaseResult): string {
  const [torn, reads] = [countOutcomes(without.spans, 'torn'), countReads(without)]
  return (
    `Without locks ${torn} of ${reads} reads were torn. With Holdfast none of ${countReads(within)} was, nobody got stuck, ` +
    `and ${milliseconds(killToGrantMs(within))} after the SIGKILL the next one was in.`
  )
}

function tornOf(phase: Pick<PhaseResult, 'spans'>): string {
  const [torn, reads] = [countOutcomes(phase.spans, 'torn'), countReads(phase)]
  return torn === 0 ? '0' : `${torn} (${Math.round((100 * torn) / reads)} %)`
}

function waitsOf(phase: PhaseResult, role: Role): string {
  if (!phase.locked) return NONE
  const all = waits(phase.spans, role)
  const [half, most] = [percentile(all, 50), percentile(all, 99)]
  return half === null || most === null ? NONE : `${half.toFixed(1)} / ${most.toFixed(1)} ms`
}

function milliseconds(value: number | null): string {
  return value === null ? NONE : `${value.toFixed(1)} ms`
}
