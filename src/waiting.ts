// SPDX-License-Identifier: MIT
// The patience of requests that have to wait: their time-outs, their AbortSignals, the warning about waits that take long, and the event
// that says that somebody waits. Nothing here exists before a request really waits.
import type { Wait } from './core/backend.ts'
import type { Claims } from './core/claims.ts'
import { events } from './core/events.ts'
import { type Linked, LinkedList } from './core/linked-list.ts'
import { LongTimer } from './long-timer.ts'
import { owner } from './owner.ts'
import { describeRequest } from './refusals.ts'

/** A wait longer than this is worth a process warning. */
const LONG_WAIT_MS = 10_000
/** One warning speaks for all that wait in a lock space, and the next comes no sooner: ten thousand in a line are no ten thousand warnings. */
const WARNED_FOR_MS = 60_000

/** The waiting requests of one lock space. */
export class WaitingRoom {
  readonly backend: string
  readonly timeUp: TimeUp
  /** In the order in which they came, so that the first is the one that has waited longest. */
  private readonly requests: LinkedList<WaitingRequest> = new LinkedList()
  private warning: NodeJS.Timeout | null = null
  private warnedAt = Number.NEGATIVE_INFINITY

  private readonly writersFirst: boolean
  private dismissal: { readonly reason: unknown } | null = null

  constructor(backend: string, timeUp: TimeUp, writersFirst = false) {
    this.backend = backend
    this.writersFirst = writersFirst
    this.timeUp = timeUp
  }

  get size(): number {
    return this.requests.size
  }

  enter(request: WaitingRequest): void {
    this.requests.add(request)
    const { dismissal } = this
    if (dismissal !== null) queueMicrotask(() => request.withdraw(dismissal.reason))
    if (this.warning === null) this.watch(LONG_WAIT_MS)
  }

  leave(request: WaitingRequest): void {
    this.requests.remove(request)
  }

  /** Withdraws every waiting request, from the end of the line: the going of one lets in none of those that are still to go. */
  dismiss(reason: unknown): void {
    this.dismissal = { reason }
    this.withdraw(this.requests, reason)
  }

  /** Withdraws some of them (given in the order in which they came), likewise. */
  withdraw(some: Iterable<WaitingRequest>, reason: unknown): void {
    const line = [...some].reverse()
    const overtaken = this.writersFirst ? line.filter(({ claims }) => claims.write.length === 0) : []
    for (const request of [...overtaken, ...line]) request.withdraw(reason)
  }

  private watch(afterMs: number): void {
    this.warning = setTimeout(this.look, afterMs)
    this.warning.unref()
  }

  /** Warns if there is a request of which no warning has spoken and that has waited for long; each is spoken of once. */
  private readonly look = (): void => {
    this.warning = null
    const now = Date.now()
    for (const request of this.requests) {
      if (request.warned) continue
      const left = Math.max(request.since + LONG_WAIT_MS, this.warnedAt + WARNED_FOR_MS) - now
      if (left > 0) {
        this.watch(left)
        return
      }
      this.warn(now)
    }
  }

  private warn(now: number): void {
    this.warnedAt = now
    for (const request of this.requests) if (request.since + LONG_WAIT_MS <= now) request.warned = true
    const { since, claims } = this.requests.first!
    const others = this.size - 1
    const too = others === 0 ? '' : others === 1 ? ' 1 other waits, too.' : ` ${others.toLocaleString('en')} others wait, too.`
    const message = `A request has waited ${Math.round((now - since) / 1000)} s for: ${describeRequest(claims)}.${too} inspect() says for whom.`
    process.emitWarning(message, { type: 'HoldfastWarning', code: 'HOLDFAST_LONG_WAIT' })
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

/** The requests that wait under a signal: one listener for all of them, as a signal with many listeners warns of a leak. */
const listening = new WeakMap<AbortSignal, { readonly requests: Set<WaitingRequest>; readonly listener: () => void }>()

function listen(signal: AbortSignal, request: WaitingRequest): void {
  let known = listening.get(signal)
  if (known === undefined) {
    const requests = new Set<WaitingRequest>()
    const listener = (): void => {
      const rooms = new Set(Array.from(requests, (one) => one.room))
      for (const room of rooms)
        room.withdraw(
          [...requests].filter((one) => one.room === room),
          signal.reason,
        )
    }
    known = { requests, listener }
    listening.set(signal, known)
    signal.addEventListener('abort', listener)
  }
  known.requests.add(request)
}

function unlisten(signal: AbortSignal, request: WaitingRequest): void {
  const known = listening.get(signal)
  if (!known?.requests.delete(request) || known.requests.size > 0) return
  listening.delete(signal)
  signal.removeEventListener('abort', known.listener)
}

let requests = 0

export class WaitingRequest implements Wait, Linked<WaitingRequest> {
  previous: WaitingRequest | null = null
  next: WaitingRequest | null = null
  warned = false
  readonly claims: Claims
  readonly patience: Patience
  readonly room: WaitingRoom
  private readonly number: number = ++requests
  private giveUp: ((reason: unknown) => void) | null = null
  private beganAt = 0
  private ended = false
  private timer: LongTimer | null = null

  constructor(room: WaitingRoom, claims: Claims, patience: Patience) {
    this.room = room
    this.claims = claims
    this.patience = patience
  }

  get name(): string | undefined {
    return this.patience.name
  }

  /** When it began to wait. Most requests do not, and need not read the clock. */
  get since(): number {
    return this.beganAt === 0 ? Date.now() : this.beganAt
  }

  get id(): string {
    const { pid, thread, host } = owner()
    return `${host}.${pid}.${thread}.${this.number}`
  }

  begin(giveUp: (reason: unknown) => void): void {
    this.giveUp = giveUp
    if (this.beganAt !== 0) return
    this.beganAt = Date.now()
    this.room.enter(this)
    const { signal, timeout } = this.patience
    if (signal !== undefined) {
      listen(signal, this)
      // It may have aborted while an engine far away was asked.
      if (signal.aborted) queueMicrotask(() => this.withdraw(signal.reason))
    }
    if (timeout !== undefined) {
      this.timer = new LongTimer()
      this.timer.start(timeout, () => this.timeIsUp())
    }
    if (events.wait.hasSubscribers) events.wait.publish({ backend: this.room.backend, claims: this.claims, name: this.name })
  }

  end(): void {
    this.giveUp = null
    if (this.beganAt === 0 || this.ended) return
    this.ended = true
    this.room.leave(this)
    if (this.patience.signal !== undefined) unlisten(this.patience.signal, this)
    this.timer?.stop()
  }

  withdraw(reason: unknown): void {
    const giveUp = this.giveUp
    this.end()
    giveUp?.(reason)
  }

  private timeIsUp(): void {
    const reason = this.room.timeUp(this)
    if (reason instanceof Promise) void reason.then((known) => this.withdraw(known))
    else this.withdraw(reason)
  }
}
