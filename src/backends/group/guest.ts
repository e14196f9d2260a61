// SPDX-License-Identifier: MIT
// Requests of a rank that is not the home: asked of the home by message, answered by one. A request has a seat, a small number that both sides
// know it by. The seat is free again when the lease was given back, or, for one that was given up, when the answer has come that was under way.
import type { Claims } from '../../core/claims.ts'
import type { LockError } from '../../core/errors.ts'
import type { Inspection } from '../../core/inspection.ts'
import type { LeaseList } from '../../core/lease.ts'
import { LinkedList } from '../../core/linked-list.ts'
import { owner } from '../../owner.ts'
import { recently } from '../../turn-clock.ts'
import { Garbled, type Reader, type Writer } from './encoding.ts'
import type { Outbox } from './outbox.ts'
import { GroupLease, type Landlord, type Request } from './request.ts'
import * as words from './words.ts'

/** Where the requests of a rank are dealt with: at the home, or by asking it. */
export interface Desk {
  ask(request: Request): void
  inspect(quick: boolean): Promise<Inspection>
  /** One sentence. Throws {@link Garbled} when it is none. */
  hear(from: number, word: number, reader: Reader): void
  /** Everything that is under way fails for this reason. */
  end(reason: LockError): void
}

/** An answer that takes longer than one to two of these looks like waiting: time-outs and signals count from then on. */
const LATE_MS = 3

interface Question {
  readonly resolve: (seen: Inspection) => void
  readonly reject: (reason: unknown) => void
}

export class Guest implements Desk, Landlord<number> {
  private readonly rank: number
  private readonly home: number
  private readonly outbox: Outbox
  private readonly leases: LeaseList
  /** By seat: requests without an answer. */
  private readonly open: (Request | null)[] = []
  private readonly freeSeats: number[] = []
  /** Asked a moment ago. */
  private readonly young: LinkedList<Request> = new LinkedList()
  private looks = 0
  private timer: NodeJS.Timeout | null = null
  /** What the home remembers of our claims, place by place. */
  private readonly places: Claims[] = []
  private nextPlace = 0
  private readonly questions = new Map<number, Question>()
  private questionsAsked = 0
  private joined = false
  private ended = false

  constructor(rank: number, home: number, outbox: Outbox, leases: LeaseList) {
    this.rank = rank
    this.home = home
    this.outbox = outbox
    this.leases = leases
  }

  ask(request: Request): void {
    const { claims, name, wait } = request
    let place = claims.memoOf === this ? (claims.memo as number) : -1
    const known = place !== -1 && this.places[place] === claims
    if (!known) {
      try {
        words.checkKeys(claims)
      } catch (error) {
        request.fail(error)
        return
      }
      place = this.remember(claims)
    }
    const seat = this.freeSeats.pop() ?? this.open.length
    this.open[seat] = request
    request.seat = seat
    const message = this.message()
    message.byte(wait === null ? words.TRY : words.ACQUIRE)
    message.number(seat)
    message.number(2 * place + (known ? 0 : 1))
    if (!known) words.writeClaims(message, claims)
    if (name === undefined) message.byte(0)
    else message.text(name)
    this.outbox.hurry()

    if (request.patient) this.late(request)
    else this.isYoung(request)
  }

  inspect(quick: boolean): Promise<Inspection> {
    return new Promise((resolve, reject) => {
      const number = ++this.questionsAsked
      this.questions.set(number, { resolve, reject })
      const message = this.message()
      message.byte(words.INSPECT)
      message.number(number)
      message.byte(quick ? 1 : 0)
    })
  }

  hear(_from: number, word: number, reader: Reader): void {
    if (word === words.GRANT) this.granted(this.at(reader.number()), reader.number())
    else if (word === words.BUSY) this.busy(this.at(reader.number()))
    else if (word === words.GONE) this.gone(this.at(reader.number()))
    else if (word === words.CALL) {
      const message = this.message()
      message.byte(words.PRESENT)
      message.number(reader.number())
    } else if (word === words.SEEN) this.seen(reader.number(), reader.text())
    else throw new Garbled(`the home does not say ${word}`)
  }

