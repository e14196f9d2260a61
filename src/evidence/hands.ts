// SPDX-License-Identifier: MIT
// One user of the lock space under examination: does what it is told, and puts down a mark after every grant and before every release. Its
// methods take and give only what can be sent as a message, so that it may live in this thread, in another, or in a process of its own.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from '../config/url.ts'
import type { Backend, Preference, Supports } from '../core/backend.ts'
import type { Lease } from '../core/lease.ts'
import type { LockNode } from '../core/path.ts'
import { CHANNELS } from '../diagnostics.ts'
import { type LockRequest, LockSpace } from '../lock-space.ts'
import { bootNow } from '../native/clock.ts'
import { type HandOffPlan, handOff, type Pass } from './hand-off.ts'
import type { Marks } from './marks.ts'
import type { Roots } from './oracle.ts'
import { type StormCount, type StormPlan, storm } from './storm.ts'

/** How a lock space is opened: as `connect(url)` does, or by a module that exports `openBackend(argument)`. */
export type Opening = { readonly url: string | undefined } | { readonly module: string; readonly argument: unknown }

export interface Facts {
  readonly backend: string
  readonly supports: Supports
  readonly prefer: Preference
}

export interface Grant {
  readonly token: bigint
  /** Nanoseconds of CLOCK_BOOTTIME, taken when the grant was known. */
  readonly at: bigint
  /** Until when the lease was good then, on the same clock. */
  readonly deadline: bigint
}

/** A lease, and the cell in which it mirrors its deadline. */
interface Held {
  readonly lease: Lease
  readonly until: BigInt64Array
  known: bigint
}

interface Factory {
  openBackend(argument: unknown): Backend | Promise<Backend>
}

export async function openSpace(opening: Opening): Promise<LockSpace> {
  if ('url' in opening) return await connect(opening.url)
  const { openBackend } = (await import(opening.module)) as Factory
  return new LockSpace(await openBackend(opening.argument))
}

export class Hands {
  private readonly space: LockSpace
  private readonly who: string
  private readonly marks: Marks
  private readonly held = new Map<number, Held>()
  private readonly pending = new Map<string, () => void>()
  private readonly inLine = new Map<number, Promise<void>>()
  private leases = 0

  /** Rejects as opening the space does. */
  static async open(opening: Opening, who: string, marks: Marks): Promise<Hands> {
    return new Hands(await openSpace(opening), who, marks)
  }

  constructor(space: LockSpace, who: string, marks: Marks) {
    this.space = space
    this.who = who
    this.marks = marks
    subscribe(CHANNELS.wait, this.onWait)
  }

  facts(): Facts {
    const { name, supports, prefer } = this.space.backend
    return { backend: name, supports, prefer }
  }

  /** A number for the next lease of these hands. */
  next(): number {
    return ++this.leases
  }

  /** Waits until it is granted; without a time-out, for ever. */
  async take(number: number, roots: Roots, timeoutMs?: number): Promise<Grant> {
    const name = this.nameOf(number)
    // Before the request: an engine that answers at once tells in the same breath that somebody waits.
    const waits = new Promise<void>((resolve) => this.pending.set(name, resolve))
    const granted = this.space.lock(requestOf(roots), { name, timeout: timeoutMs })
    const settled = granted.then(
      () => {},
      () => {},
    )
    this.inLine.set(number, Promise.race([waits, settled]))
    try {
      return this.keep(number, roots, await granted)
    } finally {
      this.pending.delete(name)
    }
  }

  /** Null when somebody is in the way. */
  async tryTake(number: number, roots: Roots): Promise<Grant | null> {
    const lease = await this.space.tryLock(requestOf(roots), { name: this.nameOf(number) })
    return lease === null ? null : this.keep(number, roots, lease)
  }

  /** Resolves when the request waits in line, or has come to its end. */
  async queued(number: number): Promise<void> {
    await this.inLine.get(number)
  }

  /** Answers the moment before the release was asked for. */
  async release(number: number): Promise<bigint> {
    const held = this.held.get(number)
    if (held === undefined) throw new Error(`There is no lease ${number} here.`)
    this.held.delete(number)
    this.inLine.delete(number)
    const { lease, until, known } = held
    const looked = bootNow()
    const deadline = Atomics.load(until, 0)
    // Renewed meanwhile: it counts for longer than was known at the grant.
    if (deadline > known && lease.valid) this.marks.put({ word: 'good', who: this.who, lease: number, at: looked, deadline })
    const at = bootNow()
    this.marks.put({ word: 'released', who: this.who, lease: number, at })
    await lease.release()
    return at
  }

  /** Passes a lock to and fro with others that do the same. */
  handOff(plan: HandOffPlan): Promise<Pass[]> {
    return handOff(this, plan)
  }

  /** Asks for this and that at random beside others that do the same. */
  storm(plan: StormPlan): Promise<StormCount> {
    return storm(this, plan)
  }

  /** What the lock space counts as held and waiting. */
  left(): { held: number; waiting: number } {
    return { held: this.space.held, waiting: this.space.waiting }
  }

  /** Asks who holds and who waits, and does not mind the answer. */
  async ask(): Promise<void> {
    await this.space.inspect().catch(() => {})
  }

  async close(): Promise<void> {
    unsubscribe(CHANNELS.wait, this.onWait)
    await this.space.close({ timeout: 0 })
  }

  private keep(number: number, roots: Roots, lease: Lease): Grant {
    const at = bootNow()
    const until = new BigInt64Array(new SharedArrayBuffer(8))
    lease.mirror(until)
    const deadline = Atomics.load(until, 0)
    const { who } = this
    this.held.set(number, { lease, until, known: deadline })
    this.marks.put({ word: 'granted', who, lease: number, at, deadline, token: lease.token, read: roots.read, write: roots.write })
    lease.signal.addEventListener('abort', () => {
      if (this.held.has(number)) this.marks.put({ word: 'lost', who, lease: number, at: bootNow() })
    })
    return { token: lease.token, at, deadline }
  }

  private nameOf(number: number): string {
    return `holdfast verify, ${this.who}, ${number}`
  }

  private readonly onWait = (message: unknown): void => {
    const { name } = message as { name: string | undefined }
    if (name !== undefined) this.pending.get(name)?.()
  }
}

/**
 * A key as a node. Keys that do not begin with a slash are roots of trees of their own: they lie below no path, so what is locked there touches
 * nobody who locks paths, "/" included.
 */
export function nodeOf(key: string): LockNode {
  const ancestors: string[] = []
  for (let at = key.indexOf('/'); at !== -1; at = key.indexOf('/', at + 1)) ancestors.push(key.slice(0, at))
  return { key, ancestors }
}

function requestOf({ read, write }: Roots): LockRequest {
  return { read: read.map(nodeOf), write: write.map(nodeOf) }
}
