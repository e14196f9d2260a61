// SPDX-License-Identifier: MIT
// A request on its way: first its turn among the requests of this process (a lock table), then node by node through the kernel.
import type { Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import type { Lease } from '../../core/lease.ts'
import type { Footprint, LockTable } from '../../core/lock-table.ts'
import type { Mode } from '../../core/mode.ts'
import { isMissing } from './failures.ts'
import type { Comer, Region } from './region.ts'
import type { Shard } from './shard.ts'

/** Whoever removes the directory may do so for a while, and we put it there again. */
const RESTARTS = 10

/** A node of a request, and the mode in which it is needed. */
export interface Place {
  readonly region: Region
  readonly mode: Mode
}

/** What the backend worked out of a set of claims. */
export interface Plan {
  readonly footprint: Footprint
  /** In the order in which every process takes them: by shard and offset. Two nodes of one place are joined to one. */
  readonly places: readonly Place[]
}

/** What a request on its way needs from the backend. */
export interface Taker {
  readonly table: LockTable<Taking>
  plan(claims: Claims): Plan
  /** Other processes wait somewhere in the directory. */
  othersWait(): boolean
  isPolite(claims: Claims): boolean
  beginWaiting(taking: Taking, region: Region): void
  endWaiting(taking: Taking, region: Region): void
  /** Leaves places that were entered, and tells those who wait there. */
  leave(places: readonly Place[]): void
  grant(claims: Claims, plan: Plan, name: string | undefined): Lease
  asLockError(error: unknown): unknown
  /** Nothing that these stand on was replaced or removed. */
  standsOn(places: readonly Place[]): boolean
  /** Looks whether lock files were replaced or removed; requests that stand on such begin anew. */
  verify(): void
}

export class Taking implements Comer {
  readonly claims: Claims
  readonly wait: Wait
  private readonly taker: Taker
  private readonly resolve: (lease: Lease) => void
  private readonly reject: (error: unknown) => void
  private plan: Plan
  /** How many places it has entered; the next one is where it waits, if it waits. */
  private entries = 0
  private waitsAt: Region | null = null
  private waited = false
  private over = false
  private restarts = 0

  constructor(taker: Taker, claims: Claims, wait: Wait, resolve: (lease: Lease) => void, reject: (error: unknown) => void) {
    this.taker = taker
    this.claims = claims
    this.wait = wait
    this.resolve = resolve
    this.reject = reject
    this.plan = taker.plan(claims)
  }

  start(): void {
    const { table } = this.taker
    const ticket = table.enter(this.plan.footprint, this)
    if (ticket === null) this.admitted()
    else
      this.wait.begin((reason) => {
        if (table.withdraw(ticket)) this.reject(reason)
      })
  }

  /** Its turn in this process has come, or comes again after {@link standBack}. */
  admitted(): void {
    if (this.over) return
    try {
      this.plan = this.taker.plan(this.claims)
      this.proceed()
    } catch (error) {
      this.failed(error)
    }
  }

  entered(): void {
    this.entries++
    this.waited = true
    this.stopWaiting()
    try {
      this.proceed()
    } catch (error) {
      this.failed(error)
    }
  }

  failed(error: unknown): void {
    this.waitsAt?.stopWaiting(this)
    this.stopWaiting()
    if (isMissing(error) && this.restarts < RESTARTS) this.beginAnew()
    else this.giveUp(this.taker.asLockError(error))
  }

  /** Lets go of all that it has entered, and waits nowhere: the lock files were replaced. {@link admitted} is how it goes on. */
  standBack(): void {
    this.waitsAt?.stopWaiting(this)
    this.stopWaiting()
    this.undo()
  }

  /** The lock files are being removed or replaced at this moment. */
  private beginAnew(): void {
    this.restarts++
    this.undo()
    this.taker.verify()
    this.admitted()
  }

  /** Some of what it holds or waits for lies in these files. */
  standsOn(shards: ReadonlySet<Shard>): boolean {
    return this.plan.places.slice(0, this.entries + 1).some(({ region }) => shards.has(region.shard))
  }

  private proceed(): void {
    const { length } = this.plan.places
    const othersWait = this.taker.othersWait()
    for (; this.entries < length; this.entries++) {
      // What lies ahead may have been forgotten while we waited; what was entered was not, and its order is the same.
      if (this.plan.places[this.entries]!.region.dropped) this.plan = this.taker.plan(this.claims)
      const { region, mode } = this.plan.places[this.entries]!
      if (region.enter(mode, othersWait)) continue
      region.wait(mode, this.taker.isPolite(this.claims), this)
      this.waitsAt = region
      this.wait.begin((reason) => {
        this.waitsAt?.stopWaiting(this)
        this.stopWaiting()
        this.giveUp(reason)
      })
      this.taker.beginWaiting(this, region)
      return
    }
    // Files may have been replaced while we waited: then what we got is worth nothing.
    if (this.waited && this.restarts < RESTARTS && !this.taker.standsOn(this.plan.places)) {
      this.beginAnew()
      return
    }
    const lease = this.taker.grant(this.claims, this.plan, this.wait.name)
    this.over = true
    this.wait.end()
    this.resolve(lease)
  }

  private stopWaiting(): void {
    const region = this.waitsAt
    this.waitsAt = null
    if (region !== null) this.taker.endWaiting(this, region)
  }

  private giveUp(reason: unknown): void {
    this.over = true
    this.wait.end()
    this.undo()
    this.taker.table.leave(this.plan.footprint)
    this.reject(reason)
  }

  private undo(): void {
    const entered = this.plan.places.slice(0, this.entries)
    this.entries = 0
    this.taker.leave(entered)
  }
}
