// SPDX-License-Identifier: MIT
// Several engines as one: at any time the one serves on which all users of the configuration have agreed. agreement.ts is the protocol by which
// they do; here requests are led to the engine that serves, and, when that is lost, to the next.
//
// The users byte is held from the first request on, and no request costs a call into the kernel, until for a second nobody here has wanted anything.
// Then it is given up, the connection stays, and who comes next takes the byte back if nobody has elected another engine meanwhile.
import type { Backend, Preference, Supports, Wait } from '../core/backend.ts'
import type { Claims } from '../core/claims.ts'
import { isLockError, LockError } from '../core/errors.ts'
import { type Holder, type Inspection, inspectionOf } from '../core/inspection.ts'
import { type Lease, LeaseList } from '../core/lease.ts'
import type { AgreedOptions, Candidate } from './agreed.ts'
import { Ask, MOVED } from './agreed-ask.ts'
import { AgreedConnection } from './agreed-connection.ts'
import { Protocol } from './agreed-protocol.ts'
import { nowMs, Term } from './agreed-term.ts'
import { AgreementFile } from './agreement-file.ts'
import { type Agreeing, type Agreement, warnOfFallback } from './agreement-shown.ts'

/** What is true on every engine. */
const SUPPORTS: Supports = {
  scope: 'machine',
  immediate: false,
  order: 'approximate',
  exactTry: false,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

const LOOK_EVERY_MS = 1_000
/** Of these looks, one in so many also asks the engine whether it is still there. */
const LOOKS_PER_QUESTION = 2
/** So long an engine that is not the first entry serves those who are on it, and come back after a pause, before the first is tried again. */
const STAY_MS = 60_000
/** Who comes back after longer first sees whether the engine is still there: a crowd that takes its places at a dead one would keep it elected. */
const AWAY_MS = 5_000
/** Between two tries of a request that has waited at an engine that was lost. */
const TRY_AGAIN_MS = 250

const AGAIN: unique symbol = Symbol('ask again')

export class AgreedBackend implements Backend, Agreeing {
  readonly supports: Supports = SUPPORTS
  readonly prefer: Preference
  private readonly space: string
  private readonly candidates: readonly Candidate[]
  private readonly file: AgreementFile
  private readonly connection: AgreedConnection
  private readonly protocol: Protocol
  private readonly none: LeaseList = new LeaseList()
  private term: Term | null = null
  private entering: Promise<Term> | null = null
  private looking: NodeJS.Timeout | null = null
  private looks = 0
  private usesSeen = 0
  private closed = false

  constructor({ folder, space, candidates, prefer = 'first-come' }: AgreedOptions) {
    this.prefer = prefer
    this.space = space
    this.candidates = candidates
    this.connection = new AgreedConnection(candidates, prefer)
    this.file = new AgreementFile(folder, space)
    this.protocol = new Protocol(this.file, this.connection, candidates)
  }

  /** That of the engine that serves. */
  get name(): string {
    return this.term?.engine.name ?? 'agreed'
  }

  /** Those of the engine that serves: as long as there is one, it stays. */
  get leases(): LeaseList {
    return this.term?.engine.leases ?? this.none
  }

  get agreement(): Agreement {
    const record = this.term?.record
    const { path: file } = this.file
    if (record === undefined) return { engine: null, epoch: null, since: null, by: null, passedOver: [], file }
    const { engine, epoch, at, by, passedOver } = record
    return { engine, epoch, since: new Date(at).toISOString(), by, passedOver, file }
  }

  async tryAcquire(claims: Claims, name: string | undefined): Promise<Lease | null> {
    for (let moves = 0; ; moves++) {
      const term = this.here() ?? (await this.enter())
      const lease = await this.attempt(term, null, moves, () => term.engine.tryAcquire(claims, name))
      if (lease !== AGAIN) return lease
    }
  }

  async acquire(claims: Claims, wait: Wait): Promise<Lease> {
    const ask = new Ask(wait)
    try {
      for (let moves = 0; ; moves++) {
        const term = this.here() ?? (await this.enterFor(ask))
        const lease = await this.attempt(term, ask, moves, () => term.engine.acquire(claims, ask))
        if (lease === AGAIN) continue
        if (ask.over === null) return lease
        await lease.release()
        throw ask.over.reason
      }
    } finally {
      ask.done()
    }
  }

  async inspect(options: { readonly quick?: boolean } = {}): Promise<Inspection> {
    const term = this.here() ?? (options.quick ? this.term : await this.enter())
    if (term === null) return inspectionOf(this.name, [], [])
    const seen = await term.engine.inspect(options)
    const raised = <Shown extends Holder>(one: Shown): Shown =>
      one.token === null ? one : { ...one, token: term.raised(BigInt(one.token)).toString() }
    return { ...seen, holders: seen.holders.map(raised), waiters: seen.waiters.map(raised) }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.entering?.catch(() => undefined)
    this.stopLooking()
    const { term } = this
    this.term = null
    if (term !== null) this.connection.close(term.engine)
    await this.connection.end()
    this.file.close()
  }

  /** The term that serves, without asking anybody; null if it takes more. */
  private here(): Term | null {
    const { term } = this
    if (term === null || term.ending !== null || this.entering !== null) return null
    if (term.present) return term
    if (nowMs() - term.leftAt > AWAY_MS || !this.comeBack(term)) return null
    // It may be another one by now: nobody has looked while we were away.
    void this.question(term)
    return term
  }

  /** After a pause: goes on where it was, if nothing has changed. */
  private comeBack(term: Term): boolean {
    if (this.closed || (term.entry > 0 && Math.abs(Date.now() - term.record.at) > STAY_MS && this.file.others() === 'nobody')) return false
    const record = this.protocol.comeBack(term.record)
    if (record === null) return false
    term.record = record
    this.settleIn(term)
    return true
  }

  /** The term that serves: joins, or elects. One for all who ask. */
  enter(): Promise<Term> {
    this.entering ??= this.comeIn().finally(() => {
      this.entering = null
    })
    return this.entering
  }

  /** As {@link enter}, as long as the request has patience. */
  private async enterFor(ask: Ask): Promise<Term> {
    for (;;) {
      try {
        return await ask.orGivenUp(this.enter())
      } catch (error) {
        if (ask.over !== null) throw ask.over.reason
        if (!ask.hadPlace || !isLockError(error, 'LOCK_UNAVAILABLE')) throw error
        await ask.orGivenUp(pause(TRY_AGAIN_MS))
      }
    }
  }

  private async comeIn(): Promise<Term> {
    await this.term?.ending
    const { term } = this
    if (term?.present) return term
    const health = await term?.health(this.candidates[term.entry]!.timeoutMs)
    if (this.closed) throw new LockError('LOCK_CLOSED', 'The lock space is closed.')
    if (term !== null) {
      if (health === 'good' && this.comeBack(term)) return term
      this.term = null
      if (health === 'silent') this.connection.close(term.engine)
      else this.connection.keep(term)
    }
    try {
      const { entry, record } = await this.protocol.enter()
      const { engine } = this.connection.take()
      this.term = new Term(entry, engine, record)
      this.settleIn(this.term)
      warnOfFallback(this.space, record.engine, record.passedOver)
      return this.term
    } catch (error) {
      this.connection.drop()
      throw error
    }
  }

  /** Asks the engine. {@link AGAIN}: it was left meanwhile, another may serve. */
  private async attempt<Answer extends Lease | null>(
    term: Term,
    ask: Ask | null,
    moves: number,
    acquire: () => Answer | Promise<Answer>,
  ): Promise<Answer | typeof AGAIN> {
    // It may have been left in the same breath in which it was entered.
    if (this.term !== term || !term.present || term.ending !== null) return AGAIN
    term.begin(ask)
    let failure: unknown
    try {
      const lease = await acquire()
      if (lease !== null) term.adorn(lease, this.file.descriptor)
      return lease
    } catch (error) {
      failure = error
    } finally {
      term.end(ask)
    }
    if (ask?.over) throw ask.over.reason
    const away = isLockError(failure, 'LOCK_UNAVAILABLE') && moves < this.candidates.length
    if (failure !== MOVED && !(away && (await this.isLeft(term)))) throw failure
    ask?.between(failure === MOVED)
    return AGAIN
  }

  /** The engine could not be asked: whether it has been left since, or can be. */
  private async isLeft(term: Term): Promise<boolean> {
    if (this.term !== term) return true
    const { timeoutMs } = this.candidates[term.entry]!
    return (await term.health(timeoutMs)) !== 'good' && (await this.end(term))
  }

  /** Leaves the engine for good, unless a lease is left: those who wait there go elsewhere. Answers whether it is left. */
  private end(term: Term): Promise<boolean> {
    term.ending ??= this.leaveForGood(term).finally(() => {
      term.ending = null
    })
    return term.ending
  }

  private async leaveForGood(term: Term): Promise<boolean> {
    while (this.term === term) {
      if (term.engine.leases.size > 0 || term.tenure.lent > 0) return false
      for (const ask of term.asks) ask.move()
      await term.noAsks()
      const { leftMs } = term
      if (leftMs === 0) {
        this.leave(term)
        this.term = null
        this.connection.close(term.engine)
      } else if (leftMs < Number.POSITIVE_INFINITY) await pause(leftMs)
    }
    return true
  }

  private settleIn(term: Term): void {
    term.present = true
    this.usesSeen = -1
    this.looking ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref()
  }

  /** Gives up the users byte. The connection stays. */
  private leave(term: Term): void {
    term.present = false
    term.leftAt = nowMs()
    this.stopLooking()
    this.file.leave()
  }

  private stopLooking(): void {
    if (this.looking !== null) clearInterval(this.looking)
    this.looking = null
  }

  /** Now and then: leaves when nobody wants anything, and sees whether everything is in its place. */
  private look(): void {
    const { term } = this
    if (term === null || !term.present || term.ending !== null) return
    const { leftMs, uses } = term
    const idle = leftMs === 0 && uses === this.usesSeen
    this.usesSeen = uses
    if (!this.isTheFile()) this.replaced(term)
    else if (idle) this.leave(term)
    else if (++this.looks % LOOKS_PER_QUESTION === 0 && leftMs === Number.POSITIVE_INFINITY) void this.question(term)
  }

  /** Asks the engine whether it is the one. If it is not, or has not answered for as long as it may take, it is left as soon as no lease is. */
  private async question(term: Term): Promise<void> {
    const { timeoutMs } = this.candidates[term.entry]!
    const health = await term.health(timeoutMs)
    if (health === 'good' || this.term !== term || !term.present) return
    const doubtfulMs = nowMs() - (term.doubtfulSince ?? nowMs())
    if (health === 'stranger' || doubtfulMs >= timeoutMs) await this.end(term)
  }

  private isTheFile(): boolean {
    try {
      return this.file.isTheFile
    } catch {
      return false
    }
  }

  /** Others may agree on something else in the file that stands there now. */
  private replaced(term: Term): void {
    const reason = new LockError('LOCK_LOST', `${this.file.path} was removed or replaced while the lock was held.`)
    for (const lease of term.engine.leases) void lease.revoke(reason)
    void this.end(term)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
