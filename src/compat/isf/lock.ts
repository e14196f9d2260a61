// SPDX-License-Identifier: MIT
// A lock as the Python library hands it out: acquire() says whether it was granted, release() gives it back. Times are in seconds.
import { invalid, isLockError, LockError } from '../../core/errors.ts'
import { Turns } from './turns.ts'

export interface AcquireOptions {
  /** False for one try. Default: waits. */
  readonly blocking?: boolean | undefined
  /** Seconds of waiting for whoever holds the lock; connecting to a server has the time-outs of the configuration. Default: as long as it takes. */
  readonly timeout?: number | undefined
  /** Ends the waiting: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** How long a request waits, in milliseconds. */
export interface Patience {
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is held, by whatever means. */
export interface Held {
  readonly token: bigint | null
  readonly valid: boolean
  readonly signal: AbortSignal
  release(): Promise<void>
}

/** One time that a lock is held. */
interface Hold {
  readonly held: Held
  readonly endTurn: () => void
}

/**
 * A lock by its name. Two objects with one name exclude each other; one object is one holder: tasks that share it take turns, readers too.
 *
 * ```ts
 * await using lock = getLock('results.db')
 * if (await lock.acquire({ timeout: 5 })) await work(lock.signal)
 * ```
 */
export abstract class IsfLock implements AsyncDisposable {
  readonly name: string
  private readonly turns = new Turns()
  private current: Hold | null = null

  constructor(name: string) {
    this.name = name
  }

  /** Takes it, or rejects: with `LOCK_TIMEOUT` when the time is up. */
  protected abstract take(patience: Patience): Promise<Held>

  /** True while it is held, and nobody else can have been let in. */
  get acquired(): boolean {
    return this.current?.held.valid === true
  }

  /** The fencing token of the present hold; null when there is none. */
  get token(): bigint | null {
    return this.current?.held.token ?? null
  }

  /** Aborts when the present hold is lost, and not when it is given back; null when nothing is held. */
  get signal(): AbortSignal | null {
    return this.current?.held.signal ?? null
  }

  /**
   * True when the lock is held; false when it was not to be had in time. Without a `timeout` it is never false.
   *
   * @throws LockError `LOCK_INVALID` for options that mean nothing; what goes wrong with the configuration or the engine (`CONFIG_INVALID`, `LOCK_UNAVAILABLE`,
   * `LOCK_SPLIT`, …).
   */
  async acquire(options: AcquireOptions = {}): Promise<boolean> {
    try {
      await this.hold(options)
      return true
    } catch (error) {
      if (isLockError(error, 'LOCK_TIMEOUT')) return false
      throw error
    }
  }

  /** True when it was held until now, and is given back; false when there was nothing to give back, or when it had been lost. Never rejects. */
  async release(): Promise<boolean> {
    return this.current !== null && (await this.giveBack(this.current))
  }

  /** Python's `with`: runs `work` under the lock and gives it back, whatever happened. Rejects with `LOCK_LOST` if it was lost meanwhile, and with `LOCK_TIMEOUT` if it is not to be had in time. */
  with<Result>(work: (lock: this) => Result | Promise<Result>): Promise<Result>
  with<Result>(options: AcquireOptions, work: (lock: this) => Result | Promise<Result>): Promise<Result>
  async with<Result>(
    options: AcquireOptions | ((lock: this) => Result | Promise<Result>),
    work?: (lock: this) => Result | Promise<Result>,
  ): Promise<Result> {
    const task = typeof options === 'function' ? options : work
    if (typeof task !== 'function') throw invalid('The last argument is the function to run under the lock.')
    const hold = await this.hold(typeof options === 'function' ? {} : options)
    let result: Result
    try {
      result = await task(this)
    } catch (error) {
      throw await this.end(hold, error)
    }
    const loss = await this.end(hold, undefined)
    if (loss !== undefined) throw loss
    return result
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release().then(() => undefined)
  }

  private async hold(options: AcquireOptions): Promise<Hold> {
    const { timeout, signal } = patienceOf(options)
    const began = performance.now()
    const endTurn = await this.turns.next({ timeout, signal }, this.name)
    try {
      const left = timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - began))
      const hold = { held: await this.take({ timeout: left, signal }), endTurn }
      this.current = hold
      return hold
    } catch (error) {
      endTurn()
      throw error
    }
  }

  /** Answers whether it was good until now. */
  private async giveBack(hold: Hold): Promise<boolean> {
    if (this.current !== hold) return false
    this.current = null
    const good = hold.held.valid
    await hold.held.release()
    hold.endTurn()
    return good
  }

  /** The end of a `with`: answers what the caller must see, the loss if there was one, else the work's own error. */
  private async end(hold: Hold, error: unknown): Promise<unknown> {
    const lost = this.current === hold ? !(await this.giveBack(hold)) : hold.held.signal.aborted
    if (!lost) return error
    return new LockError('LOCK_LOST', `The lock ${this.name} was lost before the work was done.`, {
      cause: error ?? hold.held.signal.reason,
    })
  }
}

function patienceOf(options: AcquireOptions): Patience {
  if (typeof options !== 'object' || options === null) throw invalid(`The options are an object, not ${String(options)}.`)
  const { blocking = true, timeout, signal } = options
  if (typeof blocking !== 'boolean') throw invalid('blocking is true or false.')
  if (timeout !== undefined && (typeof timeout !== 'number' || Number.isNaN(timeout) || timeout < 0))
    throw invalid(`timeout is a number of seconds, 0 or more, not ${String(timeout)}.`)
  if (!blocking && timeout !== undefined) throw invalid('blocking: false is one try: there is no timeout beside it.')
  return { timeout: blocking ? timeout && timeout * 1_000 : 0, signal }
}
