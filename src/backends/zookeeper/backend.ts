// SPDX-License-Identifier: MIT
// Locks where consistency comes first: an ensemble of ZooKeeper servers keeps a queue for each locked node, and each process finds its turn
// in them by itself.
import type { Backend, Preference, Supports, Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import type { LockError } from '../../core/errors.ts'
import type { Inspection } from '../../core/inspection.ts'
import { type Lease, LeaseList } from '../../core/lease.ts'
import { type Granted, type Office, Request } from './asking.ts'
import { Audit } from './audit.ts'
import type { Entry } from './entry.ts'
import { asLockError } from './failures.ts'
import { checkIdentity, identityOf } from './identity.ts'
import { inspect } from './inspection.ts'
import { type Dependents, SessionKeeper } from './keeper.ts'
import { Layout } from './layout.ts'
import type { Settings } from './options.ts'
import { Queues } from './queues.ts'
import { writeRecord } from './record.ts'
import { Space } from './space.ts'
import { ConnectionLost } from './wire/errors.ts'
import { create, remove } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'
import { type Landlord, ZooKeeperLease } from './zookeeper-lease.ts'

const SUPPORTS: Supports = {
  scope: 'network',
  immediate: false,
  order: 'strict',
  exactTry: false,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

/** How long closing may take: what is not given back then is, when the session expires. */
const CLOSE_WITHIN_MS = 2_000

/** How long an inspection waits for the requests that were made before it to be on their way. */
const REQUESTS_WITHIN_MS = 100

export class ZooKeeperBackend implements Backend, Dependents, Landlord, Office {
  readonly name = 'zookeeper'
  readonly supports: Supports = SUPPORTS
  readonly leases: LeaseList = new LeaseList()
  readonly keeper: SessionKeeper
  readonly connectTimeoutMs: number
  prefer: Preference = 'first-come'
  private readonly settings: Settings
  private readonly layout: Layout
  private readonly space: Space
  private readonly requests = new Set<Request>()
  private readonly audit: Audit
  private queues: Queues | null = null
  private expected: string | null = null

  constructor(settings: Settings) {
    this.settings = settings
    this.connectTimeoutMs = settings.connectTimeoutMs
    this.layout = new Layout(settings.root)
    this.space = new Space(this.layout, settings.acl, settings.prefer)
    this.keeper = new SessionKeeper(settings, (session) => this.enter(session), this)
    this.audit = new Audit(this.layout, this.leases as Iterable<ZooKeeperLease>, (lease, reason) => {
      this.lose(lease, reason)
      void lease.queues.leave(lease.entry)
    })
  }

  /** Begins the first session. Rejects with a LockError. */
  async start(): Promise<void> {
    await this.keeper.start()
    this.prefer = this.space.prefer
  }

  tryAcquire(claims: Claims, name: string | undefined): Promise<Lease | null> {
    return new Promise((resolve, reject) => this.ask(claims, name, null, resolve, reject))
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => this.ask(claims, wait.name, wait, resolve as (lease: Lease | null) => void, reject))
  }

  async inspect({ quick = false }: { readonly quick?: boolean } = {}): Promise<Inspection> {
    const { keeper } = this
    keeper.hold()
    try {
      const session = quick ? keeper.current : await keeper.session()
      // Whoever asks may look for what was asked for just before.
      if (session?.connected) await this.queues?.sent(REQUESTS_WITHIN_MS)
      if (!session?.connected) throw new ConnectionLost('no server is in reach')
      return await inspect(session, this.layout, this.writersFirst, quick)
    } catch (error) {
      throw asLockError(error, keeper.place)
    } finally {
      keeper.drop()
    }
  }

  identity(): Promise<string> {
    return identityOf(this.keeper, this.layout)
  }

  expectIdentity(word: string): void {
    this.expected = word
  }

  /** What was sent just before the loss may be heard of after it, and gives the session its whole time once more, rounded up to a tick. */
  get graceMs(): number {
    return Math.ceil((this.keeper.current?.timeoutMs ?? this.settings.leaseMs) * 1.5)
  }

  async close(): Promise<void> {
    this.audit.stop()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_WITHIN_MS)
    })
    await Promise.race([this.keeper.close(), late])
    clearTimeout(timer)
  }

  // What requests ask for.

  /** @internal */
  get writersFirst(): boolean {
    return this.prefer === 'writers'
  }

  /** @internal */
  async queuesOf(): Promise<Queues> {
    const session = await this.keeper.session()
    if (this.queues?.session !== session) this.queues = new Queues(session, this.keeper, this.layout, this.settings.acl, this.writersFirst)
    return this.queues
  }

  /** @internal */
  standAside({ session }: Queues, entry: Entry): void {
    const path = `${this.layout.waiting}/${entry.first}`
    void this.keeper
      .insist(session, () => session.request(create(path, 'ephemeral', this.settings.acl, writeRecord(entry.record))))
      .catch(() => {})
  }

  /** @internal */
  standIn({ session }: Queues, entry: Entry): void {
    const path = `${this.layout.waiting}/${entry.first}`
    void this.keeper.insist(session, () => session.request(remove(path))).catch(() => {})
  }

  // What leases ask for.

  /** @internal */
  left(lease: ZooKeeperLease): Promise<void> {
    this.leases.remove(lease)
    return lease.queues.leave(lease.entry, false)
  }

  // What happens to the session.

  /** @internal */
  suspended(): void {
    for (const lease of this.leases) lease.suspend(true)
  }

  /** @internal */
  resumed(session: ZooKeeperSession): void {
    for (const lease of this.leases) lease.suspend(false)
    this.audit.look(session)
  }

  /** @internal */
  renewed(session: ZooKeeperSession): void {
    for (const lease of this.leases as Iterable<ZooKeeperLease>) lease.renewed()
    this.audit.expect(session)
  }

  /** @internal */
  lost(_session: ZooKeeperSession, reason: LockError): void {
    for (const lease of this.leases as Iterable<ZooKeeperLease>) this.lose(lease, reason)
    for (const request of [...this.requests]) request.interrupted()
  }

  private async enter(session: ZooKeeperSession): Promise<void> {
    await this.space.enter(session)
    await checkIdentity(session, this.layout, this.expected)
  }

  private lose(lease: ZooKeeperLease, reason: LockError): void {
    // A listener of the one before may have released it.
    if (lease.state !== 'held' && lease.state !== 'suspended') return
    this.leases.remove(lease)
    lease.lose(reason)
  }

  private ask(
    claims: Claims,
    name: string | undefined,
    wait: Wait | null,
    resolve: (lease: Lease | null) => void,
    reject: (reason: unknown) => void,
  ): void {
    const done = (granted: Granted | null): void => resolve(granted === null ? null : this.grant(granted, name))
    const request = new Request(this, claims, name, wait, done, reject)
    this.requests.add(request)
    this.keeper.hold()
    void request.run().finally(() => {
      this.requests.delete(request)
      this.keeper.drop()
    })
  }

  private grant({ queues, entry }: Granted, name: string | undefined): Lease {
    const lease = new ZooKeeperLease(this, queues, entry, name)
    this.leases.add(lease)
    if (!queues.session.connected) lease.suspend(true)
    return lease
  }
}