  end(reason: LockError): void {
    this.ended = true
    if (this.timer !== null) clearTimeout(this.timer)
    for (const request of this.open) if (request !== null && !request.over) request.fail(reason)
    for (const { reject } of this.questions.values()) reject(reason)
    this.questions.clear()
  }

  // What leases ask for.

  /** @internal */
  left(lease: GroupLease<number>): void {
    this.leases.remove(lease)
    if (this.ended) return
    const message = this.message()
    message.byte(words.RELEASE)
    message.number(lease.seat)
    this.freeSeats.push(lease.seat)
  }

  /** @internal */
  weakened(lease: GroupLease<number>): void {
    if (this.ended) return
    const message = this.message()
    message.byte(words.WEAKEN)
    message.number(lease.seat)
  }

  private granted(request: Request, token: number): void {
    // It crossed the withdrawal, which gives it back.
    if (request.over) {
      this.leaveSeat(request)
      return
    }
    const { seat, claims, name } = request
    this.open[seat] = null
    this.noLongerYoung(request)
    const lease = new GroupLease<number>(this, seat, claims, name, token, recently())
    this.leases.add(lease)
    request.answer(lease)
  }

  private busy(request: Request): void {
    if (request.wait !== null) throw new Garbled('a request that waits is refused')
    this.leaveSeat(request)
    request.answer(null)
  }

  private gone(request: Request): void {
    if (!request.over) throw new Garbled('a request that nobody withdrew is gone')
    this.leaveSeat(request)
  }

  private at(seat: number): Request {
    const request = this.open[seat]
    if (request === undefined || request === null) throw new Garbled(`there is no request ${seat}`)
    return request
  }

  private leaveSeat(request: Request): void {
    this.open[request.seat] = null
    this.freeSeats.push(request.seat)
    this.noLongerYoung(request)
  }

  private withdraw(request: Request, reason: unknown): void {
    if (request.over) return
    const message = this.message()
    message.byte(words.WITHDRAW)
    message.number(request.seat)
    request.fail(reason)
  }

  private remember(claims: Claims): number {
    const place = this.nextPlace
    this.nextPlace = (place + 1) % words.PLACES
    this.places[place] = claims
    claims.memo = place
    claims.memoOf = this
    return place
  }

  private watch(): void {
    this.timer = setTimeout(this.look, LATE_MS)
    this.timer.unref()
  }

  private readonly look = (): void => {
    const seen = this.looks++
    for (let request = this.young.first; request !== null && request.look < seen; request = this.young.first) this.late(request)
    this.timer = null
    if (this.young.first !== null) this.watch()
  }

  private late(request: Request): void {
    this.noLongerYoung(request)
    request.bePatient((reason) => this.withdraw(request, reason))
  }

  private isYoung(request: Request): void {
    request.young = true
    request.look = this.looks
    this.young.add(request)
    if (this.timer === null) this.watch()
  }

  private noLongerYoung(request: Request): void {
    if (request.young) this.young.remove(request)
    request.young = false
  }

  private seen(number: number, text: string): void {
    const question = this.questions.get(number)
    this.questions.delete(number)
    if (question === undefined) throw new Garbled(`nobody asked question ${number}`)
    let seen: Inspection
    try {
      seen = JSON.parse(text) as Inspection
    } catch (cause) {
      throw new Garbled('what the home saw is not JSON', { cause })
    }
    question.resolve(this.asKnownHere(seen))
  }

  /** Our own waiting requests under the ids by which they are known in this process. */
  private asKnownHere(seen: Inspection): Inspection {
    const ids = new Map<string, string>()
    for (const [seat, request] of this.open.entries()) if (request?.wait) ids.set(waitingId(this.rank, seat), request.wait.id)
    const known = (id: string): string => ids.get(id) ?? id
    const waiters = seen.waiters.map((waiter) => ({ ...waiter, id: known(waiter.id), waitsFor: waiter.waitsFor.map(known) }))
    return { ...seen, waiters }
  }

  private message(): Writer {
    const message = this.outbox.to(this.home)
    if (!this.joined) {
      this.joined = true
      message.byte(words.JOIN)
      message.text(JSON.stringify(owner()))
    }
    return message
  }
}

/** Under which the home shows a request that waits in this seat of this rank. */
export function waitingId(rank: number, seat: number): string {
  return `rank-${rank}.request-${seat}`
}
