// SPDX-License-Identifier: MIT
// Which few hundred milliseconds of a phase the time line shows, and what it says about them.
import { countOutcomes, intrusions } from './figures.ts'
import type { PhaseResult } from './phase.ts'
import { countReads, killToGrantMs } from './report.ts'
import type { Panel } from './timeline.ts'

const TORN_WINDOW_MS = 300
const BEFORE_KILL_MS = 180
const AFTER_KILL_MS = 220

/** Around the middle one of the torn reads. */
export function panelOfTornReads(phase: PhaseResult): Panel {
  const torn = phase.spans.filter((span) => span.outcome === 'torn')
  const middle = torn[Math.floor(torn.length / 2)]?.asked ?? (phase.startedAt + phase.endedAt) / 2
  const from = Math.max(phase.startedAt, middle - TORN_WINDOW_MS / 2)
  return {
    ...commonOf(phase),
    title: 'Without locks',
    subtitle: `${torn.length} of ${countReads(phase)} reads were torn: a writer was in as well, or two had been in at once. The other reads were lucky.`,
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
  const [torn, reads, beside] = [countOutcomes(phase.spans, 'torn'), countReads(phase), intrusions(phase.spans)]
  const sound = torn === 0 && beside === 0
  return {
    ...commonOf(phase),
    title: 'With Holdfast',
    subtitle: sound
      ? `None of ${reads} reads was torn: readers share a file, a writer has it alone, also when one is killed.`
      : `It did not hold: ${torn} of ${reads} reads were torn, and ${beside} times somebody was let in beside a writer.`,
    from: origin - BEFORE_KILL_MS,
    to: origin + AFTER_KILL_MS,
    origin,
    axis: kill === null ? 'milliseconds' : 'milliseconds since the SIGKILL',
    kill: kill && { at: kill.at, study: kill.study, label: `SIGKILL to ${kill.worker}, which hung halfway; ${grant}` },
  }
}

function commonOf({ members, studies, spans }: PhaseResult): Pick<Panel, 'lanes' | 'studies' | 'spans'> {
  return { lanes: members, studies, spans }
}
