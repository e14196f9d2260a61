// SPDX-License-Identifier: MIT
// The one connection that the protocol has open while a user comes in: tried, kept for the next step, or closed.
import type { Backend, Preference } from '../core/backend.ts'
import { invalid, isLockError, LockError } from '../core/errors.ts'
import type { Candidate } from './agreed.ts'
import { within } from './agreed-term.ts'
import type { Opened } from './agreement.ts'

/** What an engine gets beyond its own limit, which it knows better how to explain. */
const LATE_MS = 500

export interface Connected {
  readonly entry: number
  readonly engine: Backend
}

export class AgreedConnection {
  private readonly candidates: readonly Candidate[]
  private readonly prefer: Preference
  private kept: Connected | null = null
  private readonly closing = new Set<Promise<unknown>>()

  constructor(candidates: readonly Candidate[], prefer: Preference) {
    this.candidates = candidates
    this.prefer = prefer
  }

  async open(entry: number): Promise<Opened> {
    const { timeoutMs, shown } = this.candidates[entry]!
    if (this.kept?.entry === entry) {
      const identity = await within(this.wordOf(this.kept.engine, entry), timeoutMs)
      if (identity !== null) return { state: 'open', identity }
    }
    this.drop()
    let engine: Backend | null = null
    try {
      engine = await this.connect(entry)
      const { identity: word, prefer } = engine
      if (word === undefined)
        throw new LockError('LOCK_UNSUPPORTED', `${shown} has no identity (Backend.identity), and cannot take part in a fallback.`)
      if (prefer !== this.prefer) {
        throw invalid(`${shown} has prefer "${prefer}", and this configuration prefer "${this.prefer}": say prefer: ${prefer}.`)
      }
      const identity = await this.wordOf(engine, entry)
      this.kept = { entry, engine }
      return { state: 'open', identity }
    } catch (error) {
      if (engine !== null) this.close(engine)
      const failure = isLockError(error)
        ? error
        : new LockError('LOCK_UNAVAILABLE', `${shown} cannot be used (${String(error)}).`, { cause: error })
      return { state: failure.code === 'LOCK_UNAVAILABLE' ? 'down' : 'refused', error: failure }
    }
  }

  /** Hands out what is open. */
  take(): Connected {
    const { kept } = this
    if (kept === null) throw new Error('Nothing is connected.')
    this.kept = null
    return kept
  }

  /** Keeps what is open, for a step that may want it. */
  keep(connected: Connected): void {
    this.drop()
    this.kept = connected
  }

  drop(): void {
    if (this.kept !== null) this.close(this.kept.engine)
    this.kept = null
  }

  /** Closes an engine beside, and never fails. */
  close(engine: Backend): void {
    const closed = engine.close().catch(() => undefined)
    this.closing.add(closed)
    void closed.then(() => this.closing.delete(closed))
  }

  /** Resolves when everything is closed. */
  async end(): Promise<void> {
    this.drop()
    await Promise.all(this.closing)
  }

  /**
   * The engine's word, by which it stays from here on, wherever its connection may lead when it is made anew. Asked twice: it may have led elsewhere
   * between the first answer and the promise to stay.
   */
  private async wordOf(engine: Backend, entry: number): Promise<string> {
    const word = await this.inTime(engine.identity!(), entry)
    if (engine.expectIdentity === undefined) return word
    engine.expectIdentity(word)
    if ((await this.inTime(engine.identity!(), entry)) === word) return word
    throw new LockError('LOCK_UNAVAILABLE', `${this.candidates[entry]!.shown} is another engine from one moment to the next.`)
  }

  /** One that connects too late is closed. */
  private async connect(entry: number): Promise<Backend> {
    const candidate = this.candidates[entry]!
    await candidate.prepare?.()
    const opening = candidate.open()
    try {
      return await this.inTime(opening, entry)
    } catch (error) {
      opening.then(
        (unwanted) => this.close(unwanted),
        () => undefined,
      )
      throw error
    }
  }

  private async inTime<Answer>(promise: Promise<Answer>, entry: number): Promise<Answer> {
    const { timeoutMs, shown } = this.candidates[entry]!
    const answer = await Promise.race([promise, late(timeoutMs + LATE_MS, promise)])
    if (answer !== null) return answer
    promise.catch(() => undefined)
    throw new LockError('LOCK_UNAVAILABLE', `${shown} did not answer within ${timeoutMs} ms: it may be busy.`)
  }
}

function late(ms: number, unless: Promise<unknown>): Promise<null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, null)
    const stop = (): void => clearTimeout(timer)
    unless.then(stop, stop)
  })
}
