// SPDX-License-Identifier: MIT
// Brings what all workers put down, and what was done to them, before the judgement in one order of time: up to the moment of which all have told everything.
import { bootNow } from '../../native/clock.ts'
import type { Judgement, Violation } from './judgement.ts'
import type { Happening } from './marks.ts'
import type { WorkerProcess } from './process.ts'

const EVERY_MS = 15
/** When something is wrong, the run goes on for so long after that, and is remembered no longer. */
const REMEMBER_AFTER_NS = 150_000_000n

export class Feed {
  readonly judgement: Judgement
  onViolation: () => void = () => {}
  /** Nobody asks for anything new. */
  ending = false
  private readonly workers: readonly WorkerProcess[]
  private own: Happening[] = []
  private timer: NodeJS.Timeout | null = null
  private firstAt: bigint | null = null
  private told = false

  constructor(workers: readonly WorkerProcess[], judgement: Judgement) {
    this.workers = workers
    this.judgement = judgement
  }

  begin(): void {
    const turn = (): void => {
      this.pump()
      this.timer = setTimeout(turn, EVERY_MS)
    }
    turn()
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  /** What was done, at a time up to which not everybody has told everything. */
  note(one: Happening): void {
    this.own.push(one)
  }

  violated(violation: Violation): void {
    this.judgement.violated(violation)
    this.tell()
  }

  /** Somebody waits, and will go on waiting. */
  get hopeless(): boolean {
    return this.ending && this.judgement.found.waiting > 0
  }

  /** Everybody is gone. */
  finish(): void {
    this.stop()
    this.pump()
    this.judgement.conclude()
    this.tell()
  }

  private pump(): void {
    const { judgement, workers } = this
    let until = bootNow()
    for (const worker of workers) {
      const alive = worker.drain()
      if (alive !== null && alive < until) until = alive
    }
    const batch: Happening[] = []
    for (const worker of workers) worker.take(until, batch)
    batch.push(...this.own.filter(({ at }) => at <= until))
    this.own = this.own.filter(({ at }) => at > until)
    batch.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
    for (const one of batch) judgement.put(one)
    judgement.look(until, this.ending)
    if (this.firstAt !== null && until - this.firstAt > REMEMBER_AFTER_NS) judgement.freeze()
    this.tell()
  }

  private tell(): void {
    if (this.told || this.judgement.violations.length === 0) return
    this.told = true
    this.firstAt = this.judgement.violations[0]!.at
    this.onViolation()
  }
}
