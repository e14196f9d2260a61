// SPDX-License-Identifier: MIT
// A lease that a worker holds beside the tree only to know how its session is: whether the server can be reached, and whether the process itself stood still.
import type { Lease } from '../../core/lease.ts'
import type { LockSpace } from '../../lock-space.ts'
import { bootNow } from '../../native/clock.ts'
import { nodeOf } from '../hands.ts'

export const BEAT_EVERY_MS = 20
const FOR_EVER = 2n ** 63n - 1n
/** Who hears nothing of itself for so long may have been forgotten meanwhile; or a quarter of its lease, if that is shorter. */
const STALL_MS = 250

export class Pulse {
  /** What a lease lasts; null where it does not run out. */
  leaseMs: number | null = null
  private readonly locks: LockSpace
  private readonly key: string
  private lease: Lease | null = null
  private lastBeat = bootNow()
  private asking: Promise<void> = Promise.resolve()
  private over = false

  constructor(locks: LockSpace, key: string) {
    this.locks = locks
    this.key = key
  }

  /** Rejects as a request does. */
  async open(): Promise<void> {
    const asked = bootNow()
    const lease = await this.locks.lock({ read: [nodeOf(this.key)] }, { name: 'holdfast torture' })
    const cell = new BigInt64Array(new SharedArrayBuffer(8))
    lease.mirror(cell)
    const until = Atomics.load(cell, 0)
    if (until !== FOR_EVER) this.leaseMs ??= Math.max(1, Math.round(Number(until - asked) / 1e6))
    this.lease = lease
    if (this.over) await lease.release()
  }

  /** The session is there, as far as is known. */
  get steady(): boolean {
    return this.lease?.state === 'held'
  }

  /** False when what was known of places in lines may not be true any more. */
  beat(at: bigint): boolean {
    const stalled = Number(at - this.lastBeat) / 1e6 > Math.min(STALL_MS, (this.leaseMs ?? 4 * STALL_MS) / 4)
    this.lastBeat = at
    if (this.lease?.state === 'lost') this.again()
    return !stalled && this.steady
  }

  async close(): Promise<void> {
    this.over = true
    await this.lease?.release()
    await this.asking
  }

  /** Until it is there again. */
  private again(): void {
    this.lease = null
    this.asking = this.open().catch(() => (this.over ? undefined : this.again()))
  }
}
