// SPDX-License-Identifier: MIT
// The home: the one rank with the lock table. Its own requests go straight there, those of the others come by message; both stand in one line.
import type { Claims } from '../../core/claims.ts'
import type { LockError } from '../../core/errors.ts'
import { type Inspection, inspectionOf } from '../../core/inspection.ts'
import type { Lease, LeaseList } from '../../core/lease.ts'
import { LinkedList } from '../../core/linked-list.ts'
import { type Footprint, LockTable } from '../../core/lock-table.ts'
import { recently, thisTurn } from '../../turn-clock.ts'
import { Garbled, type Reader } from './encoding.ts'
import { Entry, Party, shown } from './entry.ts'
import type { Desk } from './guest.ts'
import type { Outbox } from './outbox.ts'
import { GroupLease, type Landlord, type Request } from './request.ts'
import { RollCall } from './roll-call.ts'
import { Turnstile } from './turnstile.ts'
import * as words from './words.ts'

export interface HomeOptions {
  readonly name: string
  readonly writersFirst: boolean
  readonly outbox: Outbox
  readonly leases: LeaseList
}

export class Home implements Desk, Landlord<Entry> {
  private readonly options: HomeOptions
  private readonly outbox: Outbox
  private readonly table: LockTable<Entry>
  /** By rank: the others who have asked for anything. */
  private readonly parties = new Map<number, Party>()
  private readonly holding: LinkedList<Entry> = new LinkedList()
  private readonly turnstile: Turnstile<Request>
  private readonly rollCall: RollCall
  /** Own tries that wait for a roll call. */
  private readonly trying = new Set<Request>()
  private grants = 0
  private ended: LockError | null = null

  constructor(options: HomeOptions) {
    const { outbox, writersFirst } = options
    this.options = options
    this.outbox = outbox
    this.table = new LockTable<Entry>({ preferWriters: writersFirst, admit: (entry) => this.grant(entry) })
    this.turnstile = new Turnstile((request) => this.enter(request))
    this.rollCall = new RollCall((rank, number) => {
      const message = outbox.to(rank)
      message.byte(words.CALL)
      message.number(number)
    })
  }

  // This rank's own requests.

  ask(request: Request): void {
    this.turnstile.enter(request)
  }

  /** An answer without a promise: for a group of one, whom nobody has to be called for. */
  tryNow(claims: Claims, name: string | undefined): Lease | null {
    const footprint = this.footprint(claims)
    if (!this.table.tryEnter(footprint)) return null
    return this.leaseOf(this.hold(new Entry(null, -1, null, footprint, name, thisTurn().time)), claims)
  }

  async inspect(quick: boolean): Promise<Inspection> {
    if (!quick) await new Promise<void>((resolve) => this.rollCall.after(this.others(null), resolve))
    if (this.ended !== null) throw this.ended
    return this.seen()
  }

  end(reason: LockError): void {
    this.ended = reason
    this.rollCall.stop()
    for (const request of this.turnstile.waiting) request.fail(reason)
    for (const { owner } of this.table.waiting) if (owner.request !== null) owner.request.fail(reason)
    for (const request of this.trying) request.fail(reason)
  }

  /** @internal */
  left({ seat }: GroupLease<Entry>): void {
    this.options.leases.remove(seat.lease!)
    if (this.ended !== null) return
    this.turnstile.released()
    this.release(seat)
  }

  /** @internal */
  weakened({ seat }: GroupLease<Entry>, to: Claims): void {
    if (this.ended === null) this.weaken(seat, this.footprint(to))
  }

  private enter(request: Request): void {
    if (this.ended !== null || request.over) return
    const entry = new Entry(null, -1, request, this.footprint(request.claims), request.name, thisTurn().time)
    if (request.wait === null) {
      if (this.table.tryEnter(entry.footprint)) this.grant(entry)
      else this.tryAgain(entry)
      return
    }
    const ticket = this.table.enter(entry.footprint, entry)
    if (ticket === null) {
      this.grant(entry)
      return
    }
    entry.ticket = ticket
    request.bePatient((reason) => {
      if (this.table.withdraw(ticket)) request.fail(reason)
    })
  }

  private footprint(claims: Claims): Footprint {
    if (claims.memoOf !== this) {
      claims.memo = this.table.footprint(claims)
      claims.memoOf = this
    }
    return claims.memo as Footprint
  }

  // What the others ask for.

  hear(from: number, word: number, reader: Reader): void {
    this.turnstile.heard()
    if (word === words.JOIN) {
      if (this.parties.has(from)) throw new Garbled('it joins twice')
      this.parties.set(from, new Party(from, reader.text()))
      return
    }
    const party = this.parties.get(from)
    if (party === undefined) throw new Garbled(`it says ${word} before it joins`)
    if (word === words.ACQUIRE || word === words.TRY) this.asked(party, word === words.TRY, reader)
    else if (word === words.RELEASE) this.release(party.vacate(reader.number(), 'held'))
    else if (word === words.WEAKEN) this.weakenFor(party.at(reader.number(), 'held'))
    else if (word === words.WITHDRAW) this.withdrawn(party, reader.number())
    else if (word === words.INSPECT) this.inspectFor(party, reader.number(), reader.byte() === 1)
    else if (word === words.PRESENT) {
      const number = reader.number()
      if (!this.rollCall.answered(from, number)) throw new Garbled(`nobody made call ${number}`)
    } else throw new Garbled(`${word} is no word to a home`)
  }

