// SPDX-License-Identifier: MIT
// The tasks of one worker: ask, hold, weaken, write, give back, and put down a mark before or after each step, so that what the marks say is never more than what
// was true.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { isLockError } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { CHANNELS } from '../../diagnostics.ts'
import type { LockSpace } from '../../lock-space.ts'
import { bootNow } from '../../native/clock.ts'
import { nodeOf } from '../hands.ts'
import type { Fenced } from './fenced.ts'
import type { Pulse } from './pulse.ts'
import { REFUSALS, type Refusal, type Ring } from './record.ts'
import type { Requests, Step } from './requests.ts'

const LOOK_EVERY_MS = 15
/** Engines say that a request waits also when no answer has come for 20 ms. Before that it is the answer: the request has its place in the line. */
const ANSWERED_WITHIN_NS = 15_000_000n
const NS_PER_MS = 1_000_000
/** An aborted request rejects with this. */
const ENOUGH: unique symbol = Symbol('enough')
/** Timers may be early by so much. */
const EARLY_NS = 2_000_000n
/** Others of this thread get their turn after so many requests that were answered at once. */
const TURN_EVERY = 8

/** Told of requests that failed. */
export type Trouble = (why: Refusal, inWords: string) => void

interface Held {
  readonly number: number
  readonly cell: BigInt64Array
  known: bigint
}

export class Tasks {
  private readonly locks: LockSpace
  private readonly ring: Ring
  private readonly fenced: Fenced
  private readonly pulse: Pulse
  private readonly trouble: Trouble
  private readonly nodes: readonly ReturnType<typeof nodeOf>[]
  private readonly held = new Map<Lease, Held>()
  private readonly asked = new Map<string, bigint>()
  private requests = 0
  private wanted: (() => void) | null = null
  private gripped = false
  private stopping = false

  /** @param keys of all places. @param trouble told of what should not have happened. */
  constructor(locks: LockSpace, keys: readonly string[], ring: Ring, fenced: Fenced, pulse: Pulse, trouble: Trouble) {
    this.locks = locks
    this.ring = ring
    this.fenced = fenced
    this.pulse = pulse
    this.trouble = trouble
    this.nodes = keys.map(nodeOf)
  }

  /** Resolves some time after {@link stop}, when each task has come to its end. */
  async run(all: readonly Requests[]): Promise<void> {
    subscribe(CHANNELS.wait, this.onWait)
    subscribe(CHANNELS.lost, this.onLost)
    try {
      await Promise.all(all.map((requests) => this.task(requests)))
    } finally {
      unsubscribe(CHANNELS.wait, this.onWait)
      unsubscribe(CHANNELS.lost, this.onLost)
    }
  }

  stop(): void {
    this.stopping = true
  }

  /** Whoever is let in next to write stays in until {@link letGo}, and a little longer. @param tell told when somebody is. */
  grip(tell: () => void): void {
    this.wanted = tell
  }

  letGo(): void {
    this.wanted = null
    this.gripped = false
  }

  /** To be called every now and then. */
  beat(): void {
    const at = bootNow()
    if (this.pulse.beat(at)) this.ring.alive = at
    else this.ring.put('shaken', 0, at)
  }

  private async task(requests: Requests): Promise<void> {
    const cell = new BigInt64Array(new SharedArrayBuffer(8))
    for (let round = 1; !this.stopping; round++) {
      while (this.ring.crowded) await pause(2)
      const number = ++this.requests
      const step = requests.next()
      const lease = await this.ask(number, step)
      if (lease !== null) await this.hold(lease, number, step, cell)
      if (round % TURN_EVERY === 0) await nextTurn()
    }
  }

  private async ask(number: number, step: Step): Promise<Lease | null> {
    const { manner, afterMs } = step
    const request = { read: step.read.map((place) => this.nodes[place]!), write: step.write.map((place) => this.nodes[place]!) }
    const name = String(number)
    const abort = manner === 'abort' ? new AbortController() : null
    let timer: NodeJS.Timeout | undefined
    const at = bootNow()
    const until = manner === 'time-out' ? at + BigInt(afterMs * NS_PER_MS) - EARLY_NS : 0n
    this.ring.put('asked', number, at, until, 0n, step.read, step.write)
    this.asked.set(name, at)
    try {
      if (manner === 'try') return (await this.locks.tryLock(request, { name })) ?? this.refused(number, 'busy')
      if (abort !== null) timer = setTimeout(() => this.abort(abort, number), afterMs)
      return await this.locks.lock(request, { name, signal: abort?.signal, timeout: manner === 'time-out' ? afterMs : undefined })
    } catch (error) {
      if (error === ENOUGH && manner === 'abort') return this.refused(number, 'aborted')
      if (isLockError(error, 'LOCK_TIMEOUT') && manner === 'time-out') return this.refused(number, 'timed out')
      if (isLockError(error, 'LOCK_UNAVAILABLE')) return this.refused(number, 'unavailable', error)
      return this.refused(number, 'failed', error)
    } finally {
      clearTimeout(timer)
      this.asked.delete(name)
    }
  }

