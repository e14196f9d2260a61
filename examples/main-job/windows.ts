// SPDX-License-Identifier: MIT
// Which few hundred milliseconds of a phase the time line shows, and what it says about them.
import { intrusions } from './figures.ts'
import type { PhaseResult } from './phase.ts'
import { countReads, countTorn, killToGrantMs } from './report.ts'
import type { Panel } from './timeline.ts'

const TORN_WINDOW_MS = 300
const BEFORE_TORN_MS = 60
const BEFORE_KILL_MS = 120
const AFTER_KILL_MS = 180

/** From a little before the first read that was torn or failed. */
export function panelOfTornReads(phase: PhaseResult): Panel {
  const first = phase.spans.find((span) => span.role === 'reader' && (span.outcome === 'torn' || span.outcome === 'failed'))
  const from = Math.max(phase.startedAt, (first?.asked ?? phase.startedAt) - BEFORE_TORN_MS)
  return {
    lanes: phase.members,
    spans: phase.spans,
    title: 'Without locks: how it begins',
    subtitle:
      `${countTorn(phase)} of ${countReads(phase)} reads were torn or failed, and ${phase.accounts.lost} of ` +
      `${phase.accounts.acknowledged} acknowledged appends are lost.`,
    from,
    to: from + TORN_WINDOW_MS,
    origin: phase.startedAt,
    axis: 'milliseconds since the phase began',
    kill: null,
  }
}

/** Around the kill, or at the beginning when there was none. */
export function panelOfKill(phase: PhaseResult): Panel {
  const { kill } = phase
  const origin = kill?.at ?? phase.startedAt + BEFORE_KILL_MS
  const next = killToGrantMs(phase)
  const grant = kill?.next == null || next === null ? 'nobody was let in again' : `${next.toFixed(1)} ms later ${kill.next.worker} was in`
  const [torn, reads, beside] = [countTorn(phase), countReads(phase), intrusions(phase.spans)]
  return {
    lanes: phase.members,
    spans: phase.spans,
    title: 'With Holdfast',
    subtitle:
      torn === 0 && beside === 0
        ? `None of ${reads} reads was torn: readers share the file, a writer has it alone, and whoever comes after a dead one takes back what it had begun.`
        : `It did not hold: ${torn} of ${reads} reads were torn, and ${beside} times somebody was let in beside a writer.`,
    from: origin - BEFORE_KILL_MS,
    to: origin + AFTER_KILL_MS,
    origin,
    axis: kill === null ? 'milliseconds' : 'milliseconds since the SIGKILL',
    kill: kill && { at: kill.at, next: kill.next, label: `SIGKILL to ${kill.worker}, which hung halfway; ${grant}` },
  }
}
