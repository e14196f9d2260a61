// SPDX-License-Identifier: MIT
// The messages between the run and its workers, and the descriptors that they share.
import type { Preference, Supports } from '../../core/backend.ts'
import type { Opening } from '../hands.ts'
import type { Refusal } from './record.ts'

/** Where a worker finds the record. */
export const RECORD_FD = 4

export interface WorkerOrders {
  readonly opening: Opening
  /** The key of the root of the tree in which everything happens. */
  readonly root: string
  readonly seed: number
  readonly worker: number
  /** How many were in its place before it. */
  readonly life: number
  readonly workers: number
  /** Copies of the tree. */
  readonly trees: number
}

export interface Pace {
  /** Requests that it makes at once. */
  readonly tasks: number
  /** What a lease lasts, or is taken to last. */
  readonly unitMs: number
}

export type ToWorker =
  /** First of all. */
  | { readonly open: WorkerOrders }
  | { readonly go: Pace }
  /** Whoever is let in next to write stays in until `let go`. */
  | 'grip'
  | 'let go'
  /** Make no more requests. */
  | 'stop'
  /** Everybody else is gone: what is left? */
  | { readonly look: { readonly withinMs: number } }
  /** Close, and end. */
  | 'close'

export interface WorkerFacts {
  readonly backend: string
  readonly supports: Supports
  readonly prefer: Preference
  /** What a lease lasts, as far as its holder counts on it; null where it does not run out. */
  readonly leaseMs: number | null
}

export type FromWorker =
  | { readonly opened: WorkerFacts }
  | { readonly refused: { readonly code: string | null; readonly message: string } }
  /** All tasks have ended, and this is what its lock space still counts. */
  | { readonly done: { readonly held: number; readonly waiting: number } }
  /** What is still there, in words. */
  | { readonly left: readonly string[] }
  /** Somebody holds, as `grip` wants it. */
  | 'gripped'
  /** A request failed. */
  | { readonly trouble: string; readonly why: Refusal }
