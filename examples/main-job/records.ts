// SPDX-License-Identifier: MIT
// What the processes tell each other, and what is remembered of it. All times are milliseconds of CLOCK_MONOTONIC, which all processes of
// a machine share.
import type { Batch } from './batches.ts'

export type Role = 'reader' | 'writer'

/** What a worker is started with, as JSON in its first argument. */
export interface Assignment {
  readonly role: Role
  /** From 1, among those of its role. */
  readonly number: number
  /** The HDF5 file. */
  readonly file: string
  /** Where the locks live; null: work without locks. */
  readonly lockUrl: string | null
  /** However things go, the process ends then. */
  readonly lifetimeMs: number
}

/** From the main process to a worker. `falter`: stop for ever in the middle of the next append, and wait for the SIGKILL. */
export type Order = 'go' | 'falter' | 'stop'

/**
 * How an operation ended. `torn`: what was read does not belong together; `failed`: an error, which only those without locks survive.
 * `killed` is noted by the main process, since the worker cannot.
 */
export type Outcome = 'whole' | 'torn' | 'appended' | 'failed' | 'killed'

/** From a worker to the main process, in the order of time. A worker does one thing at a time. */
export type WorkerRecord =
  | { readonly event: 'ready' }
  | { readonly event: 'asked'; readonly at: number; readonly batch: Batch | null }
  | { readonly event: 'granted'; readonly at: number; readonly token: string | null }
  | { readonly event: 'halfway' }
  | { readonly event: 'ended'; readonly at: number; readonly outcome: Outcome }
  | { readonly event: 'failed'; readonly message: string }
  | { readonly event: 'left' }

/** One operation of one worker: it asked, it was let in, it left. */
export interface Span {
  readonly worker: string
  readonly role: Role
  /** What a writer appends. */
  readonly batch: Batch | null
  readonly asked: number
  granted: number | null
  /** When its work was done, which with locks is just before they are let go. */
  ended: number | null
  token: string | null
  outcome: Outcome | null
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
      const { at: asked, batch } = record
      const span: Span = { worker, role, batch, asked, granted: null, ended: null, token: null, outcome: null }
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
    }
  }

  /** What a worker does at the moment, or did last. */
  latest(worker: string): Span | undefined {
    return this.current.get(worker)
  }

  count(role: Role, ...outcomes: readonly Outcome[]): number {
    return countOutcomes(this.spans, role, ...outcomes)
  }
}

export function countOutcomes(spans: readonly Span[], role: Role, ...outcomes: readonly Outcome[]): number {
  return spans.reduce((sum, span) => sum + (span.role === role && span.outcome !== null && outcomes.includes(span.outcome) ? 1 : 0), 0)
}
