// SPDX-License-Identifier: MIT
// One node as this process sees it: what it holds there, and those of its requests that wait there.
//
// To hold a node is to hold its gate. Whoever finds the way free goes straight through the gate. Whoever does not,
//   1. takes the queue byte, alone (among those who wait for it, whoever comes first: here the order is approximate),
//   2. takes the turnstile in its own mode, and lets go of the queue byte,
//   3. takes the gate in the same mode, and lets go of the turnstile.
// A newcomer that sees somebody at the turnstile in a mode that excludes its own may not go straight through. So nobody is overtaken for
// ever by those that conflict with it, and those that do not conflict are not held up.
//
// No deadlock: every request takes its nodes in the order of their place on disk, and at each node the queue byte before the turnstile
// before the gate; whoever waits for a thing holds only things that come before it.
//
// In a space that prefers writers, pure readers are polite: they never take the queue byte or the turnstile, so any writer goes first.
//
// Requests of one process that wait at one node in one mode wait as a group: what the group gets, all its members have.
import type { Mode } from '../../core/mode.ts'
import { blockerOf, EXCLUSIVE, lockRange, SHARED, unlockRange } from '../../native/ofd-locks.ts'
import { GATE_AT, QUEUE_AT, TURNSTILE_AT, WAITS_AT } from './layout.ts'
import { ModeLock } from './mode-lock.ts'
import type { Shard } from './shard.ts'

/** Looks in a row at which the gate stood open for anybody while somebody kept the turnstile: then that one is asleep, and is passed. */
const LOOKS_BEFORE_PASSING = 2

/** A request that waits at a region. */
export interface Comer {
  /** The region was entered on its behalf. Must not throw. */
  entered(): void
  /** The kernel refused to go on. Must not throw. */
  failed(error: unknown): void
}

class Group {
  readonly mode: Mode
  readonly polite: boolean
  readonly members = new Set<Comer>()
  stage: 'outside' | 'queue' | 'turnstile' = 'outside'
  looks = 0

  constructor(mode: Mode, polite: boolean) {
    this.mode = mode
    this.polite = polite
  }
}

export class Region {
  readonly shard: Shard
  readonly offset: number
  /** Set when nobody needed it any more: whoever remembered it must look it up again. */
  dropped = false
  private readonly gate: ModeLock
  private readonly turnstile: ModeLock
  private readonly groups: Group[] = []
  private queued: Group | null = null

  constructor(shard: Shard, offset: number) {
    this.shard = shard
    this.offset = offset
    this.gate = new ModeLock(shard, offset + GATE_AT)
    this.turnstile = new ModeLock(shard, offset + TURNSTILE_AT)
  }

  get idle(): boolean {
    return this.groups.length === 0 && this.gate.idle
  }

  get somebodyHereWaits(): boolean {
    return this.groups.length > 0
  }

  /** Straight through the gate, if the way is free. `othersWait`: some other process waits somewhere, so the turnstile is worth a look. */
  enter(mode: Mode, othersWait: boolean): boolean {
    if (othersWait && !this.turnstile.clearFor(mode)) return false
    if (!this.gate.take(mode)) return false
    this.shard.users++
    return true
  }

  leave(mode: Mode): void {
    if (this.dropped) return
    this.shard.users--
    this.gate.give(mode)
  }

  weaken(from: Mode, to: Mode): void {
    this.gate.weaken(from, to)
  }

  /** Some other process waits here: whoever leaves should ring. */
  othersWaitHere(): boolean {
    return blockerOf(this.shard.fd, EXCLUSIVE, this.offset + WAITS_AT, 1) !== null
  }

  /** A request that could not enter waits here from now on. */
  wait(mode: Mode, polite: boolean, comer: Comer): void {
    let group = this.groups.find((one) => one.mode === mode && one.polite === polite)
    if (group === undefined) {
      if (this.groups.length === 0) {
        lockRange(this.shard.fd, SHARED, this.offset + WAITS_AT, 1)
        this.shard.users++
      }
      group = new Group(mode, polite)
      this.groups.push(group)
    }
    group.members.add(comer)
  }

  /** A waiting request goes away. */
  stopWaiting(comer: Comer): void {
    const group = this.groups.find(({ members }) => members.delete(comer))
    if (group === undefined || group.members.size > 0) return
    const moved = this.stepOut(group)
    this.disband(group)
    if (moved) this.ringOthers()
  }

  /** Somebody may have left: those that wait here try again. `look`: nothing was heard, this is a look after a while. */
  tryAgain(look: boolean): void {
    for (const group of [...this.groups]) {
      try {
        if (this.tryIn(group, look)) this.admit(group)
      } catch (error) {
        const members = [...group.members]
        this.stepOut(group)
        this.disband(group)
        for (const comer of members) comer.failed(error)
      }
    }
  }

  /** The file is gone, and with it whatever stood there. */
  abandon(): void {
    this.dropped = true
    this.groups.length = 0
  }

  private tryIn(group: Group, look: boolean): boolean {
    const { mode } = group
    if (group.stage !== 'turnstile') {
      if (this.turnstile.clearFor(mode) && this.gate.take(mode)) return true
      if (group.polite) return this.passSleeper(group, look)
      if (group.stage === 'outside' && this.queued === null && lockRange(this.shard.fd, EXCLUSIVE, this.offset + QUEUE_AT, 1)) {
        this.queued = group
        group.stage = 'queue'
      }
      if (group.stage !== 'queue' || !this.turnstile.take(mode)) return this.passSleeper(group, look)
      this.leaveQueue()
      group.stage = 'turnstile'
      if (this.gate.take(mode)) return true
      this.ringOthers()
      return false
    }
    return this.gate.take(mode)
  }

  /** A process that was stopped at the turnstile must not keep everybody out of a node that nobody holds. */
  private passSleeper(group: Group, look: boolean): boolean {
    if (!look) return false
    group.looks = this.gate.clearFor('X') ? group.looks + 1 : 0
    return group.looks >= LOOKS_BEFORE_PASSING && this.gate.take(group.mode)
  }

  private admit(group: Group): void {
    // The group's one claim on the gate becomes one for each member. Only where two nodes share a place can a member be refused: it waits on.
    const members = [...group.members].filter((_, i) => i === 0 || this.gate.take(group.mode))
    for (const comer of members) group.members.delete(comer)
    this.shard.users += members.length
    const moved = this.stepOut(group)
    if (group.members.size === 0) this.disband(group)
    if (moved) this.ringOthers()
    for (const comer of members) comer.entered()
  }

  /** Lets go of the queue byte or the turnstile; true if there was something to let go of. */
  private stepOut(group: Group): boolean {
    const { stage } = group
    if (stage === 'queue') this.leaveQueue()
    else if (stage === 'turnstile') this.turnstile.give(group.mode)
    group.stage = 'outside'
    return stage !== 'outside'
  }

  private leaveQueue(): void {
    this.queued = null
    unlockRange(this.shard.fd, this.offset + QUEUE_AT, 1)
  }

  private disband(group: Group): void {
    const at = this.groups.indexOf(group)
    if (at < 0) return
    this.groups.splice(at, 1)
    if (this.groups.length > 0) return
    unlockRange(this.shard.fd, this.offset + WAITS_AT, 1)
    this.shard.users--
  }

  private ringOthers(): void {
    if (this.othersWaitHere()) this.shard.ring()
  }
}
