// SPDX-License-Identifier: MIT
// When to look for messages, as MPI tells nobody: again and again while there is traffic, and now and then, or when somebody rings, while there is none.
// The event loop never waits for MPI.
import { processorYielder } from '../../native/sched-yield.ts'
import type { Doorbell } from './doorbell.ts'

/** For so long after something moved we go on looking in every turn of the event loop. About what it costs to be woken, where there are bells. */
const BUSY_MS = 0.25
const BUSY_WITHOUT_BELLS_MS = 2
/** A turn that finds nothing looks so many times, some 10 µs: cheaper than turns of the event loop, in which nobody looks. */
const LOOKS_A_TURN = 48
/** Between two looks of one that is not busy, where everybody can ring and where not. A timer costs 0.15 ms or so. */
const PAUSE_MS = 20
const PAUSE_WITHOUT_BELLS_MS = 4
/** While messages are under way that do not get on: at first. Doubled with each pause. */
const FIRST_PAUSE_MS = 2
/** Of a program that is ending, whose event loop is over. */
const LAST_PAUSE_MS = 1

/** What is moved here. Nothing of it throws. */
export interface Traffic {
  /** Whether anything has moved. */
  poll(): boolean
  /** Whether messages have been begun that are not complete. */
  isUnderWay(): boolean
  /** Wakes those without whom these do not get on. */
  wakeCounterparts(): void
}

export class Pump {
  private readonly traffic: Traffic
  private readonly bell: Doorbell
  private readonly yieldProcessor = processorYielder()
  private readonly busyMs: number
  private readonly pauseMs: number
  private nextPauseMs = FIRST_PAUSE_MS
  private lastMove = 0
  private isBusy = false
  private isStopped = false
  private timer: NodeJS.Timeout | null = null
  private holders = 0
  /** What is done before the next look. */
  private readonly due: (() => void)[] = []

  constructor(traffic: Traffic, bell: Doorbell, everybodyRings: boolean) {
    this.traffic = traffic
    this.bell = bell
    this.busyMs = everybodyRings ? BUSY_MS : BUSY_WITHOUT_BELLS_MS
    this.pauseMs = everybodyRings ? PAUSE_MS : PAUSE_WITHOUT_BELLS_MS
    this.awake()
  }

  /** For how long somebody who was sent a message will surely go on looking. */
  get staysAwakeMs(): number {
    return this.busyMs / 2
  }

  /** Something is expected to move. */
  awake(now: number = performance.now()): void {
    this.lastMove = now
    if (this.isBusy || this.isStopped) return
    this.isBusy = true
    setImmediate(this.turn)
  }

  /** Calls `task` after this turn's promises: while there is traffic a turn of ours is close at hand, and cheaper than one more of Node's. */
  soon(task: () => void): void {
    if (this.isBusy && !this.isStopped) this.due.push(task)
    else process.nextTick(task)
  }

  /** The program stays alive until the function that this returns was called. */
  hold(): () => void {
    if (this.holders++ === 0) this.refresh()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      if (--this.holders === 0) this.refresh()
    }
  }

  /** Looks until `isDone`, while nothing else happens in this program. */
  runUntil(isDone: () => boolean): void {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    while (!isDone()) {
      if (this.traffic.poll()) continue
      if (this.traffic.isUnderWay()) this.traffic.wakeCounterparts()
      Atomics.wait(pause, 0, 0, LAST_PAUSE_MS)
    }
  }

  stop(): void {
    this.isStopped = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private readonly turn = (): void => {
    if (this.due.length > 0) this.doWhatIsDue()
    if (this.isStopped) return
    if (this.hasMoved()) {
      this.lastMove = performance.now()
      this.nextPauseMs = FIRST_PAUSE_MS
      setImmediate(this.turn)
    } else if (performance.now() - this.lastMove > this.busyMs) {
      this.isBusy = false
      this.sleep()
    } else {
      // Whoever we wait for may need this processor.
      this.yieldProcessor()
      setImmediate(this.turn)
    }
  }

  private doWhatIsDue(): void {
    const { due } = this
    const count = due.length
    for (let number = 0; number < count; number++) due[number]!()
    due.splice(0, count)
  }

  private readonly lookOnce = (): void => {
    if (this.isStopped || this.isBusy) return
    if (this.hasMoved()) this.awake()
    else if (this.traffic.isUnderWay()) {
      // Both must be awake at the same time: when MPI's buffers are full, one makes room while the other sends.
      this.traffic.wakeCounterparts()
      this.awake()
    } else this.sleep()
  }

  /** Looks more than once: what a look has set in motion, the next one sees. */
  private hasMoved(): boolean {
    for (let looks = 0; looks < LOOKS_A_TURN; looks++) if (this.traffic.poll()) return true
    return false
  }

  private sleep(): void {
    if (this.isStopped) return
    if (this.timer !== null) clearTimeout(this.timer)
    const pauseMs = this.traffic.isUnderWay() ? this.nextPauseMs : this.pauseMs
    this.nextPauseMs = Math.min(this.nextPauseMs * 2, this.pauseMs)
    this.timer = setTimeout(this.lookOnce, pauseMs)
    this.refresh()
  }

  private refresh(): void {
    if (this.holders > 0) {
      this.timer?.ref()
      this.bell.ref()
    } else {
      this.timer?.unref()
      this.bell.unref()
    }
  }
}
