// SPDX-License-Identifier: MIT
// What the processes tell each other, and what is remembered of it. All times are milliseconds of CLOCK_MONOTONIC, which all processes of
// a machine share.

export type Role = 'reader' | 'writer'

/** What a worker is started with, as JSON in its first argument. */
export interface Assignment {
  readonly role: Role
  readonly folder: string
  readonly studies: readonly string[]
  /** Where the locks live; null: work without locks. */
  readonly lockUrl: string | null
  /** However things go, the process ends then. */
  readonly lifetimeMs: number
}

/** From the main process to a worker. `falter`: stop for ever in the middle of the next rewrite, and wait for the SIGKILL. */
export type Order = 'go' | 'falter' | 'stop'

/**
 * How an operation ended. `skipped`: a reader met the file that the killed writer had left; `restored`: a writer did.
 * `killed` is noted by the main process, since the worker cannot.
 */
export type Outcome = 'whole' | 'torn' | 'skipped' | 'rewritten' | 'restored' | 'killed'

/** From a worker to the main process, in the order of time. A worker does one thing at a time. */
export type WorkerRecord =
  | { readonly event: 'ready' }
  | { readonly event: 'asked'; readonly at: number; readonly study: string }
  | { readonly event: 'granted'; readonly at: number; readonly token: string | null }
  | { readonly event: 'halfway' }
  | { readonly event: 'ended'; readonly at: number; readonly outcome: Outcome; readonly content: string | null }
  | { readonly event: 'failed'; readonly message: string }
  | { readonly event: 'left' }

/** One operation of one worker on one study: it asked, it was let in, it left. */
export interface Span {
  readonly worker: string
  readonly role: Role
  readonly study: string
  readonly asked: number
  granted: number | null
  ended: number | null
  token: string | null
  outcome: Outcome | null
  /** The real file that was read or written, where it is one. */
  content: string | null
}

/** Of {@link Span}s those that were let in. */
export type Hold = Span & { granted: number }

export function isHold(span: Span): span is Hold {
  return span.granted !== null
}

export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Folds records into spans. */
export class Recording {
  readonly spans: Span[] = []
  private readonly current = new Map<string, Span>()

  add(worker: string, role: Role, record: WorkerRecord): void {
    if (record.event === 'asked') {
      const span: Span = {
        worker,
        role,
        study: record.study,
        asked: record.at,
        granted: null,
        ended: null,
        token: null,
        outcome: null,
        content: null,
      }
      this.spans.push(span)
      this.current.set(worker, span)
      return
    }
    const span = this.current.get(worker)
    if (span === undefined) return
    if (record.event === 'granted') {
      span.granted = record.at
      span.token = record.token
    } else if (record.event === 'ended') {
      span.ended = record.at
      span.outcome = record.outcome
      span.content = record.content
    }
  }

  /** What a worker does at the moment, or did last. */
  latest(worker: string): Span | undefined {
    return this.current.get(worker)
  }

  count(outcome: Outcome): number {
    return this.spans.reduce((sum, span) => sum + (span.outcome === outcome ? 1 : 0), 0)
  }
}
