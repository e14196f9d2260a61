// SPDX-License-Identifier: MIT
// Locks between the tasks of one thread: a lock table, and nothing else.
import type { Backend, Preference, Supports, Wait } from '../core/backend.ts'
import type { Claims } from '../core/claims.ts'
import { invalid } from '../core/errors.ts'
import { type Holder, type Inspection, inspectionOf } from '../core/inspection.ts'
import { declareNoPromise, Lease, LeaseList } from '../core/lease.ts'
import { type Footprint, LockTable, type Ticket } from '../core/lock-table.ts'
import { owner } from '../owner.ts'
import { type Turn, thisTurn } from '../turn-clock.ts'

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

class MemoryBackend implements Backend {
  readonly name = 'memory'
  readonly supports: Supports = SUPPORTS
  readonly prefer: Preference
  readonly leases: LeaseList = new LeaseList()
  private readonly table: LockTable<Waiting>
  private grants = 0

  constructor(prefer: Preference) {
    this.prefer = prefer
    this.table = new LockTable<Waiting>({
      preferWriters: prefer === 'writers',
      admit: ({ claims, wait, resolve }) => {
        wait.end()
        resolve(this.grant(claims, wait.name))
      },
    })
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null {
    return this.table.tryEnter(this.footprint(claims)) ? this.grant(claims, name) : null
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const ticket = this.table.enter(this.footprint(claims), new Waiting(claims, wait, resolve))
      if (ticket === null) resolve(this.grant(claims, wait.name))
      else wait.begin((reason) => this.giveUp(ticket, reject, reason))
    })
  }

  /** @internal */
  left(lease: Lease, claims: Claims): void {
    this.leases.remove(lease)
    this.table.leave(this.footprint(claims))
  }

  /** @internal */
  weakened(from: Claims, to: Claims): void {
    this.table.weaken(this.footprint(from), this.footprint(to))
  }

  inspect(): Promise<Inspection> {
    const holders = Array.from(this.leases, (lease) => ({
      ...describe(lease.granted, lease.name),
      id: `held-${lease.token}`,
      state: 'held' as const,
      since: new Date(lease.since).toISOString(),
      token: lease.token.toString(),
    }))
    const waiting = Array.from(this.table.waiting, ({ owner: { claims, wait } }) => ({
      ...describe(claims, wait.name),
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

  private footprint(claims: Claims): Footprint {
    if (claims.memoOf !== this) {
      claims.memo = this.table.footprint(claims)
      claims.memoOf = this
    }
    return claims.memo as Footprint
  }

  private grant(claims: Claims, name: string | undefined): Lease {
    const lease = new MemoryLease(this, claims, name, ++this.grants, thisTurn())
    this.leases.add(lease)
    return lease
  }

  private giveUp(ticket: Ticket<Waiting>, reject: (reason: unknown) => void, reason: unknown): void {
    if (this.table.withdraw(ticket)) reject(reason)
  }
}

function describe(claims: Claims, name: string | undefined): Pick<Holder, 'read' | 'write' | 'claims' | 'name' | 'owner'> {
  return { read: claims.read, write: claims.write, claims: claims.list, name: name ?? null, owner: owner() }
}

class MemoryLease extends Lease {
  private readonly backend: MemoryBackend
  private readonly number: number
  private readonly turn: Turn

  constructor(backend: MemoryBackend, claims: Claims, name: string | undefined, number: number, turn: Turn) {
    super(claims, name)
    this.backend = backend
    this.number = number
    this.turn = turn
  }

  get since(): number {
    return this.turn.time
  }

  protected free(claims: Claims): undefined {
    this.backend.left(this, claims)
  }

  protected weaken(from: Claims, to: Claims): undefined {
    this.backend.weakened(from, to)
  }

  protected mintedToken(): bigint {
    return BigInt(this.number)
  }

  protected stillValid(): boolean {
    return true
  }
}

declareNoPromise(MemoryLease)
