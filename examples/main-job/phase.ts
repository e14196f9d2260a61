// SPDX-License-Identifier: MIT
// One phase: a fresh copy of the file, a crew that works on it for some seconds, and what came of it.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Accounts, accountFor, discrepancies, hasRowsOf } from './accounts.ts'
import type { Batch } from './batches.ts'
import { Crew, type Member } from './crew.ts'
import { askH5py, type Opinion } from './h5py.ts'
import { type Contents, inspect } from './inspection.ts'
import type { Progress } from './progress.ts'
import { type Hold, isHold, now, type Span } from './records.ts'
import { isMarked, prepareStudy, STUDY_NAME } from './study.ts'

const START_WITHIN_MS = 30_000
/** Longer than any lease of a dead holder, on any engine. */
const END_WITHIN_MS = 60_000
/** Without locks nobody waits for anybody: who does not come back is lost in a ruined file. */
const END_WITHOUT_LOCKS_WITHIN_MS = 3_000
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
  /** What the real file holds. */
  readonly original: Contents
  readonly folder: string
  readonly lockUrl: string | null
  /** The writer to kill on the way, in the middle of an append. */
  readonly kill: string | null
  /** Go on for a bounded time until a read was torn. */
  readonly untilTorn: boolean
  readonly signal: AbortSignal
  readonly progress: Progress
}

export interface Kill {
  readonly worker: string
  readonly at: number
  /** Whether it left the file torn, and marked as such. */
  readonly marked: boolean
  /** Who was let in next. */
  readonly next: Hold | null
  /** The append that it never finished, or a part of it, is in the file at the end. */
  readonly partThere: boolean
}

export interface PhaseResult {
  readonly title: string
  readonly locked: boolean
  readonly members: readonly Member[]
  readonly spans: readonly Span[]
  readonly startedAt: number
  readonly endedAt: number
  readonly kill: Kill | null
  /** Processes that did not end by themselves. */
  readonly stuck: readonly string[]
  readonly failures: readonly string[]
  readonly accounts: Accounts
  /** What the accounts do not explain, in words. */
  readonly discrepancies: readonly string[]
  readonly h5py: Opinion
}

export async function runPhase(plan: PhasePlan): Promise<PhaseResult> {
  const { title, members, folder, lockUrl, original } = plan
  await mkdir(folder)
  const file = join(folder, STUDY_NAME)
  await prepareStudy(file)
  const { crew, startedAt, endedAt, killed, stuck } = await runCrew(plan, file)
  const { spans } = crew.recording
  const found = await inspect(file)
  const accounts = accountFor(spans, found, original)
  return {
    title,
    locked: lockUrl !== null,
    members,
    spans,
    startedAt,
    endedAt,
    kill: killed && { ...killed, next: nextGrant(spans, killed.at), partThere: hasRowsOf(killed.batch, found) },
    stuck,
    failures: crew.failures,
    accounts,
    discrepancies: discrepancies(accounts, found),
    h5py: await askH5py(file, found),
  }
}

interface Course {
  readonly crew: Crew
  readonly startedAt: number
  readonly endedAt: number
  readonly killed: Killed | null
  readonly stuck: readonly string[]
}

async function runCrew(plan: PhasePlan, file: string): Promise<Course> {
  const { title, seconds, members, lockUrl, signal } = plan
  const lifetimeMs = START_WITHIN_MS + (EXTENSIONS + 1) * seconds * 1000 + FALTER_WITHIN_MS + 2 * END_WITHIN_MS
  const crew = new Crew(members, { file, lockUrl, lifetimeMs })
  const kill = (): void => void crew.kill()
  process.once('exit', kill)
  signal.addEventListener('abort', kill)
  try {
    const started = await crew.until(() => crew.ready || crew.failures.length > 0, START_WITHIN_MS)
    signal.throwIfAborted()
    if (!started || !crew.ready) throw new Error(`Not every process has started. ${crew.failures[0] ?? ''}`)
    const startedAt = now()
    crew.tell('go')
    plan.progress.begin(title, seconds, crew.recording)
    const [killed] = await Promise.all([plan.kill === null ? null : killHalfway(crew, plan.kill, file, plan), wait(plan, crew)])
    const stuck = await crew.stop(lockUrl === null ? END_WITHOUT_LOCKS_WITHIN_MS : END_WITHIN_MS)
    signal.throwIfAborted()
    return { crew, startedAt, endedAt: now(), killed, stuck }
  } finally {
    plan.progress.end()
    process.off('exit', kill)
    signal.removeEventListener('abort', kill)
    await crew.dismiss()
  }
}

async function wait({ seconds, untilTorn, signal }: PhasePlan, crew: Crew): Promise<void> {
  await pause(seconds * 1000, undefined, { signal })
  const torn = (): number => crew.recording.count('reader', 'torn', 'failed')
  for (let extension = 0; untilTorn && extension < EXTENSIONS && torn() === 0; extension++) {
    await pause(seconds * 1000, undefined, { signal })
  }
}

type Killed = Omit<Kill, 'next' | 'partThere'> & { readonly batch: Batch }

/** Lets a writer hang in the middle of an append, with its lock, until somebody waits for it; then kills it, and sees others get in. */
async function killHalfway(crew: Crew, victim: string, file: string, plan: PhasePlan): Promise<Killed | null> {
  const { seconds, signal, progress } = plan
  await pause(seconds * 400, undefined, { signal })
  crew.tell('falter', victim)
  await crew.until(() => crew.hasFaltered(victim) || crew.failures.length > 0, FALTER_WITHIN_MS)
  if (!crew.hasFaltered(victim)) return null
  await pause(HANG_MS, undefined, { signal })
  await crew.until(() => crew.recording.spans.some((span) => span.granted === null), QUEUE_WITHIN_MS)
  const { batch } = crew.recording.latest(victim)!
  const marked = await isMarked(file)
  const at = crew.kill(victim)
  progress.note(`SIGKILL to ${victim}, in the middle of its append`)
  await crew.until(() => nextGrant(crew.recording.spans, at) !== null || crew.failures.length > 0, END_WITHIN_MS)
  return { worker: victim, at, marked, batch: batch! }
}

function nextGrant(spans: readonly Span[], at: number): Hold | null {
  const later = spans.filter(isHold).filter((span) => span.granted > at)
  return later.reduce<Hold | null>((first, span) => (first === null || span.granted < first.granted ? span : first), null)
}
