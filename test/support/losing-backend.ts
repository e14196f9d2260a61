// SPDX-License-Identifier: MIT
// A backend that a test steers by hand: it answers through promises, as a server would, can be busy, and can lose leases.
import type { Backend, Preference, Supports, Wait } from '../../src/core/backend.ts'
import type { Claims } from '../../src/core/claims.ts'
import { LockError } from '../../src/core/errors.ts'
import { type Inspection, inspectionOf } from '../../src/core/inspection.ts'
import { Lease, LeaseList } from '../../src/core/lease.ts'

export class LosingLease extends Lease {
  readonly since: number = Date.now()
  /** The holder's own clock says that the lease has run out. */
  runOut = false
  private readonly backend: LosingBackend
  private readonly number: number

  constructor(backend: LosingBackend, claims: Claims, name: string | undefined, number: number) {
    super(claims, name)
    this.backend = backend
    this.number = number
  }

  protected async free(): Promise<void> {
    await this.backend.slowness
    this.backend.leases.remove(this)
  }

  protected weaken(): undefined {}

  protected mintedToken(): bigint {
    return BigInt(this.number)
  }

  protected stillValid(): boolean {
    return !this.runOut
  }
}

export class LosingBackend implements Backend {
  readonly name = 'losing'
  readonly prefer: Preference = 'first-come'
  readonly leases: LeaseList = new LeaseList()
  readonly supports: Supports
  /** While true, nothing is granted, and requests wait. */
  busy = false
  /** What `inspect()` does in place of answering. */
  inspection: (() => Promise<Inspection>) | null = null
  /** What every answer waits for. */
  slowness: Promise<void> | undefined = undefined
  closed = 0
  private grants = 0
  private readonly line: { claims: Claims; wait: Wait; resolve: (lease: Lease) => void }[] = []

  constructor(supports: Partial<Supports> = {}) {
    this.supports = {
      scope: 'network',
      immediate: false,
      order: 'strict',
      exactTry: true,
      deadHolder: 'after-lease',
      loss: true,
      durableTokens: true,
      ...supports,
    }
  }

  get last(): LosingLease {
    return [...this.leases].at(-1) as LosingLease
  }

  /** Loses every lease, as when the server has been away for too long. */
  loseAll(reason: unknown = new LockError('LOCK_LOST', 'The server went away.')): void {
    for (const lease of this.leases) {
      this.leases.remove(lease)
      lease.lose(reason)
    }
  }

  async tryAcquire(claims: Claims, name: string | undefined): Promise<Lease | null> {
    if (this.slowness !== undefined) await this.slowness
    return this.busy ? null : this.grant(claims, name)
  }

  async acquire(claims: Claims, wait: Wait): Promise<Lease> {
    if (this.slowness !== undefined) await this.slowness
    if (!this.busy) return this.grant(claims, wait.name)
    return await new Promise((resolve, reject) => {
      const place = { claims, wait, resolve }
      this.line.push(place)
      wait.begin((reason) => {
        this.line.splice(this.line.indexOf(place), 1)
        reject(reason)
      })
    })
  }

  /** Grants to everybody who waits. */
  open(): void {
    this.busy = false
    for (const { claims, wait, resolve } of this.line.splice(0)) {
      wait.end()
      resolve(this.grant(claims, wait.name))
    }
  }

  inspect(): Promise<Inspection> {
    return this.inspection === null ? Promise.resolve(inspectionOf(this.name, [], [])) : this.inspection()
  }

  async close(): Promise<void> {
    this.closed++
  }

  private grant(claims: Claims, name: string | undefined): Lease {
    const lease = new LosingLease(this, claims, name, ++this.grants)
    this.leases.add(lease)
    return lease
  }
}
