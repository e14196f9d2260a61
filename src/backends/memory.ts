// SPDX-License-Identifier: MIT
// Locks between the tasks of one thread: a lock table, and nothing else.
import type { Backend, Preference, Supports, Wait } from '../core/backend.ts'
import type { Claims } from '../core/claims.ts'
import { invalid } from '../core/errors.ts'
import { type Holder, type Inspection, inspectionOf } from '../core/inspection.ts'
import { Lease, LeaseList } from '../core/lease.ts'
import { Footprint, LockTable, type Ticket } from '../core/lock-table.ts'
import { owner } from '../owner.ts'

export interface MemoryOptions {
  /** Who goes first among requests that conflict. Default: whoever came first. */
  readonly prefer?: Preference
}

/** An engine for the tasks of one thread. Nothing to configure, nothing to close, nothing that can be lost. */
export function memoryBackend(options: MemoryOptions = {}): Backend {
  const { prefer = 'first-come' } = options
  if (prefer !== 'first-come' && prefer !== 'writers') throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  return new MemoryBackend(prefer)
}

const SUPPORTS: Supports = {
  scope: 'thread',
  immediate: true,
  order: 'strict',
  exactTry: true,
  deadHolder: 'none',
  loss: false,
  durableTokens: false,
}

class Waiting {
  readonly claims: Claims
  readonly wait: Wait
  readonly resolve: (lease: Lease) => void

  constructor(claims: Claims, wait: Wait, resolve: (lease: Lease) => void) {
    this.claims = claims
    this.wait = wait
    this.resolve = resolve
  }
}

/** What the claims remember: where they lie in which table. */
class Place extends Footprint {
  readonly of: MemoryBackend

  constructor(footprint: Footprint, of: MemoryBackend) {
    super(footprint.claims, footprint.nodes)
    this.of = of
  }
}

class MemoryBackend implements Backend {
  readonly name = 'memory'
  readonly supports: Supports = SUPPORTS
  readonly prefer: Preference
  readonly leases: LeaseList = new LeaseList()
  readonly #table: LockTable<Waiting>
  readonly #waiting = new Set<Waiting>()
  #granted = 0
  #turn = 0

  constructor(prefer: Preference) {
    this.prefer = prefer
    this.#table = new LockTable<Waiting>({
      preferWriters: prefer === 'writers',
      admit: (waiting) => {
        this.#waiting.delete(waiting)
        waiting.wait.end()
        waiting.resolve(this.#grant(waiting.claims, waiting.wait.name))
      },
    })
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null {
    const place = this.place(claims)
    return this.#table.tryEnter(place) ? this.#grant(claims, name) : null
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const place = this.place(claims)
      const waiting = new Waiting(claims, wait, resolve)
      const ticket = this.#table.enter(place, waiting)
      if (ticket === null) {
        resolve(this.#grant(claims, wait.name))
        return
      }
      this.#waiting.add(waiting)
      wait.begin((reason) => this.#giveUp(ticket, reject, reason))
    })
  }

  /** @internal */
  place(claims: Claims): Footprint {
    const known = claims.memo
    if (known instanceof Place && known.of === this) return known
    const place = new Place(this.#table.footprint(claims), this)
    claims.memo = place
    return place
  }

  /** @internal */
  left(lease: Lease, claims: Claims): void {
    this.leases.remove(lease)
    this.#table.leave(this.place(claims))
  }

  /** @internal */
  weakened(from: Claims, to: Claims): void {
    this.#table.weaken(this.place(from), this.place(to))
  }

  inspect(): Promise<Inspection> {
    const holders = [...this.leases].map((lease) => ({
      ...this.#describe(lease.granted, lease.name),
      id: `held-${lease.token}`,
      state: 'held' as const,
      since: new Date(lease.since).toISOString(),
      token: lease.token.toString(),
    }))
    const waiting = [...this.#waiting].map(({ claims, wait }) => ({
      ...this.#describe(claims, wait.name),
      id: wait.id,
      state: 'waiting' as const,
      since: new Date(wait.since).toISOString(),
      token: null,
    }))
    return Promise.resolve(inspectionOf(this.name, holders, waiting, this.prefer === 'writers'))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #grant(claims: Claims, name: string | undefined): Lease {
    const lease = new MemoryLease(this, claims, name, ++this.#granted, this.#turn || this.#readClock())
    this.leases.add(lease)
    return lease
  }

  #giveUp(ticket: Ticket<Waiting>, reject: (reason: unknown) => void, reason: unknown): void {
    if (!this.#table.withdraw(ticket)) return
    this.#waiting.delete(ticket.owner)
    reject(reason)
  }

  #describe(claims: Claims, name: string | undefined): Pick<Holder, 'read' | 'write' | 'claims' | 'name' | 'owner'> {
    return { read: claims.read, write: claims.write, claims: claims.list, name: name ?? null, owner: owner() }
  }

  /** The clock is read once in a turn of the event loop: reading it for each grant would cost as much as the lock. */
  #readClock(): number {
    this.#turn = Date.now()
    setImmediate(() => {
      this.#turn = 0
    }).unref()
    return this.#turn
  }
}

class MemoryLease extends Lease {
  readonly #backend: MemoryBackend
  readonly #number: number
  readonly since: number

  constructor(backend: MemoryBackend, claims: Claims, name: string | undefined, number: number, since: number) {
    super(claims, name)
    this.#backend = backend
    this.#number = number
    this.since = since
  }

  protected free(claims: Claims): undefined {
    this.#backend.left(this, claims)
  }

  protected weaken(from: Claims, to: Claims): undefined {
    this.#backend.weakened(from, to)
  }

  protected mintedToken(): bigint {
    return BigInt(this.#number)
  }

  protected stillValid(): boolean {
    return true
  }
}
