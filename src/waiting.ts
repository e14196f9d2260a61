// SPDX-License-Identifier: MIT
// The patience of requests that have to wait: their time-outs, their AbortSignals, the warning about waits that take long, and the event
// that says that somebody waits. Nothing here exists before a request really waits.
import type { Wait } from './core/backend.ts'
import type { Claims } from './core/claims.ts'
import { events } from './core/events.ts'
import { type Linked, LinkedList } from './core/linked-list.ts'
import { owner } from './owner.ts'
import { describeRequest } from './refusals.ts'
import { turnTime } from './turn-clock.ts'

/** A wait longer than this is worth a process warning, once for each request. */
const LONG_WAIT_MS = 10_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The waiting requests of one lock space. */
export class WaitingRoom {
  readonly backend: string
  readonly timeUp: TimeUp
  /** In the order in which they came, so that the first is the one that has waited longest. */
  private readonly requests: LinkedList<WaitingRequest> = new LinkedList()
  private warning: NodeJS.Timeout | null = null

  constructor(backend: string, timeUp: TimeUp) {
    this.backend = backend
    this.timeUp = timeUp
  }

  get size(): number {
    return this.requests.size
  }

  enter(request: WaitingRequest): void {
    this.requests.add(request)
    if (this.warning === null) this.watch(LONG_WAIT_MS)
  }

  leave(request: WaitingRequest): void {
    this.requests.remove(request)
  }

  /** Withdraws every waiting request. */
  dismiss(reason: unknown): void {
    for (const request of [...this.requests]) request.withdraw(reason)
  }

  private watch(afterMs: number): void {
    this.warning = setTimeout(() => {
      this.warning = null
      const now = Date.now()
      for (const request of this.requests) {
        if (request.warned) continue
        const left = request.since + LONG_WAIT_MS - now
        if (left > 0) return this.watch(left)
        request.warn(now)
      }
    }, afterMs)
    this.warning.unref()
  }
}

/** The time of a request is up: answers the reason with which it fails, at once or after asking around. */
export type TimeUp = (request: WaitingRequest) => unknown

export interface Patience {
  readonly name?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds of waiting. */
  readonly timeout?: number | undefined
}

let requests = 0

export class WaitingRequest implements Wait, Linked<WaitingRequest> {
  previous: WaitingRequest | null = null
  next: WaitingRequest | null = null
  warned = false
  readonly since: number = turnTime()
  readonly claims: Claims
  readonly patience: Patience
  private readonly room: WaitingRoom
  private readonly number: number = ++requests
  private giveUp: ((reason: unknown) => void) | null = null
  private began = false
  private timer: NodeJS.Timeout | null = null

  constructor(room: WaitingRoom, claims: Claims, patience: Patience) {
    this.room = room
    this.claims = claims
    this.patience = patience
  }

  get name(): string | undefined {
    return this.patience.name
  }

  get id(): string {
    const { pid, thread, host } = owner()
    return `${host}.${pid}.${thread}.${this.number}`
  }

  begin(giveUp: (reason: unknown) => void): void {
    this.giveUp = giveUp
    if (this.began) return
    this.began = true
    this.room.enter(this)
    const { signal, timeout } = this.patience
    signal?.addEventListener('abort', this)
    if (timeout !== undefined) this.startTimer(timeout)
    if (events.wait.hasSubscribers) events.wait.publish({ backend: this.room.backend, claims: this.claims, name: this.name })
  }

  end(): void {
    this.giveUp = null
    if (!this.began) return
    this.room.leave(this)
    this.patience.signal?.removeEventListener('abort', this)
    if (this.timer !== null) clearTimeout(this.timer)
  }

  withdraw(reason: unknown): void {
    const giveUp = this.giveUp
    this.end()
    giveUp?.(reason)
  }

  /** The signal's abort event arrives here. */
  handleEvent(): void {
    this.withdraw(this.patience.signal?.reason)
  }

  warn(now: number): void {
    this.warned = true
    process.emitWarning(
      `A request has waited ${Math.round((now - this.since) / 1000)} s for: ${describeRequest(this.claims)}. inspect() says for whom.`,
      {
        type: 'HoldfastWarning',
        code: 'HOLDFAST_LONG_WAIT',
      },
    )
  }

  /** A timer longer than the platform's longest would fire at once: it is taken in several steps. */
  private startTimer(leftMs: number): void {
    const step = Math.min(leftMs, LONGEST_TIMER_MS)
    this.timer = setTimeout(() => (step < leftMs ? this.startTimer(leftMs - step) : this.timeIsUp()), step)
  }

  private timeIsUp(): void {
    const reason = this.room.timeUp(this)
    if (reason instanceof Promise) void reason.then((known) => this.withdraw(known))
    else this.withdraw(reason)
  }
}
