// SPDX-License-Identifier: MIT
// Carries out the planned faults: strikes workers, their passages and the server, one at a time each, and puts down when it did.
import { setTimeout as sleep } from 'node:timers/promises'
import { bootNow } from '../../native/clock.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { Fault, Happening } from './marks.ts'
import type { Pace } from './messages.ts'
import type { Place } from './place.ts'
import { ofServer, type PlannedFault } from './plan.ts'
import type { WorkerProcess } from './process.ts'

export class Strikes {
  readonly counts: Record<FaultKind, number> = { kill: 0, pause: 0, cut: 0, restart: 0, freeze: 0 }
  private readonly workers: readonly WorkerProcess[]
  private readonly place: Place
  private readonly pace: Pace
  private readonly note: (one: Happening) => void
  private readonly failed: (error: unknown) => void
  private readonly ended = new AbortController()
  private readonly timers: NodeJS.Timeout[] = []
  /** What was begun for each victim last. */
  private readonly underWay = new Map<number | null, Promise<void>>()

  /** @param failed told when a worker or the server did not come back. */
  constructor(
    workers: readonly WorkerProcess[],
    place: Place,
    pace: Pace,
    note: (one: Happening) => void,
    failed: (error: unknown) => void,
  ) {
    this.workers = workers
    this.place = place
    this.pace = pace
    this.note = note
    this.failed = failed
  }

  begin(plan: readonly PlannedFault[]): void {
    for (const fault of plan) this.timers.push(setTimeout(() => this.enqueue(fault), fault.atMs))
  }

  /** No more of them. Resolves when everybody is well again. */
  async end(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer)
    this.ended.abort()
    await Promise.all(this.underWay.values())
  }

  private enqueue(fault: PlannedFault): void {
    const before = this.underWay.get(fault.victim) ?? Promise.resolve()
    this.underWay.set(fault.victim, before.then(() => (this.ended.signal.aborted ? undefined : this.strike(fault))).catch(this.failed))
  }

  private async strike(fault: PlannedFault): Promise<void> {
    this.counts[fault.kind]++
    if (fault.victim === null || ofServer(fault.kind)) return await this.strikeServer(fault)
    const worker = this.workers[fault.victim]!
    // It is worth more when it meets somebody who holds something.
    await worker.grip()
    if (fault.kind === 'kill') await this.kill(worker, fault)
    else if (fault.kind === 'pause') {
      await this.during(worker.who, fault, async () => {
        worker.pause()
        await this.pass(fault.forMs)
        worker.resume()
      })
    } else await this.during(worker.who, fault, () => this.cut(fault))
    worker.letGo()
  }

  private async kill(worker: WorkerProcess, fault: PlannedFault): Promise<void> {
    const { who } = worker
    this.put(who, fault, 'begins')
    this.note({ word: 'gone', who, at: bootNow() })
    await worker.kill()
    await worker.open(true)
    worker.go(this.pace)
  }

  private async cut({ victim, manner, forMs }: PlannedFault): Promise<void> {
    const passages = this.place.passages(victim!)
    if (manner === 'cut off') for (const passage of passages) passage.cut()
    else if (manner === 'cannot connect') {
      for (const passage of passages) passage.refuse()
      await this.pass(forMs)
      for (const passage of passages) passage.accept()
    } else {
      for (const passage of passages) passage.hold()
      await this.pass(forMs)
      for (const passage of passages) passage.letThrough()
    }
  }

  private async strikeServer(fault: PlannedFault): Promise<void> {
    const server = this.place.server!
    const holder = this.workers[fault.atMs % this.workers.length]!
    await holder.grip()
    await this.during(null, fault, async () => {
      if (fault.kind === 'freeze') {
        server.freeze()
        await this.pass(fault.forMs)
        server.thaw()
      } else await server.restart(fault.manner === 'is killed and started anew' ? 'SIGKILL' : 'SIGTERM')
    })
    holder.letGo()
  }

  private async during(who: string | null, fault: PlannedFault, happens: () => Promise<void>): Promise<void> {
    this.put(who, fault, 'begins')
    try {
      await happens()
    } finally {
      this.put(who, fault, 'ends')
    }
  }

  private put(who: string | null, { kind, manner }: PlannedFault, phase: Fault['phase']): void {
    this.note({ word: 'fault', at: bootNow(), kind, manner, who, phase })
  }

  /** So much time, or until no more faults are wanted. */
  private async pass(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.ended.signal }).catch(() => {})
  }
}
