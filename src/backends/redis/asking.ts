// SPDX-License-Identifier: MIT
// The requests of this process: sent, waiting in the line of the server, granted by an answer, by a message, by a heartbeat's answer or by an
// audit; asked again when the server cannot know of them; and given up.
import { LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'
import { foreign, isToken, wholeOf } from './answers.ts'
import { asLockError, isRefusal } from './failures.ts'
import type { Link } from './link.ts'
import { encodeName, type Request } from './requests.ts'
import type { Session, SessionKeeper } from './session.ts'
import { MORE, type Tidying } from './tidying.ts'

/** What becomes of requests. */
export interface Grantor {
  /** A lease was granted: makes it, and hands it over. */
  grant(request: Request, session: Session, token: string): void
  /** The server may have something of a request that nobody wants any more. Resolves when it has not. */
  discard(session: Session, id: string): Promise<void> | undefined
}

/** An answer that takes longer than this begins to look like waiting: time-outs and signals count from then on. */
const LATE_MS = 20
const LOOK_AGAIN_MS = 200
/** So long a request that is given up waits for the server to say that it is gone. */
const WITHDRAW_WITHIN_MS = 200

export class Asking {
  /** An answer is outstanding. By id. */
  private readonly asked = new Map<string, Request>()
  /** In the line. By id. */
  private readonly inLine = new Map<string, Request>()
  private readonly unsent = new Set<Request>()
  private readonly link: Link
  private readonly keeper: SessionKeeper
  private readonly tidying: Tidying
  private readonly grantor: Grantor
  private readonly writersFirst: boolean
  private readonly unavailableAfterMs: number
  private numbers = 0
  private looks = 0
  private timer: NodeJS.Timeout | null = null
  private trouble: unknown = null

  constructor(link: Link, keeper: SessionKeeper, tidying: Tidying, grantor: Grantor, writersFirst: boolean, unavailableAfterMs: number) {
    this.link = link
    this.keeper = keeper
    this.tidying = tidying
    this.grantor = grantor
    this.writersFirst = writersFirst
    this.unavailableAfterMs = unavailableAfterMs
  }

  /** Requests under way or waiting. */
  get size(): number {
    return this.asked.size + this.inLine.size + this.unsent.size
  }

  get waiting(): number {
    return this.inLine.size
  }

  waitingIds(): readonly string[] {
    return [...this.inLine.keys()]
  }

  find(id: string): Request | undefined {
    return this.inLine.get(id) ?? this.asked.get(id)
  }

  ask(request: Request): void {
    this.link.hold()
    if (this.keeper.open) this.send(request, this.keeper.current!)
    else {
      this.postpone(request)
      this.keeper.wake()
    }
  }

  /** Nobody wants it any more: its promise rejects when nothing is left of it at the server, or a little later if that is not to be had. */
  readonly giveUp = (request: Request, reason: unknown): void => {
    if (this.isOver(request)) return
    const session = this.keeper.current
    const { state, id } = request
    this.end(request, 'abandoned')
    if (session === null || !this.keeper.open || state === 'unsent') {
      request.reject(reason)
      return
    }
    const refuse = (): void => {
      clearTimeout(timer)
      request.reject(reason)
    }
    const timer = setTimeout(refuse, WITHDRAW_WITHIN_MS)
    // One whose answer is outstanding is discarded when that comes, or by the audit if it never does.
    if (state === 'waiting') this.discard(session, id, refuse)
    else request.withdrawn = refuse
  }

  /** `ID TOKEN`: it is its turn. */
  message(text: string): void {
    const space = text.indexOf(' ')
    const request = this.find(text.slice(0, space))
    if (request !== undefined) this.granted(request, text.slice(space + 1))
  }

  /** What a heartbeat, sent at `sentAt`, heard of requests that waited then: id, token or '' for one that the server does not know. */
  news(answers: readonly unknown[], sentAt: number): void {
    for (let i = 0; i + 1 < answers.length; i += 2) {
      const request = this.inLine.get(String(answers[i]))
      const token = String(answers[i + 1])
      if (request === undefined) continue
      if (token !== '') this.granted(request, token)
      else if (request.inLineSince < sentAt) this.askAgain(request)
    }
  }

  /** What an audit says of a request: it holds the lock, or waits (token ''). */
  known(request: Request, token: string): void {
    if (token !== '') this.granted(request, token)
    else if (request.state === 'asked') this.getInLine(request)
  }

  /** Ids of which the server was asked in an epoch that is over, or which it once knew. */
  presumed(): readonly Request[] {
    return [...this.asked.values(), ...this.inLine.values()]
  }

  /** The server does not know of it. */
  askAgain(request: Request): void {
    if (this.isOver(request)) return
    this.postpone(request)
    if (this.keeper.open) this.sendUnsent()
  }

  /** Nothing that was said of the session counts any more: every request is asked anew in the next one. */
  sessionLost(): void {
    for (const request of this.presumed()) this.postpone(request)
  }

  /** The server cannot be reached for a while. */
  suspended(): void {
    for (const request of this.asked.values()) this.late(request)
    this.watch(LOOK_AGAIN_MS)
  }

  sendUnsent(): void {
    const session = this.keeper.current
    if (session === null) return
    this.trouble = null
    for (const request of [...this.unsent]) if (request.state === 'unsent') this.send(request, session)
  }

  /** All requests that have no place in a line fail: there is no session to be had. */
  refused(error: LockError): void {
    for (const request of [...this.unsent, ...this.asked.values()]) this.fail(request, error)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private send(request: Request, session: Session): void {
    this.unsent.delete(request)
    const id = request.id === '' ? `${session.id}${(++this.numbers).toString(36)}` : request.id
    const { epoch } = session
    const { claims, encoded, wait } = request
    request.id = id
    request.state = 'asked'
    request.epoch = epoch
    request.look = this.looks
    request.overdueSince = 0
    this.asked.set(id, request)
    this.watch(LATE_MS)
    const standsAside = this.writersFirst && claims.write.length === 0 ? '1' : '0'
    const head = [session.id, epoch, id, wait === null ? '0' : '1', standsAside, this.link.leaseUs, encoded.modes]
    const tail = [encodeName(request.name) + encoded.paths, '#t', `@${session.id}`, `r${id}`]
    this.link.run('acquire', ...head, ...tail, ...encoded.fields).then(
      (answer) => {
        if (isAnswer(answer, wait !== null)) this.answered(request, session, id, epoch, answer)
        else this.failed(request, session, id, epoch, foreign())
      },
      (error: unknown) => this.failed(request, session, id, epoch, error),
    )
  }

  private answered(request: Request, session: Session, id: string, epoch: string, answer: readonly unknown[]): void {
    const state = wholeOf(answer[0])
    if (request.state === 'granted' || request.id !== id) return
    if (request.state === 'abandoned') {
      if (state > 0) this.discard(session, id, request.withdrawn)
      else request.withdrawn()
    } else if (state === 1) this.granted(request, String(answer[1]))
    else if (state === 2) {
      if (request.state === 'asked') this.getInLine(request)
      if (Number(answer[2]) === MORE) this.tidying.begin()
      else this.tidying.expectExpiry(Number(answer[1]))
    } else if (state === 0) {
      this.end(request, 'granted')
      request.resolve(null)
      if (Number(answer[1]) === MORE) this.tidying.begin()
    } else this.keeper.gone(session, epoch)
  }

  private failed(request: Request, session: Session, id: string, epoch: string, error: unknown): void {
    if (request.state !== 'asked' || request.id !== id || request.epoch !== epoch) return
    if (isRefusal(error)) {
      this.fail(request, asLockError(error, this.link.connection.place, this.link.hash))
      // A script that fails half-way undoes nothing.
      this.discard(session, id, () => {})
      return
    }
    this.trouble = error
    this.late(request)
    if (this.keeper.current === session && session.epoch === epoch) this.keeper.cut()
  }

  private discard(session: Session, id: string, done: () => void): void {
    const discarded = this.grantor.discard(session, id)
    if (discarded === undefined) done()
    else void discarded.then(done)
  }

  private granted(request: Request, token: string): void {
    const session = this.keeper.current
    if (session === null) return
    // No script gives such a one: an audit tells what is true.
    if (!isToken(token)) {
      this.keeper.cut()
      return
    }
    // Too late to be of use: it is asked again in a new session.
    if (bootNow() >= session.deadline) {
      this.keeper.check()
      return
    }
    this.end(request, 'granted')
    this.grantor.grant(request, session, token)
  }

  private getInLine(request: Request): void {
    this.asked.delete(request.id)
    this.inLine.set(request.id, request)
    request.state = 'waiting'
    request.inLineSince = performance.now()
    request.bePatient()
  }

  private postpone(request: Request): void {
    if (request.state === 'waiting') request.hadPlace = true
    this.asked.delete(request.id)
    this.inLine.delete(request.id)
    const session = this.keeper.current
    if (session === null || !request.id.startsWith(session.id)) request.id = ''
    request.state = 'unsent'
    this.unsent.add(request)
    this.late(request)
    this.watch(LOOK_AGAIN_MS)
  }

  private late(request: Request): void {
    request.overdueSince ||= performance.now()
    request.bePatient()
  }

  private watch(afterMs: number): void {
    if (this.timer !== null) return
    this.timer = setTimeout(this.look, afterMs)
    this.timer.unref()
  }

  /** What the server has not answered for a while begins to wait; what it has not for long, fails. */
  private readonly look = (): void => {
    this.timer = null
    const seen = this.looks++
    const now = performance.now()
    let young = false
    for (const request of [...this.asked.values(), ...this.unsent]) {
      if (request.overdueSince === 0 && request.look >= seen) young = true
      else if (request.overdueSince !== 0 && now - request.overdueSince >= this.unavailableAfterMs && !request.hadPlace)
        this.giveNoHope(request)
      else this.late(request)
    }
    if (this.asked.size + this.unsent.size > 0) this.watch(young ? LATE_MS : LOOK_AGAIN_MS)
  }

  private giveNoHope(request: Request): void {
    const { place } = this.link.connection
    const why = this.trouble === null ? '' : ` ${asLockError(this.trouble, place, this.link.hash).message}`
    const message = `Redis at ${place} has not answered for ${this.unavailableAfterMs} ms.${why}`
    this.fail(request, new LockError('LOCK_UNAVAILABLE', message, { cause: this.trouble ?? undefined }))
  }

  private fail(request: Request, error: LockError): void {
    if (this.isOver(request)) return
    this.end(request, 'abandoned')
    request.endPatience()
    request.reject(error)
  }

  private end(request: Request, state: 'granted' | 'abandoned'): void {
    this.asked.delete(request.id)
    this.inLine.delete(request.id)
    this.unsent.delete(request)
    request.state = state
    if (state === 'granted') request.endPatience()
    this.link.drop()
  }

  private isOver(request: Request): boolean {
    return request.state === 'granted' || request.state === 'abandoned'
  }
}

/** True for what acquire.lua answers, to one that waits or to one that only tries. */
function isAnswer(answer: unknown, waits: boolean): answer is readonly unknown[] {
  if (!Array.isArray(answer)) return false
  const state = wholeOf(answer[0])
  if (state === 1) return isToken(String(answer[1]))
  return state === -1 || state === -2 || state === (waits ? 2 : 0)
}
