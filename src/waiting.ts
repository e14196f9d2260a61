// SPDX-License-Identifier: MIT
// The patience of requests that have to wait: their time-outs, their AbortSignals, the warning about waits that take long, and the event
// that says that somebody waits. Nothing here exists before a request really waits.
import type { Wait } from './core/backend.ts'
import type { Claims } from './core/claims.ts'
import { events } from './core/events.ts'
import { owner } from './owner.ts'

/** A wait longer than this is worth a process warning, once for each request. */
const LONG_WAIT_MS = 10_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The waiting requests of one lock space. */
export class WaitingRoom {
  readonly backend: string
  /** In the order in which they came, so that the first is the one that has waited longest. */
  readonly #requests = new Set<WaitingRequest>()
  #warning: NodeJS.Timeout | null = null

  constructor(backend: string) {
    this.backend = backend
  }

  get size(): number {
    return this.#requests.size
  }

  enter(request: WaitingRequest): void {
    this.#requests.add(request)
    if (this.#warning === null) this.#watch(LONG_WAIT_MS)
  }

  leave(request: WaitingRequest): void {
    this.#requests.delete(request)
  }

  /** Withdraws every waiting request. */
  dismiss(reason: unknown): void {
    for (const request of [...this.#requests]) request.withdraw(reason)
  }

  #watch(afterMs: number): void {
    this.#warning = setTimeout(() => {
      this.#warning = null
      const now = Date.now()
      for (const request of this.#requests) {
        if (request.warned) continue
        const left = request.since + LONG_WAIT_MS - now
        if (left > 0) return this.#watch(left)
        request.warn(now)
      }
    }, afterMs)
    this.#warning.unref()
  }
}

/** What to do when the time is up: answer the reason with which the request fails, at once or after asking around. */
export type TimeUp = (id: string) => unknown

export interface PatienceOptions {
  readonly name: string | undefined
  readonly signal: AbortSignal | undefined
  /** Milliseconds of waiting. */
  readonly timeout: number | undefined
  readonly timeUp: TimeUp
}

let requests = 0

export class WaitingRequest implements Wait {
  readonly #number: number = ++requests
  readonly name: string | undefined
  readonly since: number = Date.now()
  warned = false
  readonly #claims: Claims
  readonly #room: WaitingRoom
  readonly #options: PatienceOptions
  #giveUp: ((reason: unknown) => void) | null = null
  #began = false
  #timer: NodeJS.Timeout | null = null

  constructor(room: WaitingRoom, claims: Claims, options: PatienceOptions) {
    this.#room = room
    this.#claims = claims
    this.#options = options
    this.name = options.name
  }

  get id(): string {
    const { pid, thread, host } = owner()
    return `${host}.${pid}.${thread}.${this.#number}`
  }

  begin(giveUp: (reason: unknown) => void): void {
    this.#giveUp = giveUp
    if (this.#began) return
    this.#began = true
    this.#room.enter(this)
    const { signal, timeout } = this.#options
    signal?.addEventListener('abort', this)
    if (timeout !== undefined) this.#startTimer(timeout)
    if (events.wait.hasSubscribers) events.wait.publish({ backend: this.#room.backend, claims: this.#claims, name: this.name })
  }

  end(): void {
    this.#giveUp = null
    if (!this.#began) return
    this.#room.leave(this)
    this.#options.signal?.removeEventListener('abort', this)
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  withdraw(reason: unknown): void {
    const giveUp = this.#giveUp
    this.end()
    giveUp?.(reason)
  }

  /** The signal's abort event arrives here. */
  handleEvent(): void {
    this.withdraw(this.#options.signal?.reason)
  }

  warn(now: number): void {
    this.warned = true
    const { read, write } = this.#claims
    const wanted = [...read.map((key) => `read ${key}`), ...write.map((key) => `write ${key}`)]
    const shown = wanted.length > 3 ? `${wanted.slice(0, 3).join(', ')} and ${wanted.length - 3} more` : wanted.join(', ')
    process.emitWarning(`A request has waited ${Math.round((now - this.since) / 1000)} s for: ${shown}. inspect() says for whom.`, {
      type: 'HoldfastWarning',
      code: 'HOLDFAST_LONG_WAIT',
    })
  }

  /** A timer longer than the platform's longest would fire at once: it is taken in several steps. */
  #startTimer(leftMs: number): void {
    const step = Math.min(leftMs, LONGEST_TIMER_MS)
    this.#timer = setTimeout(() => (step < leftMs ? this.#startTimer(leftMs - step) : this.#timeIsUp()), step)
  }

  #timeIsUp(): void {
    const reason = this.#options.timeUp(this.id)
    if (reason instanceof Promise) void reason.then((known) => this.withdraw(known))
    else this.withdraw(reason)
  }
}
