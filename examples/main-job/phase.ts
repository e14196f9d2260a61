// SPDX-License-Identifier: MIT
// One phase: fresh copies of the files, a crew that works on them for some seconds, and what came of it.
import { mkdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { Crew, type Member } from './crew.ts'
import type { Progress } from './progress.ts'
import { isHold, now, type Span } from './records.ts'
import { copyStudies, type RealFile, Study } from './studies.ts'

/** How many files are worked on at once. */
const STUDIES = 3
const START_WITHIN_MS = 30_000
/** Longer than any lease of a dead holder, on any engine. */
const END_WITHIN_MS = 60_000
const FALTER_WITHIN_MS = 10_000
/** The killed writer hangs at least so long before it is killed: time for the others to queue up behind it. */
const HANG_MS = 60
/** If by then nobody waits for it, nobody will. */
const QUEUE_WITHIN_MS = 1_000
/** A phase that was to show torn reads and has none goes on, so many times. */
const EXTENSIONS = 3

export interface PhasePlan {
  readonly title: string
  readonly seconds: number
  readonly members: readonly Member[]
  readonly files: readonly RealFile[]
  readonly folder: string
  readonly lockUrl: string | null
  /** The writer to kill on the way, in the middle of a rewrite. */
  readonly kill: string | null
  /** Go on for a bounded time until a read was torn. */
  readonly untilTorn: boolean
  readonly signal: AbortSignal
  readonly progress: Progress
}

export interface Kill {
  readonly worker: string
  readonly study: string
  readonly at: number
  /** Who was let in next to that study. */
  readonly next: (Span & { granted: number }) | null
}

export interface PhaseResult {
  readonly title: string
  readonly locked: boolean
  readonly members: readonly Member[]
  readonly studies: readonly string[]
  readonly spans: readonly Span[]
  readonly startedAt: number
  readonly endedAt: number
  readonly kill: Kill | null
  /** Processes that did not end by themselves. */
  readonly stuck: readonly string[]
  readonly failures: readonly string[]
  /** Files that are whole after everybody has gone. */
  readonly wholeAtEnd: number
}

export async function runPhase(plan: PhasePlan): Promise<PhaseResult> {
  const { title, seconds, members, files, folder, lockUrl, signal } = plan
  await mkdir(folder)
  const studies = await copyStudies(files, STUDIES, folder)
  const patienceMs = START_WITHIN_MS + (EXTENSIONS + 1) * seconds * 1000 + FALTER_WITHIN_MS + 2 * END_WITHIN_MS
  const crew = new Crew(members, { folder, studies, lockUrl, lifetimeMs: patienceMs })
  const dismiss = (): void => crew.dismiss()
  process.once('exit', dismiss)
  signal.addEventListener('abort', dismiss)
  try {
    const started = await crew.until(() => crew.ready || crew.failures.length > 0, START_WITHIN_MS)
    if (!started || !crew.ready) throw new Error(`Not every process has started. ${crew.failures[0] ?? ''}`)
    const startedAt = now()
    crew.tell('go')
    plan.progress.begin(title, seconds, crew.recording)
    const [kill] = await Promise.all([plan.kill === null ? null : killHalfway(crew, plan.kill, plan), wait(plan, crew)])
    const stuck = await crew.stop(END_WITHIN_MS)
    signal.throwIfAborted()
    plan.progress.end()
    return {
      title,
      locked: lockUrl !== null,
      members,
      studies,
      spans: crew.recording.spans,
      startedAt,
      endedAt: now(),
      kill: kill && { ...kill, next: nextGrant(crew.recording.spans, kill) },
      stuck,
      failures: crew.failures,
      wholeAtEnd: await countWhole(studies, folder, files),
    }
  } finally {
    plan.progress.end()
    process.off('exit', dismiss)
    signal.removeEventListener('abort', dismiss)
    dismiss()
  }
}

async function wait({ seconds, untilTorn, signal }: PhasePlan, crew: Crew): Promise<void> {
  await pause(seconds * 1000, undefined, { signal })
  for (let extension = 0; untilTorn && extension < EXTENSIONS && crew.recording.count('torn') === 0; extension++) {
    await pause(seconds * 1000, undefined, { signal })
  }
}

/** Lets a writer hang in the middle of a rewrite, with its lock, until somebody waits for it; then kills it, and sees the file restored. */
async function killHalfway(crew: Crew, victim: string, { seconds, signal, progress }: PhasePlan): Promise<Omit<Kill, 'next'> | null> {
  await pause(seconds * 400, undefined, { signal })
  crew.tell('falter', victim)
  await crew.until(() => crew.hasFaltered(victim) || crew.failures.length > 0, FALTER_WITHIN_MS)
  if (!crew.hasFaltered(victim)) return null
  await pause(HANG_MS, undefined, { signal })
  const study = crew.recording.latest(victim)!.study
  await crew.until(() => crew.recording.spans.some((span) => span.study === study && span.granted === null), QUEUE_WITHIN_MS)
  const at = crew.kill(victim)
  progress.note(`SIGKILL to ${victim}, in the middle of its rewrite of ${study}`)
  const restored = (span: Span): boolean => span.outcome === 'restored'
  await crew.until(() => crew.recording.spans.some(restored) || crew.failures.length > 0, END_WITHIN_MS)
  return { worker: victim, study, at }
}

function nextGrant(spans: readonly Span[], { study, at }: Omit<Kill, 'next'>): Kill['next'] {
  const later = spans.filter(isHold).filter((span) => span.study === study && span.granted > at)
  return later.reduce<Kill['next']>((first, span) => (first === null || span.granted < first.granted ? span : first), null)
}

async function countWhole(studies: readonly string[], folder: string, files: readonly RealFile[]): Promise<number> {
  const found = await Promise.all(studies.map((name) => new Study(folder, name, files).identify()))
  return found.filter((file) => file !== null).length
}
