// SPDX-License-Identifier: MIT
// A process of the world: it has clocks that run at a speed of their own, timers, and things to read. It can stand still (its timers and reads wait,
// the world goes on), be suspended with its machine, and die.
import { generator } from '../support/random.ts'
import { type Platform, turnOf, VirtualTimer } from './platform.ts'
import type { World } from './world.ts'

/** When the world begins, by wall clocks: some moment. */
const WALL_MS = 1_700_000_000_000
/** And by CLOCK_BOOTTIME. */
const BOOT_US = 1_000_000_000

export class SimProcess implements Platform {
  readonly name: string
  readonly world: World
  alive = true
  /** Called at the end of each turn. */
  afterTurn: () => void = () => {}
  /** So much faster than the world's time its clocks are. */
  private readonly drift: number
  private readonly chance: () => number
  private readonly timers = new Set<VirtualTimer>()
  private stopped = false
  /** Its machine does not run either: the timers' clock stands still. */
  private suspendedAt: number | null = null
  private suspendedUs = 0
  private dueTimers: VirtualTimer[] = []
  private unread: (() => void)[] = []

  constructor(world: World, name: string, drift: number, seed: number) {
    this.world = world
    this.name = name
    this.drift = drift
    this.chance = generator(seed)
  }

  /** Timers that are still to ring. */
  get pendingTimers(): number {
    return [...this.timers].filter(({ over }) => !over).length
  }

  get isStopped(): boolean {
    return this.stopped
  }

  get wasSuspended(): boolean {
    return this.suspendedUs > 0
  }

  /** Code of this process runs: to be called for whatever somebody outside it wants done. */
  async turn(task: () => void): Promise<void> {
    if (!this.alive) return
    await turnOf(this, task)
    this.afterTurn()
  }

  /** Something arrived: it is read when the process runs. */
  read(task: () => void): Promise<void> | undefined {
    if (this.stopped) this.unread.push(task)
    else return this.turn(task)
  }

  stop(suspend: boolean): void {
    if (this.stopped || !this.alive) return
    this.stopped = true
    if (suspend) this.suspendedAt = this.world.now
    this.world.note(`${this.name} ${suspend ? 'is suspended' : 'stands still'}`)
  }

  /** @param readsFirst what came in is read before timers that are due ring: which comes first depends on where it stood still. */
  async goOn(readsFirst: boolean): Promise<void> {
    if (!this.stopped || !this.alive) return
    this.world.note(`${this.name} goes on`)
    this.stopped = false
    if (this.suspendedAt !== null) {
      const asleep = this.world.now - this.suspendedAt
      this.suspendedUs += asleep
      this.suspendedAt = null
      this.dueTimers = []
      for (const timer of this.timers) this.plan(timer, timer.due + asleep)
    }
    const due = this.dueTimers.sort((a, b) => a.due - b.due).map((timer) => () => this.ring(timer))
    const reads = this.unread.map((task) => () => this.turn(task))
    this.dueTimers = []
    this.unread = []
    for (const task of readsFirst ? [...reads, ...due] : [...due, ...reads]) await task()
  }

  die(): void {
    this.alive = false
    this.timers.clear()
    this.unread = []
    this.dueTimers = []
  }

  /** The moment in the world, in µs, at which CLOCK_BOOTTIME shows these nanoseconds. */
  worldTimeOf(bootNs: bigint): number {
    return (Number(bootNs) / 1_000 - BOOT_US) / (1 + this.drift)
  }

  bootNow(): bigint {
    return BigInt(Math.floor((BOOT_US + this.world.now * (1 + this.drift)) * 1_000))
  }

  monotonicMs(): number {
    return ((this.world.now - this.suspendedUs) * (1 + this.drift)) / 1_000
  }

  wallMs(): number {
    return Math.floor(WALL_MS + (this.world.now * (1 + this.drift)) / 1_000)
  }

  random(): number {
    return this.chance() / 2 ** 32
  }

  startTimer(ring: () => void, ms: number, again: boolean): VirtualTimer {
    const length = Math.max(1, ms)
    const timer = new VirtualTimer(ring, again ? length : null)
    this.timers.add(timer)
    this.plan(timer, this.world.now + this.worldUs(length))
    return timer
  }

  private worldUs(ms: number): number {
    return (ms * 1_000) / (1 + this.drift)
  }

  private plan(timer: VirtualTimer, due: number): void {
    timer.due = due
    const plan = ++timer.plans
    this.world.at(due, () => {
      // It may have been put off.
      if (timer.plans === plan) return this.ring(timer)
    })
  }

  private async ring(timer: VirtualTimer): Promise<void> {
    if (!this.alive) return
    if (timer.over) {
      this.timers.delete(timer)
      return
    }
    if (this.stopped) {
      this.dueTimers.push(timer)
      return
    }
    if (timer.everyMs === null) this.timers.delete(timer)
    else this.plan(timer, this.world.now + this.worldUs(timer.everyMs))
    await this.turn(timer.ring)
  }
}
