// SPDX-License-Identifier: MIT
// One round as one rank sees it: who has entered, what was shared, who has left, and what came of it.
import { LockError } from '../core/errors.ts'
import { decodeError, encodeError } from './value.ts'

/** Whose block runs: the writer's alone, or every rank's. */
export type Kind = 'writer' | 'every'

/** What every rank hears at the end: the writer's value, or the error that was thrown on a rank. */
export interface Outcome {
  readonly kind: 'value' | 'error'
  readonly bytes: Uint8Array
  readonly rank: number
}

export interface RoundOptions {
  readonly writer: number
  readonly rank: number
  readonly size: number
  readonly share: (value: Uint8Array) => void
  readonly leave: (error: Uint8Array | null) => void
  readonly end: (outcome: Outcome) => void
}

interface Deferred<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (why: unknown) => void
}

export class Round {
  /** Resolves when nothing more is to come, whatever came of it. */
  readonly settled: Promise<void>
  private readonly options: RoundOptions
  private readonly inside = new Set<number>()
  private readonly outside = new Set<number>()
  private readonly everybodyIn = deferred<void>()
  private readonly everybodyOut = deferred<void>()
  private readonly value = deferred<Uint8Array>()
  private readonly outcome = deferred<Outcome>()
  private done = false

  constructor(options: RoundOptions) {
    this.options = options
    this.settled = this.outcome.promise.then(
      () => {},
      () => {},
    )
  }

  get writes(): boolean {
    return this.options.rank === this.options.writer
  }

  /** For the writer: resolves when all have entered; rejects when one cannot, or is gone. */
  get allEntered(): Promise<void> {
    return this.everybodyIn.promise
  }

  /** For the writer: resolves when all others have left; rejects with the first error of one. */
  get allLeft(): Promise<void> {
    if (this.options.size === 1) this.everybodyOut.resolve()
    return this.everybodyOut.promise
  }

  /** Resolves with the value that was shared, as soon as it is; rejects when the round ends without one. */
  get shared(): Promise<Uint8Array> {
    return this.value.promise
  }

  /** What came of it. Rejects when the round could not be held. */
  get ended(): Promise<Outcome> {
    return this.outcome.promise
  }

  get over(): boolean {
    return this.done
  }

  /** For the writer: the ranks that have not entered yet. */
  get awaited(): readonly number[] {
    return Array.from({ length: this.options.size }, (_, rank) => rank).filter((rank) => !this.inside.has(rank))
  }

  /** By the writer. */
  share(value: Uint8Array): void {
    if (this.done) return
    this.options.share(value)
    this.value.resolve(value)
  }

  /** By any other rank, whose block is done or has failed. */
  leave(error: unknown): void {
    if (!this.done) this.options.leave(error === undefined ? null : encodeError(error))
  }

  /** By the writer: with a value for all, or with what went wrong. */
  finish(outcome: Outcome): void {
    if (this.done) return
    this.options.end(outcome)
    this.heardEnd(outcome)
  }

  /** By the writer: every rank hears of this error. */
  abandon(error: unknown): void {
    this.finish({ kind: 'error', bytes: encodeError(error), rank: this.options.rank })
  }

  entered(rank: number, refusal: Error | null): void {
    if (!this.writes) return
    if (refusal !== null) {
      this.failAll(refusal, rank)
      return
    }
    this.inside.add(rank)
    if (this.inside.size === this.options.size) this.everybodyIn.resolve()
  }

  hasLeft(rank: number, error: Error | null): void {
    if (error !== null) this.everybodyOut.reject(error)
    this.outside.add(rank)
    if (this.outside.size === this.options.size - 1) this.everybodyOut.resolve()
  }

  heardValue(value: Uint8Array): void {
    this.value.resolve(value)
  }

  heardEnd(outcome: Outcome): void {
    if (this.done) return
    this.done = true
    this.value.reject(
      outcome.kind === 'error'
        ? decodeError(outcome.bytes, outcome.rank)
        : new LockError('LOCK_INVALID', 'The round is over, and nothing was shared in it.'),
    )
    this.outcome.resolve(outcome)
  }

  /** A rank is gone: that matters unless it has done its part. */
  gone(rank: number, why: LockError): void {
    const { writer } = this.options
    if (!this.writes) {
      if (rank === writer) this.fail(why)
    } else if (!this.inside.has(rank)) this.failAll(why, rank)
    else if (!this.outside.has(rank)) this.everybodyOut.reject(why)
  }

  /** It cannot be held, and every rank hears so by itself. */
  fail(why: LockError): void {
    if (this.done) return
    this.done = true
    for (const part of [this.everybodyIn, this.everybodyOut, this.value, this.outcome]) part.reject(why)
  }

  private failAll(why: Error, rank: number): void {
    this.everybodyIn.reject(why)
    this.everybodyOut.reject(why)
    this.finish({ kind: 'error', bytes: encodeError(why), rank })
  }
}

function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {}
  let reject: (why: unknown) => void = () => {}
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes
    reject = no
  })
  // Who does not ask is not told.
  promise.catch(() => {})
  return { promise, resolve, reject }
}
