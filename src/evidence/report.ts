// SPDX-License-Identifier: MIT
// What came out: one check after the other, and a verdict. Everything here survives JSON.stringify.

/**
 * - `ok`: tried, and it is as it should be.
 * - `warning`: locks hold, and something could go wrong with them, or is slow.
 * - `failed`: do not rely on locks here.
 * - `not tried`: and `found` says why.
 */
export type Outcome = 'ok' | 'warning' | 'failed' | 'not tried'

export interface Check {
  /** A word that stays the same from release to release. */
  readonly check: string
  /** What was tried, for people. */
  readonly title: string
  readonly outcome: Outcome
  /** What came out. */
  readonly found: string
  /** What to change; null where there is nothing to do. */
  readonly advice: string | null
  /** Times in milliseconds, and counts. */
  readonly figures: Readonly<Record<string, number>>
}

export interface Report {
  /** Of this form of report. */
  readonly version: 1
  /** As given, without password; null where a configuration decided, or nothing. */
  readonly url: string | null
  /** `file`, `redis` …; null if it was never opened. */
  readonly engine: string | null
  readonly verdict: 'ok' | 'warning' | 'failed'
  /** The verdict in one sentence. */
  readonly sentence: string
  readonly seconds: number
  readonly checks: readonly Check[]
  /** What such a run cannot show. */
  readonly notProved: readonly string[]
}

/** What a check answers; its name and title stand beside it in the list of checks. */
export interface Finding {
  readonly outcome: Outcome
  readonly found: string
  readonly advice?: string
  readonly figures?: Readonly<Record<string, number>>
}

export function ok(found: string, figures: Readonly<Record<string, number>> = {}): Finding {
  return { outcome: 'ok', found, figures }
}

export function warning(found: string, advice: string, figures: Readonly<Record<string, number>> = {}): Finding {
  return { outcome: 'warning', found, advice, figures }
}

export function failed(found: string, advice?: string, figures: Readonly<Record<string, number>> = {}): Finding {
  return { outcome: 'failed', found, figures, ...(advice !== undefined && { advice }) }
}

export function notTried(why: string): Finding {
  return { outcome: 'not tried', found: why }
}

/** Checks by name, with what they try: the titles of all engines are in one place, so that they are spelt alike. */
export const TITLES = {
  reach: 'connection',
  open: 'lock space',
  'file-system': 'file system',
  rights: 'rights',
  disk: 'room on the disk',
  'ofd-locks': 'OFD locks',
  flock: 'flock',
  inotify: 'inotify',
  version: 'version',
  eviction: 'eviction',
  memory: 'memory of the server',
  persistence: 'persistence',
  replication: 'replication',
  cluster: 'cluster',
  latency: 'round trip',
  clock: 'clock of the server',
  ensemble: 'servers',
  session: 'session time-out',
  writes: 'writes, agreed by a majority',
  containers: 'containers',
  try: 'a try that answers busy',
  'modes-tasks': 'modes between tasks',
  'modes-threads': 'modes between threads',
  'modes-processes': 'modes between processes',
  'time-out': 'a time-out leaves nothing',
  'hand-off': 'wake-up',
  load: 'exclusion under load',
  tokens: 'tokens rise',
  kill: 'release on SIGKILL',
  workers: 'threads and processes',
  examination: 'the examination',
} as const

export type CheckName = keyof typeof TITLES

/** The checks as they come in. */
export class Findings {
  readonly checks: Check[] = []
  private readonly tell: (check: Check) => void
  private closed = false

  constructor(tell: (check: Check) => void) {
    this.tell = tell
  }

  /** Each check once: the first finding counts. */
  add(name: CheckName, { outcome, found, advice, figures = {} }: Finding): void {
    if (this.closed || this.has(name)) return
    const check = { check: name, title: TITLES[name], outcome, found, advice: advice ?? null, figures }
    this.checks.push(check)
    this.tell(check)
  }

  /** What comes out later does not count. */
  close(): void {
    this.closed = true
  }

  private has(name: CheckName): boolean {
    return this.checks.some(({ check }) => check === name)
  }

  get failed(): readonly Check[] {
    return this.with('failed')
  }

  with(outcome: Outcome): readonly Check[] {
    return this.checks.filter((check) => check.outcome === outcome)
  }
}

export function verdictOf(findings: Findings): Pick<Report, 'verdict' | 'sentence'> {
  const [failures, warnings, skipped] = [findings.failed, findings.with('warning'), findings.with('not tried')]
  const [first] = failures
  const untried = skipped.length === 0 ? '' : `; ${skipped.length} not tried`
  if (first !== undefined) {
    const more = failures.length === 1 ? '' : `, and ${failures.length - 1} more`
    return { verdict: 'failed', sentence: `Do not rely on locks here: ${first.title} failed${more}${untried}.` }
  }
  const passed = `${findings.with('ok').length} of ${findings.checks.length} checks are ok`
  if (warnings.length === 0) return { verdict: 'ok', sentence: `Locks hold here: ${passed}${untried}.` }
  const names = warnings.map(({ title }) => title).join(', ')
  return { verdict: 'warning', sentence: `Locks hold here: ${passed}, with a warning about ${names}${untried}.` }
}
