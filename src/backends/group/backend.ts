// SPDX-License-Identifier: MIT
// One rank's part in a lock space of its group: it is admitted by rank 0, asks the home or is the home, and hears what becomes of the others.
import type { ChannelListener, Communicator, Departure } from '../../communicators/communicator.ts'
import type { Backend, Preference, Supports, Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import { LockError } from '../../core/errors.ts'
import type { Inspection } from '../../core/inspection.ts'
import { type Lease, LeaseList } from '../../core/lease.ts'
import { Admission, type Terms } from './admission.ts'
import { Alive } from './alive.ts'
import { Reader } from './encoding.ts'
import { atEndOfProgram, type Ending, notAtEndOfProgram } from './ending.ts'
import { type Desk, Guest } from './guest.ts'
import { Home } from './home.ts'
import { Outbox } from './outbox.ts'
import { Request } from './request.ts'
import * as words from './words.ts'

export class GroupBackend implements Backend, ChannelListener, Ending {
  readonly name = 'group'
  readonly supports: Supports
  readonly prefer: Preference
  readonly leases: LeaseList = new LeaseList()
  private readonly communicator: Communicator
  private readonly terms: Terms
  private readonly alive: Alive
  private readonly outbox: Outbox
  private readonly admission: Admission
  private readonly home: Home | null
  private readonly reader: Reader = new Reader()
  private readonly desk: Desk
  /** Made before this rank was admitted. */
  private readonly early = new Set<Request>()
  /** Ranks that say nothing any more. */
  private readonly silent = new Set<number>()
  private trouble: LockError | null = null
  private closed = false

  constructor(communicator: Communicator, terms: Terms) {
    const { rank } = communicator
    this.communicator = communicator
    this.terms = terms
    this.prefer = terms.prefer
    this.supports = supportedBy(communicator)
    this.alive = new Alive(communicator)
    this.outbox = new Outbox(communicator.openChannel(this), communicator.soon?.bind(communicator) ?? process.nextTick)
    const { outbox, leases, name } = this
    this.home = terms.home === rank ? new Home({ name, writersFirst: terms.prefer === 'writers', outbox, leases }) : null
    this.desk = this.home ?? new Guest(rank, terms.home, outbox, leases)
    this.admission = new Admission(rank, terms, outbox)
    atEndOfProgram(this)
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null | Promise<Lease | null> {
    if (!this.supports.immediate) return new Promise((resolve, reject) => this.ask(claims, name, null, resolve, reject))
    if (this.trouble !== null) throw this.trouble
    return this.home!.tryNow(claims, name)
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => this.ask(claims, wait.name, wait, resolve as (lease: Lease | null) => void, reject))
  }

  async inspect({ quick = false }: { readonly quick?: boolean } = {}): Promise<Inspection> {
    this.alive.hold()
    try {
      await this.admission.settled
      if (this.trouble !== null) throw this.trouble
      return await this.desk.inspect(quick)
    } finally {
      this.alive.drop()
    }
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve()
    this.closed = true
    notAtEndOfProgram(this)
    for (const rank of new Set([0, this.terms.home])) if (rank !== this.communicator.rank) this.outbox.to(rank).byte(words.BYE)
    this.leaveIfUnneeded()
    return Promise.resolve()
  }

  /** @internal */
  programEnds(): void {
    for (const lease of this.leases) void lease.release()
    // There may be no next turn.
    this.outbox.flush()
  }

  // What the communicator tells.

  /** @internal */
  received(from: number, bytes: Uint8Array): void {
    try {
      this.outbox.begin()
      const reader = this.reader.open(bytes)
      while (!reader.done) this.hear(from, reader.byte(), reader)
      this.outbox.flush()
    } catch (error) {
      this.outbox.flush()
      this.communicator.abort(`rank ${this.communicator.rank} does not understand what rank ${from} says about locks: ${String(error)}`)
    }
  }

  /** @internal */
  gone(rank: number, { died, why }: Departure): void {
    const how = died ? `died: ${why}` : `has left: ${why}`
    if (rank === this.terms.home) this.end(new LockError('LOCK_UNAVAILABLE', `The home of the group's locks, rank ${rank}, ${how}`))
    else if (rank === 0 && this.admission.asking) {
      this.end(new LockError('LOCK_UNAVAILABLE', `Rank 0, which admits others to the group's locks, ${how}`))
    }
    this.bye(rank)
    this.outbox.flush()
  }

  /** @internal */
  over(reason: LockError): void {
    this.end(reason)
  }

  private ask(
    claims: Claims,
    name: string | undefined,
    wait: Wait | null,
    resolve: (lease: Lease | null) => void,
    reject: (reason: unknown) => void,
  ): void {
    if (this.trouble !== null) {
      reject(this.trouble)
      return
    }
    const request = new Request(this.alive, claims, name, wait, resolve, reject)
    if (this.admission.admitted) {
      this.desk.ask(request)
      return
    }
    this.early.add(request)
    request.bePatient((reason) => {
      this.early.delete(request)
      request.fail(reason)
    })
  }

  private hear(from: number, word: number, reader: Reader): void {
    if (word === words.HELLO) this.admittedOr(this.admission.hello(from, reader))
    else if (word === words.WELCOME || word === words.REFUSED) this.admittedOr(this.admission.answered(from, word, reader))
    else if (word === words.BYE) this.bye(from)
    else this.desk.hear(from, word, reader)
  }

  private admittedOr(refusal: LockError | null): void {
    if (refusal !== null) this.end(refusal)
    if (!this.admission.admitted) return
    for (const request of this.early) this.desk.ask(request)
    this.early.clear()
  }

  /** Nothing more comes from this rank. */
  private bye(rank: number): void {
    this.silent.add(rank)
    this.home?.leave(rank)
    this.leaveIfUnneeded()
  }

  /** Rank 0 and the home are needed until all others have gone. */
  private leaveIfUnneeded(): void {
    const { rank, size } = this.communicator
    const needed = (rank === 0 || rank === this.terms.home) && this.trouble === null && this.silent.size < size - 1
    if (this.closed && !needed) this.outbox.close()
  }

  private end(reason: LockError): void {
    if (this.trouble !== null) return
    this.trouble = reason
    this.admission.end()
    for (const request of this.early) request.fail(reason)
    this.early.clear()
    this.desk.end(reason)
    const loss = new LockError('LOCK_LOST', `The lease was lost. ${reason.message}`, { cause: reason })
    for (const lease of this.leases) {
      // A listener of the one before may have released it.
      if (lease.state !== 'held') continue
      this.leases.remove(lease)
      lease.lose(loss)
    }
    this.leaveIfUnneeded()
  }
}

function supportedBy({ transport, size, survivesDeaths }: Communicator): Supports {
  const alone = size === 1
  return {
    scope: alone ? 'thread' : transport === 'mpi' ? 'network' : 'machine',
    immediate: alone,
    order: 'strict',
    exactTry: true,
    deadHolder: !alone && survivesDeaths ? 'at-once' : 'none',
    loss: true,
    durableTokens: false,
  }
}
