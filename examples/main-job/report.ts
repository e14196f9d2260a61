// SPDX-License-Identifier: MIT
// The table at the end, and the judgement.
import { VALUES_IN_BATCH } from './batches.ts'
import { intrusions, percentile, tokensOutOfOrder, waits } from './figures.ts'
import type { PhaseResult } from './phase.ts'
import { countOutcomes, type Role } from './records.ts'

const NONE = '–'
type Row = readonly [label: string, figure: (phase: PhaseResult) => string]

const ROWS: readonly Row[] = [
  ['reads', ({ spans }) => String(countReads({ spans }))],
  ['appends', ({ spans }) => String(countOutcomes(spans, 'writer', 'appended', 'failed'))],
  ['wait for a read, p50 / p99', (phase) => waitsOf(phase, 'reader')],
  ['wait for an append, p50 / p99', (phase) => waitsOf(phase, 'writer')],
  ['reads that were torn', ({ spans }) => share(countOutcomes(spans, 'reader', 'torn'), countReads({ spans }))],
  ['reads that failed', ({ spans }) => share(countOutcomes(spans, 'reader', 'failed'), countReads({ spans }))],
  [
    'appends that failed',
    ({ spans }) => share(countOutcomes(spans, 'writer', 'failed'), countOutcomes(spans, 'writer', 'appended', 'failed')),
  ],
  ['let in beside a writer', ({ spans }) => String(intrusions(spans))],
  ['writers killed in the middle of an append', ({ kill }) => (kill === null ? NONE : '1')],
  ['  the file as it was left', ({ kill }) => (kill === null ? NONE : kill.marked ? 'torn, and marked' : 'not torn')],
  ['  from the kill to the next one in', (phase) => milliseconds(killToGrantMs(phase))],
  ['  of the unfinished append in the file', ({ kill }) => (kill === null ? NONE : kill.partThere ? 'some' : 'nothing')],
  ['processes stuck, or dead', ({ stuck, failures }) => `${stuck.length}, ${failures.length}`],
  ['acknowledged appends lost', ({ accounts }) => share(accounts.lost, accounts.acknowledged)],
  ['  spoilt, doubled, or out of order', ({ accounts }) => (accounts.readable ? String(strayIn(accounts)) : NONE)],
  ['attributes agree with the rows', ({ accounts: { readable, agrees } }) => (readable ? (agrees ? 'yes' : 'no') : NONE)],
  ['datasets of the original unharmed', ({ accounts: { damaged, datasets } }) => `${datasets - damaged} of ${datasets}`],
  ['what h5py reads', ({ h5py }) => h5py],
]

/** The phases side by side, as text. */
export function table(phases: readonly PhaseResult[]): string {
  const cells = [['', ...phases.map((phase) => phase.title)], ...ROWS.map(([label, figure]) => [label, ...phases.map(figure)])]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const lines = cells.map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('   '))
  return [lines[0], '─'.repeat(lines[0]!.length), ...lines.slice(1)].join('\n')
}

export function countReads({ spans }: Pick<PhaseResult, 'spans'>): number {
  return countOutcomes(spans, 'reader', 'whole', 'torn', 'failed')
}

export function countTorn({ spans }: Pick<PhaseResult, 'spans'>): number {
  return countOutcomes(spans, 'reader', 'torn', 'failed')
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
  complain(countTorn(without) === 0, 'Without locks no read was torn, so the second phase shows nothing. Try more --seconds.')
  complain(countOutcomes(within.spans, 'reader', 'whole') === 0, 'With Holdfast nobody has read anything.')
  complain(within.accounts.acknowledged === 0, 'With Holdfast nobody has appended anything.')
  const torn = countTorn(within)
  complain(torn > 0, `With Holdfast ${torn} reads were torn.`)
  const beside = intrusions(within.spans)
  complain(beside > 0, `With Holdfast somebody was let in beside a writer ${beside} times.`)
  const tokens = tokensOutOfOrder(within.spans)
  complain(
    tokens > 0,
    `With Holdfast ${tokens} fencing tokens did not rise: the locks do not reach from one process to the other. ` +
      'What kept them apart is flock on the file itself, which knows no order, no tokens and no other machine.',
  )
  const { kill } = within
  complain(kill === null, 'The writer that was to be killed never got to the middle of an append.')
  complain(kill !== null && !kill.marked, 'The writer that was killed had not yet touched the file.')
  complain(kill !== null && kill.next === null, 'After the kill nobody was let in again.')
  complain(kill?.partThere === true, 'The append of the killed writer is in the file, in part or whole.')
  for (const discrepancy of within.discrepancies) complain(true, `With Holdfast ${discrepancy}.`)
  complain(within.h5py === 'other values', 'h5py reads other values than Holdfast from the file.')
  complain(within.h5py === 'cannot read it', 'h5py cannot read the file.')
  complain(within.stuck.length > 0, `Stuck ${within.title}: ${within.stuck.join(', ')}.`)
  for (const failure of within.failures) complain(true, `Failed ${within.title}: ${failure}.`)
  return found
}

/** The outcome in a few sentences. */
export function summary(without: PhaseResult, within: PhaseResult): string {
  const lost = share(without.accounts.lost, without.accounts.acknowledged)
  const { acknowledged, datasets } = within.accounts
  const h5py = within.h5py === 'not installed' ? 'h5py, for a second opinion, is not installed' : 'h5py reads the same'
  return [
    `Without locks ${countTorn(without)} of ${countReads(without)} reads were torn or failed, and ${lost} of the acknowledged appends are lost.`,
    `With Holdfast none of ${countReads(within)} reads was. ${milliseconds(killToGrantMs(within))} after the SIGKILL the next one was in, and the ` +
      'append that it had interrupted had never been.',
    `All ${acknowledged} acknowledged appends (${acknowledged * VALUES_IN_BATCH} values) are there once and in order, the ${datasets} original ` +
      `datasets are what they were; ${h5py}.`,
  ].join('\n')
}

function strayIn({ spoilt, unknown, doubled, outOfOrder }: PhaseResult['accounts']): number {
  return spoilt + unknown + doubled + outOfOrder
}

function share(part: number, whole: number): string {
  return part === 0 ? '0' : `${part} (${Math.round((100 * part) / whole)} %)`
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