  /** This rank has nothing any more, and wants nothing. */
  leave(rank: number): void {
    if (this.ended !== null) return
    const party = this.parties.get(rank)
    if (party !== undefined) {
      this.parties.delete(rank)
      this.evict(party)
    }
    this.rollCall.gone(rank)
  }

  private evict(party: Party): void {
    party.gone = true
    // From the end of the line, so that none of them is let in by the going of another.
    const waiting = party.entries().filter((entry) => entry.ticket !== null && entry.token === 0)
    waiting.sort((a, b) => b.ticket!.position - a.ticket!.position)
    for (const entry of waiting) this.table.withdraw(entry.ticket!)
    for (const entry of party.entries()) if (entry.token !== 0) this.release(entry)
  }

  private asked(party: Party, tries: boolean, reader: Reader): void {
    const seat = reader.number()
    const footprint = this.footprintOf(party, reader)
    const entry = new Entry(party, seat, null, footprint, reader.text() || undefined, recently())
    party.sit(entry)
    if (tries) {
      if (this.table.tryEnter(footprint)) this.grant(entry)
      else this.tryAgain(entry)
      return
    }
    entry.ticket = this.table.enter(footprint, entry)
    if (entry.ticket === null) this.grant(entry)
  }

  private footprintOf(party: Party, reader: Reader): Footprint {
    const number = reader.number()
    const place = Math.floor(number / 2)
    if (place > party.places.length || place >= words.PLACES) throw new Garbled(`claims have no place ${place}`)
    if (number % 2 === 1) party.places[place] = this.table.footprint(words.readClaims(reader))
    const footprint = party.places[place]
    if (footprint === undefined) throw new Garbled(`there are no claims in place ${place}`)
    return footprint
  }

  private weakenFor(entry: Entry): void {
    this.weaken(entry, this.table.footprint(entry.footprint.claims.withoutWriting()))
  }

  private withdrawn(party: Party, seat: number): void {
    const entry = party.vacate(seat, 'any')
    if (entry.token !== 0) this.release(entry)
    else if (entry.ticket !== null && this.table.withdraw(entry.ticket)) this.tell(party.rank, words.GONE, seat)
    else throw new Garbled('a try cannot be withdrawn')
  }

  private inspectFor({ rank }: Party, number: number, quick: boolean): void {
    const tell = (): void => {
      this.tell(rank, words.SEEN, number)
      this.outbox.to(rank).text(JSON.stringify(this.seen()))
    }
    if (quick) tell()
    else this.rollCall.after(this.others(rank), tell)
  }

  // The table.

  /** Somebody is in the way of a try; but is he still? */
  private tryAgain(entry: Entry): void {
    const { party, request, seat } = entry
    if (request !== null) this.trying.add(request)
    this.rollCall.after(this.others(party?.rank ?? null), () => {
      if (party?.gone || this.ended !== null) return
      if (request !== null) this.trying.delete(request)
      if (this.table.tryEnter(entry.footprint)) this.grant(entry)
      else if (party === null) request?.answer(null)
      else {
        party.vacate(seat, 'any')
        this.tell(party.rank, words.BUSY, seat)
      }
    })
  }

  private grant(entry: Entry): void {
    this.hold(entry)
    const { party, request } = entry
    if (party === null) request!.answer(this.leaseOf(entry, request!.claims))
    else {
      const message = this.outbox.to(party.rank)
      message.byte(words.GRANT)
      message.number(entry.seat)
      message.number(entry.token)
    }
  }

  private hold(entry: Entry): Entry {
    entry.token = ++this.grants
    if (entry.ticket !== null) entry.since = Date.now()
    this.holding.add(entry)
    return entry
  }

  private leaseOf(entry: Entry, claims: Claims): Lease {
    const lease = new GroupLease<Entry>(this, entry, claims, entry.name, entry.token, entry.since)
    entry.lease = lease
    this.options.leases.add(lease)
    return lease
  }

  private release(entry: Entry): void {
    this.holding.remove(entry)
    this.table.leave(entry.footprint)
  }

  private weaken(entry: Entry, to: Footprint): void {
    const from = entry.footprint
    entry.footprint = to
    this.table.weaken(from, to)
  }

  private tell(rank: number, word: number, number: number): void {
    const message = this.outbox.to(rank)
    message.byte(word)
    message.number(number)
  }

  /** Those who hold something or wait, without the one who asks. */
  private others(asking: number | null): number[] {
    return [...this.parties.values()].filter(({ rank, size }) => rank !== asking && size > 0).map(({ rank }) => rank)
  }

  private seen(): Inspection {
    const holders = Array.from(this.holding, shown)
    const waiters = Array.from(this.table.waiting, ({ owner }) => shown(owner))
    return inspectionOf(this.options.name, holders, waiters, this.options.writersFirst)
  }
}
