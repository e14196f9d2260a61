// SPDX-License-Identifier: MIT
// Locks between the tasks of one thread: a lock table, and nothing else.
import type { Backend, Preference, Supports, Wait } from '../core/backend.ts'
import type { Claims } from '../core/claims.ts'
import { invalid } from '../core/errors.ts'
import { holding, type Inspection, inspectionOf, waiting } from '../core/inspection.ts'
import { declareNoPromise, Lease, LeaseList } from '../core/lease.ts'
import { type Footprint, LockTable, type Ticket } from '../core/lock-table.ts'
import { owner } from '../owner.ts'
import { type Turn, thisTurn } from '../turn-clock.ts'

export interface MemoryOptions {
  /** Who goes first among requests that conflict. Default: whoever came first. */
  readonly prefer?: Preference
  /** Joins all in this thread who use the name in one space. Default: a space of its own. */
  readonly name?: string
}

/**
 * An engine for the tasks of one thread. Nothing to configure, nothing that can be lost.
 *
 * @throws LockError `LOCK_INVALID`, also when a space of that name is open with another preference.
 */
export function memoryBackend(options: MemoryOptions = {}): Backend {
  const { prefer, name } = options
  if (prefer !== undefined && prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  if (name !== undefined && typeof name !== 'string') throw invalid('name is a string.')
  const space = (name === undefined ? undefined : named.get(name)) ?? new MemorySpace(prefer ?? 'first-come', name)
  if (prefer !== undefined && prefer !== space.prefer) {
    throw invalid(`The space ${JSON.stringify(name)} is open with prefer "${space.prefer}" and cannot be used with prefer "${prefer}".`)
  }
  return new MemoryBackend(space)
}

/** The spaces that have a name, as long as somebody uses them. */
const named = new Map<string, MemorySpace>()

/** What the users of one space share. */
class MemorySpace {
  readonly prefer: Preference
  readonly users = new Set<MemoryBackend>()
  readonly table: LockTable<Waiting>
  grants = 0
  private readonly name: string | undefined

  constructor(prefer: Preference, name: string | undefined) {
    this.prefer = prefer
    this.name = name
    this.table = new LockTable<Waiting>({
      preferWriters: prefer === 'writers',
      admit: ({ backend, claims, wait, resolve }) => {
        wait.end()
        resolve(backend.grant(claims, wait.name))
      },
    })
  }

  join(user: MemoryBackend): void {
    this.users.add(user)
    if (this.name !== undefined) named.set(this.name, this)
  }

  leave(user: MemoryBackend): void {
    this.users.delete(user)
    if (this.name !== undefined && this.users.size === 0) named.delete(this.name)
  }
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
  readonly backend: MemoryBackend
  readonly claims: Claims
  readonly wait: Wait
  readonly resolve: (lease: Lease) => void

  constructor(backend: MemoryBackend, claims: Claims, wait: Wait, resolve: (lease: Lease) => void) {
    this.backend = backend
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
  private readonly space: MemorySpace
  private readonly table: LockTable<Waiting>

  constructor(space: MemorySpace) {
    this.prefer = space.prefer
    this.space = space
    this.table = space.table
    space.join(this)
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null {
    return this.table.tryEnter(this.footprint(claims)) ? this.grant(claims, name) : null
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const ticket = this.table.enter(this.footprint(claims), new Waiting(this, claims, wait, resolve))
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
    const self = owner()
    const leases = Array.from(this.space.users, (user) => [...user.leases]).flat()
    const holders = leases.map((lease) => holding(lease, self))
    const waiters = Array.from(this.table.waiting, (ticket) => waiting(ticket.owner, self))
    return Promise.resolve(inspectionOf(this.name, holders, waiters, this.prefer === 'writers'))
  }

  close(): Promise<void> {
    this.space.leave(this)
    return Promise.resolve()
  }

  private footprint(claims: Claims): Footprint {
    if (claims.memoOf !== this) {
      claims.memo = this.table.footprint(claims)
      claims.memoOf = this
    }
    return claims.memo as Footprint
  }

  /** @internal */
  grant(claims: Claims, name: string | undefined): Lease {
    const lease = new MemoryLease(this, claims, name, ++this.space.grants, thisTurn())
    this.leases.add(lease)
    return lease
  }

  private giveUp(ticket: Ticket<Waiting>, reject: (reason: unknown) => void, reason: unknown): void {
    if (this.table.withdraw(ticket)) reject(reason)
  }
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
