// SPDX-License-Identifier: MIT
// One request of this process on its way: it takes its places, waits for those before it, one at a time, and is granted, given up, or taken to
// the next session when this one is lost.
import type { Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import { compatible, type Mode } from '../../core/mode.ts'
import { bootNow } from '../../native/clock.ts'
import { type Blocked, type Entry, Unwanted } from './entry.ts'
import { asLockError } from './failures.ts'
import { type SessionKeeper, unavailable } from './keeper.ts'
import type { Ticket } from './layout.ts'
import type { Queues } from './queues.ts'
import { modeOf } from './record.ts'
import { answered, ConnectionLost, SessionEnded } from './wire/errors.ts'
import { getData, type Watch } from './wire/operations.ts'

/** What a request needs to know of its backend. */
export interface Office {
  readonly keeper: SessionKeeper
  readonly writersFirst: boolean
  readonly connectTimeoutMs: number
  queuesOf(request: Request): Promise<Queues>
  /** A reader stands aside, and is to be seen; or it does not any more. */
  standAside(queues: Queues, entry: Entry): void
  standIn(queues: Queues, entry: Entry): void
}

/** A request that takes longer than this begins to look like waiting: time-outs and signals count from then on. */
const LATE_MS = 20
/** So long a request that is given up waits for the servers to say that it is gone. */
const WITHDRAW_WITHIN_MS = 200

export interface Granted {
  readonly queues: Queues
  readonly entry: Entry
}

export class Request {
  readonly claims: Claims
  readonly wait: Wait | null
  readonly name: string | undefined
  private readonly office: Office
  private readonly done: (granted: Granted | null) => void
  private readonly fail: (reason: unknown) => void
  /** The session was lost while it waited: from then on it waits for servers as long as its own patience lasts. */
  private hadPlace = false
  private over = false
  private entry: Entry | null = null
  private readonly timers = new Set<NodeJS.Timeout>()
  private interrupt: () => void = () => {}
  private withdrawn: (() => void) | null = null

  /** @param done is told what was granted, or null when a try found somebody in the way. */
  constructor(
    office: Office,
    claims: Claims,
    name: string | undefined,
    wait: Wait | null,
    done: (granted: Granted | null) => void,
    fail: (reason: unknown) => void,
  ) {
    this.office = office
    this.claims = claims
    this.name = name
    this.wait = wait
    this.done = done
    this.fail = fail
  }

  /** Never rejects. */
  async run(): Promise<void> {
    this.after(LATE_MS, () => this.bePatient())
    this.after(this.office.connectTimeoutMs, () => this.giveNoHope())
    while (!this.over) {
      try {
        const queues = await this.office.queuesOf(this)
        if (this.over) break
        if (await this.ask(queues)) return
      } catch (error) {
        // What a lost session took away is asked for again in the next one.
        if (error instanceof Unwanted || error instanceof SessionEnded) continue
        if (error instanceof ConnectionLost && this.hadPlace) continue
        if (this.over) continue
        this.end()
        this.fail(error instanceof ConnectionLost ? this.noServer(error) : asLockError(error, this.office.keeper.place))
      }
    }
    this.withdrawn?.()
  }

  /** The session is out of reach, or lost: a new request does not wait for that for ever. */
  interrupted(): void {
    this.interrupt()
  }

  /** Answers true when the request has come to its end. */
  private async ask(queues: Queues): Promise<boolean> {
    const { wait, name, claims } = this
    const entry = queues.entry(wait?.id ?? null, name ?? null, claims)
    this.entry = entry
    if (wait === null && (await this.isTaken(queues, await queues.inTheWay(claims)))) return this.refuse()
    const standsAside = this.office.writersFirst && claims.write.length === 0
    let aside = false
    try {
      for (;;) {
        const blocked = await queues.enter(entry)
        if (!this.over && !(await this.isTaken(queues, blocked, wait !== null && !standsAside))) return await this.grant(queues, entry)
        if (this.over || wait === null) {
          await queues.leave(entry)
          return this.over ? false : this.refuse()
        }
        this.bePatient()
        this.hadPlace = true
        if (standsAside) {
          await queues.leave(entry)
          if (!aside) this.office.standAside(queues, entry)
          aside = true
          await this.writersGone(queues, blocked)
        } else {
          for (const one of blocked) await this.turnAt(queues, one)
          if (!this.over) return await this.grant(queues, entry)
          await queues.leave(entry)
        }
        if (this.over) return false
      }
    } catch (error) {
      await queues.leave(entry)
      throw error
    } finally {
      if (aside) this.office.standIn(queues, entry)
    }
  }

  /** Somebody is really in the way, and has not only a ticket that once excluded this request. */
  private async isTaken(queues: Queues, blocked: readonly Blocked[], byName = false): Promise<boolean> {
    if (byName) return blocked.length > 0
    for (const { queue, mode, ahead } of blocked) {
      for (const ticket of ahead) {
        const now = await this.look(queues, queue, ticket)
        if (now !== null && !compatible(mode, now)) return true
      }
    }
    return false
  }

  /** Resolves when nobody stands before it in this queue, or when it was given up. */
  private async turnAt(queues: Queues, blocked: Blocked): Promise<void> {
    let { ahead } = blocked
    while (ahead.length > 0 && !this.over) {
      const waited = await this.goneOrWeaker(queues, blocked, ahead[0]!)
      ahead = ahead.slice(1)
      if (!waited || ahead.length === 0) continue
      // Others have left meanwhile; nobody can have come before us.
      const left = new Set((await queues.stillAhead(blocked)).map(({ name }) => name))
      ahead = ahead.filter(({ name }) => left.has(name))
    }
  }

  /** Resolves when no writer is to be seen, for readers that let writers go first. */
  private async writersGone(queues: Queues, blocked: readonly Blocked[]): Promise<void> {
    let inTheWay = blocked
    while (inTheWay.length > 0 && !this.over) {
      for (const one of inTheWay) for (const ticket of one.ahead) await this.goneOrWeaker(queues, one, ticket)
      if (this.over) return
      const now = await queues.inTheWay(this.claims)
      inTheWay = (await this.isTaken(queues, now)) ? now : []
    }
  }

  /** Answers whether it had to wait for that. */
  private async goneOrWeaker(queues: Queues, { queue, mode }: Blocked, ticket: Ticket): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      if (this.over) return waited
      let watcher = (): void => {}
      const news = new Promise<void>((resolve) => {
        watcher = resolve
      })
      this.interrupt = watcher
      const watch: Watch = { kind: 'data', watcher }
      const now = await this.look(queues, queue, ticket, watch)
      if (now === null || compatible(mode, now)) {
        queues.session.unwatch(`${queue}/${ticket.name}`, watch)
        return waited
      }
      if (!this.over) await news
      queues.session.unwatch(`${queue}/${ticket.name}`, watch)
      if (queues.session.ended) throw new SessionEnded('it was lost while a request waited')
    }
  }

  /** The mode that a ticket stands for now; null when it is gone. */
  private async look({ session }: Queues, queue: string, { name, mode }: Ticket, watch?: Watch): Promise<Mode | null> {
    try {
      const ask = getData(`${queue}/${name}`, watch?.watcher)
      const { data } = await this.office.keeper.insist(session, () => session.request(ask))
      return modeOf(data, mode)
    } catch (error) {
      if (answered(error, 'NONODE')) return null
      throw error
    }
  }

  private async grant(queues: Queues, entry: Entry): Promise<boolean> {
    if (this.over) {
      await queues.leave(entry)
      return false
    }
    // Too late to be of use: the session counts as lost.
    if (queues.session.ended || bootNow() >= queues.session.deadline) {
      await queues.leave(entry)
      throw new SessionEnded('it ran out while a request was granted')
    }
    this.end()
    this.done({ queues, entry })
    return true
  }

  private refuse(): true {
    this.end()
    this.done(null)
    return true
  }

  private bePatient(): void {
    if (!this.over) this.wait?.begin((reason) => this.giveUp(reason))
  }

  /** Its promise rejects when nothing is left of it at the servers, or a little later if that is not to be had. */
  private giveUp(reason: unknown): void {
    if (this.over) return
    this.end()
    const refuse = (): void => {
      clearTimeout(timer)
      this.withdrawn = null
      this.fail(reason)
    }
    const timer = setTimeout(refuse, WITHDRAW_WITHIN_MS)
    this.withdrawn = refuse
  }

  /** The servers have had their time to answer. */
  private giveNoHope(): void {
    if (this.over || this.hadPlace) return
    const { keeper } = this.office
    if (keeper.current?.connected) {
      // They answer, if slowly; look again.
      this.after(this.office.connectTimeoutMs, () => this.giveNoHope())
      return
    }
    this.end()
    this.fail(this.noServer(new ConnectionLost('no server is in reach')))
  }

  private noServer(error: ConnectionLost): unknown {
    return unavailable(error, this.office.keeper.place, this.office.connectTimeoutMs)
  }

  private end(): void {
    this.over = true
    if (this.entry !== null) this.entry.unwanted = true
    for (const timer of this.timers) clearTimeout(timer)
    this.wait?.end()
    this.interrupt()
  }

  private after(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      then()
    }, ms)
    this.timers.add(timer)
  }
}
