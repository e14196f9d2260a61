// SPDX-License-Identifier: MIT
// What may be said beside the paths: with a request, and about a lock space.
import { invalid } from './core/errors.ts'
import type { PathStyle } from './core/path.ts'

export interface TryOptions {
  /** Shown to people who ask who holds what; means nothing else. */
  readonly name?: string | undefined
}

export interface LockOptions extends TryOptions {
  /** Gives up when it aborts; the request rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined
  /** Gives up after so many milliseconds of waiting, with `LOCK_TIMEOUT`. 0 is one try. Default: waits as long as it takes. */
  readonly timeout?: number | undefined
}

export interface LockSpaceOptions {
  /** How paths are written. Default `absolute`. */
  readonly paths?: PathStyle | undefined
  /**
   * Notice a task that waits for itself: inside the callback of a `with…` method, a request that cannot be granted before the lease of
   * that very callback is released rejects with `LOCK_REENTRANT` instead of waiting for ever. Costs an AsyncLocalStorage. Default off.
   */
  readonly detectReentrancy?: boolean | undefined
}

export interface CloseOptions {
  /** Milliseconds to wait for leases; then they are taken away: their state is `lost` and their signal fires. Default: as long as it takes. */
  readonly timeout?: number | undefined
}

/** @throws LockError `LOCK_INVALID` */
export function checkOptions(options: LockOptions): void {
  if (typeof options !== 'object' || options === null) throw invalid(`The options are an object, not ${String(options)}.`)
  const { signal, timeout, name } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal is not an AbortSignal.')
  if (timeout !== undefined) checkTimeout(timeout)
  if (name !== undefined && typeof name !== 'string') throw invalid('name is a string.')
}

/** @throws LockError `LOCK_INVALID` */
export function checkTimeout(timeout: unknown): void {
  if (typeof timeout !== 'number' || Number.isNaN(timeout) || timeout < 0) {
    throw invalid(`timeout is a number of milliseconds, 0 or more, not ${String(timeout)}.`)
  }
}
