// SPDX-License-Identifier: MIT
// Locks between hosts: a Redis server arbitrates, by one script for each operation, and tells those whose turn it is.
import type { Backend, Preference, Supports, Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import type { LockError } from '../../core/errors.ts'
import type { Inspection } from '../../core/inspection.ts'
import { type Lease, LeaseList } from '../../core/lease.ts'
import { Asking, type Grantor } from './asking.ts'
import { audit, forgotten } from './audit.ts'
import { asLockError } from './failures.ts'
import { checkIdentity, identityOf } from './identity.ts'
import { inspect } from './inspection.ts'
import { type Link, within } from './link.ts'
import type { Policy, Settings } from './options.ts'
import { type Landlord, RedisLease } from './redis-lease.ts'
import { type Encoded, encode, Request } from './requests.ts'
import { Returns } from './returns.ts'
import { type Dependents, marginMs, type Session, SessionKeeper } from './session.ts'
import { MORE, Tidying } from './tidying.ts'

const SUPPORTS: Supports = {
  scope: 'network',
  immediate: false,
  order: 'strict',
  exactTry: true,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

/** How long closing may take: what is not given back then is, when the session expires. */
const CLOSE_WITHIN_MS = 2_000

export class RedisBackend implements Backend, Dependents, Grantor, Landlord {
  readonly name = 'redis'
  readonly supports: Supports = SUPPORTS
  readonly prefer: Preference
  readonly leases: LeaseList = new LeaseList()
  readonly graceMs: number
  private readonly link: Link
  private readonly keeper: SessionKeeper
  private readonly asking_: Asking
  private readonly returns: Returns
  private readonly tidying: Tidying
  private expected: string | null = null

  constructor(link: Link, policy: Policy, settings: Settings, graceMs: () => Promise<number>) {
    this.prefer = policy.prefer
    this.graceMs = marginMs(policy.leaseMs)
    this.link = link
    this.keeper = new SessionKeeper(link, policy, this, graceMs)
    this.tidying = new Tidying(link, () => this.asking_.waiting > 0)
    this.asking_ = new Asking(link, this.keeper, this.tidying, this, policy.prefer === 'writers', settings.connectTimeoutMs)
    this.returns = new Returns(link, this.keeper, this.tidying)
  }

  /** Begins the first session. */
  start(): Promise<void> {
    return this.keeper.start()
  }

  /** It could not be started: nothing is left of it, and the connection is as it was. */
  abandon(): void {
    this.keeper.close()
    this.asking_.stop()
    this.tidying.stop()
    this.link.end()
  }

  tryAcquire(claims: Claims, name: string | undefined): Promise<Lease | null> {
    return new Promise((resolve, reject) => this.ask(claims, name, null, resolve, reject))
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => this.ask(claims, wait.name, wait, resolve as (lease: RedisLease | null) => void, reject))
  }

  async inspect({ quick = false }: { readonly quick?: boolean } = {}): Promise<Inspection> {
    try {
      if (!this.link.connection.up) throw new Error('the connection is cut')
      const shownAs = (id: string): string | undefined => this.asking_.find(id)?.wait?.id
      return await inspect(this.link, this.prefer === 'writers', quick, shownAs)
    } catch (error) {
      throw asLockError(error, this.link.connection.place, this.link.hash)
    }
  }

  identity(): Promise<string> {
    return identityOf(this.link)
  }

  expectIdentity(word: string): void {
    this.expected = word
  }

  async close(): Promise<void> {
    const session = this.keeper.close()
    this.asking_.stop()
    this.tidying.stop()
    if (session !== null && this.link.connection.up) await within(this.depart(session), CLOSE_WITHIN_MS, () => undefined).catch(() => {})
    this.link.connection.close()
  }

  private async depart(session: string): Promise<void> {
    const { link } = this
    const ended = await link.run('close-session', session, link.leaseUs)
    if (Number(ended) === MORE) await this.tidying.work()
    this.tidying.stop()
    await link.connection.unsubscribe(link.channel(session))
  }

  // What is asked for by leases.

  /** @internal */
  left(lease: RedisLease): Promise<void> | undefined {
    this.leases.remove(lease)
    return this.returns.release(lease, this.encoded(lease.granted))
  }

  /** @internal */
  weakened(lease: RedisLease, to: Claims): Promise<void> {
    return this.returns.weaken(lease, this.encoded(to))
  }

  // What becomes of requests.

  /** @internal */
  grant(request: Request, session: Session, token: string): void {
    const lease = new RedisLease(this, session, request, token)
    this.leases.add(lease)
    if (this.keeper.isDown) lease.suspend(true)
    request.resolve(lease)
  }

  /** @internal */
  discard(session: Session, id: string): Promise<void> | undefined {
    return this.returns.discard(session, id)
  }

  // What happens to the session.

  /** @internal */
  get asking(): boolean {
    return this.asking_.size > 0
  }

  /** @internal */
  waitingIds(): readonly string[] {
    return this.asking_.waitingIds()
  }

  /** @internal */
  beaten(nextExpiryUs: number, more: number, granted: readonly unknown[], sentAt: number): void {
    this.asking_.news(granted, sentAt)
    if (more === MORE) this.tidying.begin()
    else this.tidying.expectExpiry(nextExpiryUs)
    if (this.keeper.current !== null) this.returns.retry(this.keeper.current)
  }

  /** @internal */
  message(text: string): void {
    this.asking_.message(text)
  }

  /** @internal */
  async settle(session: Session, fresh: boolean): Promise<void> {
    await checkIdentity(this.link, this.expected)
    if (fresh) return
    const { alive, unknown, lost } = await audit(this.link, session, this.asking_, this.leases as Iterable<RedisLease>)
    if (!alive) return this.keeper.gone(session, session.epoch)
    for (const id of unknown) void this.returns.discard(session, id)
    for (const lease of lost) this.lose(lease, forgotten())
  }

  /** @internal */
  suspended(): void {
    this.returns.suspended()
    this.asking_.suspended()
    for (const lease of this.leases) lease.suspend(true)
  }

  /** @internal */
  resumed(): void {
    for (const lease of this.leases) lease.suspend(false)
    if (this.keeper.current !== null) this.returns.resumed(this.keeper.current)
    this.asking_.sendUnsent()
  }

  /** @internal */
  renewed(): void {
    for (const lease of this.leases as Iterable<RedisLease>) lease.renewed()
  }

  /** @internal */
  lost(_session: Session, reason: LockError): void {
    this.returns.sessionLost(reason)
    this.asking_.sessionLost()
    for (const lease of this.leases as Iterable<RedisLease>) this.lose(lease, reason)
  }

  /** @internal */
  refused(error: LockError): void {
    this.asking_.refused(error)
  }

  private lose(lease: RedisLease, reason: LockError): void {
    // A listener of the one before may have released it.
    if (lease.state !== 'held' && lease.state !== 'suspended') return
    this.leases.remove(lease)
    lease.lose(reason)
  }

  private ask(
    claims: Claims,
    name: string | undefined,
    wait: Wait | null,
    resolve: (lease: RedisLease | null) => void,
    reject: (reason: unknown) => void,
  ): void {
    this.asking_.ask(new Request(claims, this.encoded(claims), name, wait, resolve, reject, this.asking_.giveUp))
  }

  private encoded(claims: Claims): Encoded {
    if (claims.memoOf !== this) {
      claims.memo = encode(claims)
      claims.memoOf = this
    }
    return claims.memo as Encoded
  }
}
