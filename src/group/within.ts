// SPDX-License-Identifier: MIT
// Patience with the other ranks: a time-out, an AbortSignal, and a word when it takes long.
import { LongTimer } from '../long-timer.ts'
import type { LockOptions } from '../options.ts'

const LONG_WAIT_MS = 10_000

/** The moment, on performance.now()'s clock, at which these options' time is up. */
export function deadlineOf({ timeout }: LockOptions): number {
  return timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout
}

/**
 * Settles as `promise` does, unless the signal aborts or the time is up before.
 *
 * @param until on performance.now()'s clock.
 * @param tooLate what to reject with when the time is up.
 * @param waitingFor for the warning.
 */
export function within<Result>(
  promise: Promise<Result>,
  { signal }: LockOptions,
  until: number,
  tooLate: () => Error,
  waitingFor: () => string,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = new LongTimer()
    const aborted = (): void => finish(() => reject(signal?.reason))
    const warning = setTimeout(() => {
      const message = `A collective call has waited ${LONG_WAIT_MS / 1000} s for ${waitingFor()}.`
      process.emitWarning(message, { type: 'HoldfastWarning', code: 'HOLDFAST_LONG_WAIT' })
    }, LONG_WAIT_MS).unref()
    const finish = (settle: () => void): void => {
      timer.stop()
      clearTimeout(warning)
      signal?.removeEventListener('abort', aborted)
      settle()
    }
    promise.then(
      (result) => finish(() => resolve(result)),
      (error: unknown) => finish(() => reject(error)),
    )
    if (signal?.aborted) {
      aborted()
      return
    }
    signal?.addEventListener('abort', aborted)
    if (until !== Number.POSITIVE_INFINITY) timer.start(Math.max(0, until - performance.now()), () => finish(() => reject(tooLate())))
  })
}