  private abort(abort: AbortController, number: number): void {
    this.ring.put('withdrawn', number, bootNow())
    abort.abort(ENOUGH)
  }

  private refused(number: number, why: Refusal, error?: unknown): null {
    this.ring.put('refused', number, bootNow(), BigInt(REFUSALS.indexOf(why)))
    if (error !== undefined) this.say(why, error)
    return null
  }

  private say(why: Refusal, error: unknown): void {
    this.trouble(why, error instanceof Error ? error.message : String(error))
  }

  private async hold(lease: Lease, number: number, { read, write, holdMs, weaken }: Step, cell: BigInt64Array): Promise<void> {
    const at = bootNow()
    lease.mirror(cell)
    const known = Atomics.load(cell, 0)
    const held = { number, cell, known }
    this.ring.put('granted', number, at, known, lease.token, read, write)
    if (lease.state !== 'lost') this.held.set(lease, held)
    else this.ring.put('lost', number, bootNow())
    this.write(lease, number, write)
    if (this.wanted !== null && write.length > 0) await this.stay(lease, held, this.wanted)
    const weakens = weaken && write.length > 0 && holdMs > 0
    const end = performance.now() + holdMs
    await this.holdUntil(lease, held, weakens ? end - holdMs / 2 : end, holdMs)
    if (weakens) {
      await this.weaken(lease, number)
      await this.holdUntil(lease, held, end, holdMs)
    }
    // Whatever has become of the lease meanwhile: it is for the resource to refuse what comes too late.
    this.write(lease, number, weakens ? [] : write)
    this.look(lease, held, false)
    if (this.held.delete(lease)) this.ring.put('released', number, bootNow())
    await lease.release()
  }

  private async stay(lease: Lease, held: Held, tell: () => void): Promise<void> {
    this.wanted = null
    this.gripped = true
    tell()
    while (this.gripped && !this.stopping) await this.holdUntil(lease, held, performance.now() + LOOK_EVERY_MS, LOOK_EVERY_MS)
  }

  /** @param holdMs less than a timer can do is a turn, and nothing is nothing. */
  private async holdUntil(lease: Lease, held: Held, end: number, holdMs: number): Promise<void> {
    if (holdMs > 0 && holdMs < 1) await nextTurn()
    while (holdMs >= 1) {
      const left = end - performance.now()
      if (left <= 0) return
      await pause(Math.min(LOOK_EVERY_MS, left))
      this.look(lease, held, true)
    }
  }

  private async weaken(lease: Lease, number: number): Promise<void> {
    if (this.held.has(lease)) this.ring.put('weakened', number, bootNow())
    try {
      await lease.downgrade()
    } catch (error) {
      if (!isLockError(error, 'LOCK_LOST') && !isLockError(error, 'LOCK_UNAVAILABLE')) this.say('failed', error)
    }
  }

  /** Whether it is good, and until when. @param tell also if that is known. */
  private look(lease: Lease, held: Held, tell: boolean): void {
    if (!this.held.has(lease)) return
    const at = bootNow()
    const deadline = Atomics.load(held.cell, 0)
    if (!lease.valid || (deadline === held.known && (!tell || this.ring.crowded))) return
    held.known = deadline
    this.ring.put('good', held.number, at, deadline)
  }

  /** What was accepted in time is not worth a mark. */
  private write(lease: Lease, number: number, places: readonly number[]): void {
    if (places.length === 0) return
    const accepted = this.fenced.write(places, lease.token)
    // After the write: this process may have stood still before it, for longer than the lease, and nobody has told it yet.
    const at = bootNow()
    if (!accepted || !lease.valid) this.ring.put('wrote', number, at, accepted ? 1n : 0n)
  }

  private readonly onWait = (message: unknown): void => {
    const { name = '' } = message as { name?: string }
    const asked = this.asked.get(name)
    const at = bootNow()
    if (asked !== undefined && at - asked < ANSWERED_WITHIN_NS && this.pulse.steady) this.ring.put('queued', Number(name), at)
  }

  private readonly onLost = (message: unknown): void => {
    const { lease } = message as { lease: Lease }
    const held = this.held.get(lease)
    if (held === undefined) return
    this.held.delete(lease)
    this.ring.put('lost', held.number, bootNow())
  }
}
