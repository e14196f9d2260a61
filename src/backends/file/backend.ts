// SPDX-License-Identifier: MIT
// Locks between the processes of one machine, by the kernel's own locks on byte ranges. A lock table orders the requests of this process; the
// kernel arbitrates between processes, and frees what a dead one held.
import { realpathSync } from 'node:fs'
import type { Backend, Preference, Supports, Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import { LockError } from '../../core/errors.ts'
import { holding, type Inspection, inspectionOf, waiting } from '../../core/inspection.ts'
import { type Lease, LeaseList } from '../../core/lease.ts'
import { LockTable } from '../../core/lock-table.ts'
import { join, type Mode } from '../../core/mode.ts'
import { descendsFrom, processesThatLock } from '../../native/proc.ts'
import { owner } from '../../owner.ts'
import { LockDirectory } from './directory.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { asLockError, isMissing } from './failures.ts'
import { FileLease } from './file-lease.ts'
import { identityOf } from './identity.ts'
import { locate } from './layout.ts'
import { askMembers, Member, type MemberAnswer } from './members.ts'
import { Region } from './region.ts'
import { type Shard, Shards } from './shard.ts'
import { SpaceLock } from './space-lock.ts'
import { type Place, type Plan, type Taker, Taking } from './taking.ts'
import { TokenClock } from './tokens.ts'
import { Wakeups } from './wakeups.ts'
import { acquireWatcher, releaseWatcher, type Watcher } from './watcher.ts'

const SUPPORTS: Supports = {
  scope: 'machine',
  immediate: true,
  order: 'approximate',
  exactTry: false,
  deadHolder: 'at-once',
  loss: true,
  durableTokens: true,
}

/** What is open of a lock directory. */
interface Parts {
  readonly directory: LockDirectory
  readonly watcher: Watcher | null
  readonly space: SpaceLock
  readonly tokens: TokenClock
  readonly shards: Shards
  readonly wakeups: Wakeups
  readonly watch: DirectoryWatch
  readonly member: Member
}

/** Whoever removes a directory file by file should not meet it growing again under his hands. */
const BEGIN_AGAIN_MS = 50

/** Idle regions are remembered up to this number at least. */
const KEPT_REGIONS = 4096

export class FileBackend implements Backend, Taker {
  readonly name = 'file'
  readonly supports: Supports = SUPPORTS
  readonly prefer: Preference
  readonly leases: LeaseList = new LeaseList()
  readonly table: LockTable<Taking>
  /** Requests that wait for other processes. */
  private readonly takings = new Set<Taking>()
  private readonly regions = new Map<number, Region>()
  private keepRegions = KEPT_REGIONS
  private parts: Parts
  /** Our parts belong to a directory that is not there any more. */
  private stale = false
  private expected: string | null = null

  constructor(directory: LockDirectory, prefer: Preference | undefined) {
    this.prefer = directory.policy(prefer)
    this.table = new LockTable<Taking>({ admit: (taking) => taking.admitted(), preferWriters: this.prefer === 'writers' })
    this.parts = this.open(directory)
  }

  get tokens(): TokenClock {
    return this.parts.tokens
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null {
    const plan = this.plan(claims)
    if (!this.table.tryEnter(plan.footprint)) return null
    const { places } = plan
    let entries = 0
    try {
      const othersWait = this.parts.space.othersWaitedLately()
      while (entries < places.length && places[entries]!.region.enter(places[entries]!.mode, othersWait)) entries++
      if (entries === places.length) return this.grant(claims, plan, name)
    } catch (error) {
      this.backOut(plan, entries)
      if (isMissing(error)) {
        this.verify()
        if (this.stale) return this.tryAcquire(claims, name)
      }
      throw this.asLockError(error)
    }
    this.backOut(plan, entries)
    return null
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => new Taking(this, claims, wait, resolve, reject).start())
  }

  plan(claims: Claims): Plan {
    if (this.stale) this.openAnew()
    if (claims.memoOf === this) {
      const known = claims.memo as Plan
      if (allUsable(known.places)) return known
    }
    const plan = { footprint: this.table.footprint(claims), places: this.places(claims) }
    claims.memoOf = this
    claims.memo = plan
    return plan
  }

  othersWait(): boolean {
    return this.parts.space.othersWaitedLately()
  }

  isPolite(claims: Claims): boolean {
    return this.prefer === 'writers' && claims.write.length === 0
  }

  beginWaiting(taking: Taking, region: Region): void {
    this.takings.add(taking)
    this.parts.space.beginWaiting()
    this.parts.wakeups.add(region)
    // Whoever left before we were seen to wait did not ring.
    region.tryAgain(false)
  }

  endWaiting(taking: Taking, region: Region): void {
    this.takings.delete(taking)
    this.parts.space.endWaiting()
    if (!region.somebodyHereWaits) this.parts.wakeups.remove(region)
  }

  leave(places: readonly Place[]): void {
    if (places.length === 0) return
    for (const { region, mode } of places) region.leave(mode)
    this.tell(places)
  }

  grant(claims: Claims, plan: Plan, name: string | undefined): Lease {
    const lease = new FileLease(this, claims, plan, name, this.parts.tokens.mint())
    this.leases.add(lease)
    return lease
  }

  asLockError(error: unknown): unknown {
    return asLockError(error, this.parts.directory.path)
  }

  /** A lease was released. */
  left(lease: FileLease, plan: Plan): void {
    this.leases.remove(lease)
    this.leave(plan.places)
    this.table.leave(plan.footprint)
  }

  /** A lease goes on reading only. Answers its new plan. */
  weakened(from: Plan, to: Claims): Plan {
    const plan = this.plan(to)
    for (const [i, { region, mode }] of from.places.entries()) region.weaken(mode, plan.places[i]!.mode)
    this.table.weaken(from.footprint, plan.footprint)
    this.tell(from.places)
    return plan
  }

  async inspect(options: { quick?: boolean } = {}): Promise<Inspection> {
    if (this.stale) this.openAnew()
    const { directory, member } = this.parts
    const asked = askMembers(directory, member.name, options.quick ?? false)
    const { answers, silent } = await asked.catch((error) => Promise.reject(this.asLockError(error)))
    const all = [this.ownAnswer(), ...answers]
    const waiters = all.flatMap((answer) => answer.waiters).sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0))
    const holders = all.flatMap((answer) => answer.holders)
    const known = new Set(all.map((answer) => answer.owner.pid))
    const listed = options.quick ? [] : processesThatLock(`${realpathSync(directory.file('shards'))}/`, (info) => info.includes('lock:'))
    // A command that inherited the descriptors of a process that answers holds what that one holds.
    const speaking = new Set(holders.map((holder) => holder.owner.pid))
    const quiet = listed.filter(({ pid }) => silent.includes(pid) || (!known.has(pid) && !descendsFrom(speaking, pid)))
    return { ...inspectionOf(this.name, holders, waiters, this.prefer === 'writers'), silent: quiet }
  }

  async identity(): Promise<string> {
    if (this.stale) this.openAnew()
    return identityOf(this.parts.directory, this.parts.space)
  }

  expectIdentity(word: string): void {
    this.expected = word
  }

  close(): Promise<void> {
    this.closeParts()
    return Promise.resolve()
  }

  /** True when nothing that the lease stands on was replaced or removed. */
  standsOn(places: readonly Place[]): boolean {
    return this.parts.directory.intact && places.every(({ region }) => region.shard.isOpen && region.shard.intact)
  }

  verify(): void {
    const { directory, shards, space } = this.parts
    const everything = !directory.whole || !space.intact
    const gone = shards.dropReplaced(everything)
    for (const [order, region] of this.regions) {
      if (!gone.has(region.shard)) continue
      region.abandon()
      this.regions.delete(order)
    }
    const takings = [...this.takings].filter((taking) => everything || taking.standsOn(gone))
    for (const taking of takings) taking.standBack()
    if (everything) this.stale = true
    this.loseThoseOn(gone)
    if (takings.length > 0) setTimeout(() => takings.forEach(beginAgain), BEGIN_AGAIN_MS)
  }

  private loseThoseOn(gone: ReadonlySet<Shard>): void {
    for (const lease of [...this.leases] as FileLease[]) {
      const { places, footprint } = lease.plan
      // A listener of the one before may have released it.
      if (lease.state !== 'held' || !places.some(({ region }) => gone.has(region.shard))) continue
      this.leases.remove(lease)
      const path = this.parts.directory.path
      lease.lose(new LockError('LOCK_LOST', `The lock files in ${path} were replaced or removed while the lock was held.`))
      this.leave(places.filter(({ region }) => !region.dropped))
      this.table.leave(footprint)
    }
  }

  private open(directory: LockDirectory): Parts {
    const space = new SpaceLock(directory)
    let tokens: TokenClock
    try {
      tokens = new TokenClock(directory, space)
    } catch (error) {
      space.close()
      throw error
    }
    const watcher = acquireWatcher()
    const member = new Member(directory, () => this.ownAnswer())
    member.listen()
    return {
      directory,
      watcher,
      space,
      tokens,
      member,
      shards: new Shards(directory),
      wakeups: new Wakeups(watcher),
      watch: new DirectoryWatch(directory, watcher, () => this.verify()),
    }
  }

  /** The directory was removed, or another put in its place: the first request after that uses what stands there then. */
  private openAnew(): void {
    try {
      const directory = new LockDirectory(this.parts.directory.path)
      directory.policy(this.prefer)
      const parts = this.open(directory)
      this.closeParts()
      this.parts = parts
      if (this.expected !== null && identityOf(directory, parts.space) !== this.expected)
        throw new LockError('LOCK_UNAVAILABLE', `The lock directory ${directory.path} was removed or replaced while it was in use.`)
      this.stale = false
    } catch (error) {
      throw this.asLockError(error)
    }
  }

  private closeParts(): void {
    const { member, watch, shards, space, watcher } = this.parts
    member.close()
    watch.close()
    shards.close()
    space.close()
    releaseWatcher(watcher)
  }

  private backOut(plan: Plan, entries: number): void {
    this.leave(plan.places.slice(0, entries))
    this.table.leave(plan.footprint)
  }

  /** After something was left: rings where other processes wait, and lets our own look again. */
  private tell(places: readonly Place[]): void {
    if (this.parts.space.othersWait()) {
      for (const { region } of places) if (!region.dropped && region.othersWaitHere()) region.shard.ring()
    }
    for (const { region } of places) if (region.somebodyHereWaits) setImmediate(() => region.tryAgain(false))
  }

  private places(claims: Claims): Place[] {
    // Before any is picked: one that is picked and not yet entered looks idle.
    if (this.regions.size >= this.keepRegions) this.dropIdleRegions()
    const modes = new Map<number, Mode>()
    const found: { order: number; region: Region }[] = []
    for (const { key, mode } of claims) {
      const { shard, offset } = locate(key)
      const order = orderOf(shard, offset)
      const known = modes.get(order)
      modes.set(order, known === undefined ? mode : join(known, mode))
      if (known === undefined) found.push({ order, region: this.region(order, shard, offset) })
    }
    return found.sort((a, b) => a.order - b.order).map(({ order, region }) => ({ region, mode: modes.get(order)! }))
  }

  private region(order: number, shard: number, offset: number): Region {
    let region = this.regions.get(order)
    if (region === undefined) {
      region = new Region(this.parts.shards.at(shard), offset)
      this.regions.set(order, region)
    }
    return region
  }

  private dropIdleRegions(): void {
    for (const [order, region] of this.regions) {
      if (!region.idle) continue
      region.dropped = true
      this.regions.delete(order)
    }
    this.keepRegions = Math.max(KEPT_REGIONS, 2 * this.regions.size)
  }

  private ownAnswer(): MemberAnswer {
    const self = owner()
    return {
      owner: self,
      holders: Array.from(this.leases, (lease) => holding(lease, self)),
      waiters: [
        ...Array.from(this.takings, (taking) => waiting(taking, self)),
        ...Array.from(this.table.waiting, (ticket) => waiting(ticket.owner, self)),
      ],
    }
  }
}

function beginAgain(taking: Taking): void {
  taking.admitted()
}

function allUsable(places: readonly Place[]): boolean {
  for (const { region } of places) if (region.dropped) return false
  return true
}

/** One number for a place, in the order of (shard, offset). */
function orderOf(shard: number, offset: number): number {
  return shard * 2 ** 35 + offset / 2 ** 17
}
