// SPDX-License-Identifier: MIT
// The life of a process at the server: one heartbeat for all that it holds and asks for, and what happens when it stops.
//
// Invariant: the deadline lies before the moment at which the server can end the session, as it is counted from before the heartbeat was sent,
// on a clock that goes on in suspend. At the deadline, whatever timers had a chance to fire, all leases of the session are lost.
import { randomBytes } from 'node:crypto'
import { LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'
import { owner } from '../../owner.ts'
import { foreign, listOf, wholeOf } from './answers.ts'
import { asLockError, isRefusal, silent } from './failures.ts'
import type { Link } from './link.ts'
import { type Policy, writePolicy } from './options.ts'
import { reconnectAfterMs } from './reconnecting.ts'

export interface Session {
  readonly id: string
  /** Raised with each reconnect: what was sent in an earlier one is refused, however late it arrives. Eight digits. */
  epoch: string
  /** In nanoseconds of CLOCK_BOOTTIME; 0 when it is over. */
  deadline: bigint
}

/** Those who live by the session. */
export interface Dependents {
  /** Somebody asks for something: a lost session is to be followed by a new one. */
  readonly asking: boolean
  /** Ids of requests that wait in the line; the heartbeat asks whether their grants went astray. */
  waitingIds(): readonly string[]
  /** A heartbeat sent at `sentAt` (`performance.now()`) was answered. */
  beaten(nextExpiryUs: number, more: number, granted: readonly unknown[], sentAt: number): void
  message(text: string): void
  /** The session has begun, or begun a new epoch: find out what became of what was under way. */
  settle(session: Session, fresh: boolean): Promise<void>
  suspended(): void
  resumed(): void
  renewed(): void
  lost(session: Session, reason: LockError): void
  /** The server does not let us begin a session, and will not soon. */
  refused(error: LockError): void
}

/** The space was made with another policy than ours. */
export class OtherPolicy extends Error {
  readonly recorded: string

  constructor(recorded: string) {
    super(`The space has the policy ${recorded}.`)
    this.recorded = recorded
  }
}

/** Ids asked about with one heartbeat. */
const IDS_PER_BEAT = 500
/** However long the lease is: a connection that hangs is to be noticed. */
const LONGEST_BEAT_MS = 4_000
/** How often a session is heard of, in milliseconds, while all is well. */
export function beatEveryMs(leaseMs: number): number {
  return Math.min(LONGEST_BEAT_MS, leaseMs / 3)
}

const MARGIN = 0.05
const LEAST_MARGIN_MS = 50

/** Between a holder's deadline and the moment at which the server can end its session. */
export function marginMs(leaseMs: number): number {
  return Math.max(LEAST_MARGIN_MS, leaseMs * MARGIN)
}

export class SessionKeeper {
  current: Session | null = null
  /** The one that has been open: whichever else is current has asked for nothing yet, and waits before it does. */
  private opened: Session | null = null
  /** Has a channel, and is not begun. */
  private next: Session | null = null
  private phase: 'down' | 'settling' | 'open' | 'closed' = 'down'
  private readonly link: Link
  private readonly policy: Policy
  private readonly dependents: Dependents
  /** How long a fresh session has to wait before it may ask for anything. */
  private readonly graceMs: () => Promise<number>
  private readonly usableNs: bigint
  private beats: NodeJS.Timeout | null = null
  private deadline: NodeJS.Timeout | null = null
  private unanswered = 0
  private recovering = false
  private poke: (() => void) | null = null
  /** Sessions that are over for us, and perhaps not yet for the server. */
  private former: string[] = []

  constructor(link: Link, policy: Policy, dependents: Dependents, graceMs: () => Promise<number>) {
    this.link = link
    this.policy = policy
    this.dependents = dependents
    this.graceMs = graceMs
    const { leaseMs } = policy
    this.usableNs = BigInt(Math.floor(leaseMs - marginMs(leaseMs))) * 1_000_000n
  }

  /** Requests may be sent. */
  get open(): boolean {
    return this.phase === 'open'
  }

  /** The server does not answer, as far as is known. */
  get isDown(): boolean {
    return this.phase === 'down'
  }

  /** The first session. Rejects with what the server or the client says, or with {@link OtherPolicy}. */
  async start(): Promise<void> {
    const { connection } = this.link
    connection.onUp = () => this.up()
    connection.onDown = () => this.cut()
    this.beats = setInterval(() => this.beat(), beatEveryMs(this.policy.leaseMs))
    this.beats.unref()
    // Whatever happens meanwhile ends the start: nobody else goes about a session then.
    this.recovering = true
    try {
      await this.attempt()
    } finally {
      this.recovering = false
    }
    if (!this.open) throw silent(connection.place, this.policy.leaseMs)
  }

  /** The connection is not there, or nobody answers at its other end. */
  cut(): void {
    if (this.phase === 'down' || this.phase === 'closed') return
    this.phase = 'down'
    this.unanswered = 0
    this.dependents.suspended()
    this.wake()
  }

  /** Goes about a session, if there is none that can be used. */
  wake(): void {
    if (this.phase !== 'down') return
    if (this.recovering) this.poke?.()
    else void this.recover()
  }

  /** The server has said that there is no such session, or that it has another epoch. */
  gone(session: Session, epoch: string): void {
    if (this.current === session && session.epoch === epoch)
      this.lose(session, 'The server has ended the session: it was not heard of in time.')
  }

  /** For those who are about to count on the session: it may have run out while no timer could fire. */
  check(): void {
    if (this.current !== null && bootNow() >= this.current.deadline) this.runOut(this.current)
  }

  /** Ends the session as far as it is known here. Answers its id, if the server may still know it. */
  close(): string | null {
    const session = this.current
    this.phase = 'closed'
    this.current = null
    if (this.beats !== null) clearInterval(this.beats)
    if (this.deadline !== null) clearTimeout(this.deadline)
    this.poke?.()
    if (this.next !== null) this.link.connection.unsubscribe(this.link.channel(this.next.id)).catch(() => {})
    this.link.connection.onUp = () => {}
    this.link.connection.onDown = () => {}
    return session?.id ?? null
  }

  private up(): void {
    // Messages may have gone astray while the connection for them was cut.
    if (this.phase === 'open') this.beat()
    else this.wake()
  }

  private async recover(): Promise<void> {
    this.recovering = true
    for (let tries = 0; this.isDown && (this.current !== null || this.dependents.asking); tries++) {
      if (this.link.connection.up) {
        try {
          await this.attempt()
        } catch (error) {
          if (this.phase === 'settling') this.cut()
          if (this.isDown && (isRefusal(error) || error instanceof OtherPolicy)) this.dependents.refused(this.refusal(error))
        }
        if (!this.isDown) break
      }
      await this.pause(reconnectAfterMs(tries))
    }
    this.recovering = false
  }

  private refusal(error: unknown): LockError {
    if (error instanceof OtherPolicy) return new LockError('LOCK_INVALID', `The space was made anew with another policy. ${error.message}`)
    return asLockError(error, this.link.connection.place, this.link.hash)
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.poke = null
        resolve()
      }
      const timer = setTimeout(end, ms)
      if (!this.dependents.asking) timer.unref()
      this.poke = end
    })
  }

  private async attempt(): Promise<void> {
    const known = this.current
    if (known !== null && bootNow() >= known.deadline) return this.runOut(known)
    const session = known ?? (await this.begin())
    session.epoch = String(Number(session.epoch) + 1).padStart(8, '0')
    const sentAt = bootNow()
    const { id, epoch } = session
    const self = JSON.stringify(owner())
    const mustExist = known === null ? '0' : '1'
    const answer = await this.link.ask('open-session', id, epoch, this.link.leaseUs, self, writePolicy(this.policy), mustExist)
    const [given, recorded] = listOf(answer)
    const state = wholeOf(given)
    if (this.phase !== 'down' || this.current !== known) return
    if (state === -3) throw new OtherPolicy(String(recorded))
    if (state !== 1 && state !== -1 && state !== -2) throw foreign()
    if (known === null) this.next = null
    if (state !== 1) return this.gone(session, epoch)
    session.deadline = sentAt + this.usableNs
    this.current = session
    this.phase = 'settling'
    this.watchDeadline()
    this.closeFormer()
    // Also where it was cut off before the wait was over.
    const fresh = this.opened !== session
    const graceMs = fresh ? await this.graceMs() : 0
    if (graceMs > 0) await this.pause(graceMs)
    await this.dependents.settle(session, fresh)
    if (this.phase !== 'settling' || this.current !== session) return
    this.opened = session
    this.phase = 'open'
    this.dependents.renewed()
    this.dependents.resumed()
  }

  /** A session that listens, and that the server does not know yet. */
  private async begin(): Promise<Session> {
    if (this.next !== null) return this.next
    const session: Session = { id: randomBytes(8).toString('hex'), epoch: '0', deadline: 0n }
    const { link } = this
    await link.timely(link.connection.subscribe(link.channel(session.id), (text) => this.heard(session, text)))
    this.next = session
    return session
  }

  private heard(session: Session, text: string): void {
    if (session !== this.current) return
    if (text === 'expired') this.gone(session, session.epoch)
    else this.dependents.message(text)
  }

  private beat(): void {
    const session = this.current
    if (session === null) return
    if (bootNow() >= session.deadline) this.runOut(session)
    else if (this.unanswered > 0) this.cut()
    else if (this.phase === 'open' || this.phase === 'settling') this.beatFor(session)
  }

  private beatFor(session: Session): void {
    const ids = this.dependents.waitingIds()
    for (let from = 0; from === 0 || from < ids.length; from += IDS_PER_BEAT) this.beatWith(session, ids.slice(from, from + IDS_PER_BEAT))
  }

  private beatWith(session: Session, ids: readonly string[]): void {
    const { id, epoch } = session
    const sentAt = bootNow()
    const sentAtMs = performance.now()
    this.unanswered++
    this.link.run('heartbeat', id, epoch, this.link.leaseUs, ...ids).then(
      (answer) => {
        if (this.current !== session || session.epoch !== epoch) return
        // A client that has lost count of its answers.
        const state = Array.isArray(answer) ? wholeOf(answer[0]) : 0
        if (state !== 1 && state !== -1 && state !== -2) return this.cut()
        const [, nextExpiryUs, more, ...granted] = answer as readonly unknown[]
        this.unanswered = Math.max(0, this.unanswered - 1)
        if (state !== 1) return this.gone(session, epoch)
        const deadline = sentAt + this.usableNs
        if (deadline > session.deadline) session.deadline = deadline
        this.dependents.renewed()
        this.dependents.beaten(Number(nextExpiryUs), Number(more), granted, sentAtMs)
      },
      () => {
        if (this.current === session && session.epoch === epoch) this.cut()
      },
    )
  }

  private watchDeadline(): void {
    if (this.deadline !== null) clearTimeout(this.deadline)
    const session = this.current
    if (session === null) return
    const leftMs = Number((session.deadline - bootNow()) / 1_000_000n) + 1
    const look = (): void => {
      if (bootNow() >= session.deadline) this.runOut(session)
      else this.watchDeadline()
    }
    this.deadline = setTimeout(look, Math.max(0, leftMs))
    this.deadline.unref()
  }

  private runOut(session: Session): void {
    const { place } = this.link.connection
    this.lose(session, `The lease has run out: Redis at ${place} has not answered for too long, or this process stood still.`)
  }

  private lose(session: Session, why: string): void {
    if (this.current !== session) return
    this.current = null
    if (this.phase !== 'closed') this.phase = 'down'
    this.unanswered = 0
    session.deadline = 0n
    this.former.push(session.id)
    this.dependents.lost(session, new LockError('LOCK_LOST', why))
    if (this.dependents.asking) this.wake()
  }

  /** So that nobody has to wait until the server lets them expire. What fails is left to that. */
  private closeFormer(): void {
    for (const id of this.former.splice(0)) {
      this.link.run('close-session', id, this.link.leaseUs).catch(() => {})
      this.link.connection.unsubscribe(this.link.channel(id)).catch(() => {})
    }
  }
}
