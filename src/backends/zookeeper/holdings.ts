// SPDX-License-Identifier: MIT
// The tickets that one session has, and how they are given back, or made weaker.
import { readingPartOf } from '../../core/mode.ts'
import { type Entry, ticketPath } from './entry.ts'
import { type Intent, type IntentMode, Intents } from './intents.ts'
import type { SessionKeeper } from './keeper.ts'
import { TicketBytes } from './limits.ts'
import { writeMode, writeRecord } from './record.ts'
import { answered, ConnectionLost, SessionEnded } from './wire/errors.ts'
import { multi, type Operation, remove, setData } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

export class Holdings {
  readonly intents: Intents = new Intents()
  readonly bytes: TicketBytes = new TicketBytes()
  private readonly session: ZooKeeperSession
  private readonly keeper: SessionKeeper

  constructor(session: ZooKeeperSession, keeper: SessionKeeper) {
    this.session = session
    this.keeper = keeper
  }

  /**
   * Gives up its places. Never rejects.
   *
   * @param toTheEnd resolves only when they are gone, also when no server is in reach for a while; else it is made up for later.
   */
  async leave(entry: Entry, toTheEnd = true): Promise<void> {
    const operations: Operation<unknown>[] = []
    for (const place of entry.places) {
      if (place.ticket !== null) operations.push(this.withdraw(`${place.queue}/${place.ticket}`))
      if (place.shared !== null) operations.push(...this.part(place.shared, place.mode as IntentMode))
      place.ticket = null
      place.shared = null
    }
    await this.carryOut(operations, toTheEnd)
  }

  /** From writing to reading: its tickets stay where they are, and say that they exclude less. Never rejects. */
  async weaken(entry: Entry): Promise<void> {
    const operations: Operation<unknown>[] = []
    for (const place of entry.places) {
      const mode = readingPartOf(place.mode)
      // The ticket that tells of the request tells of this too, even if nothing changes in its queue.
      if (mode === place.mode && place.data.length === 0) continue
      if (place.ticket !== null) {
        const data = place.data.length > 0 ? writeRecord(entry.record, mode) : writeMode(mode)
        operations.push(setData(`${place.queue}/${place.ticket}`, data))
      } else if (place.shared !== null) {
        place.shared.join('IS')
        operations.push(...this.part(place.shared, 'IX'))
        place.mode = 'IS'
      }
    }
    await this.carryOut(operations)
  }

  /** It has no place anywhere, and what it was to make for others as well is not there. */
  forgo(entry: Entry, made: readonly Intent[]): void {
    const operations: Operation<unknown>[] = []
    for (const place of entry.places) {
      const { shared } = place
      if (shared === null || made.includes(shared)) this.bytes.forgo(ticketPath(place, entry.request))
      if (shared !== null && made.includes(shared)) this.intents.remove(shared)
      else if (shared !== null) operations.push(...this.part(shared, place.mode as IntentMode))
      place.shared = null
      place.ticket = null
    }
    for (const intent of made) intent.settle()
    if (operations.length > 0) void this.carryOut(operations)
  }

  /** What has to be done when one user less needs an intent. */
  private part(intent: Intent, mode: IntentMode): Operation<unknown>[] {
    intent.leave(mode)
    if (intent.unused) {
      this.intents.remove(intent)
      return [this.withdraw(intent.path)]
    }
    return intent.becameWeaker() ? [setData(intent.path, writeMode('IS'))] : []
  }

  private withdraw(ticket: string): Operation<void> {
    this.bytes.give(ticket)
    return remove(ticket)
  }

  /** Until the server has done it all, or the session is over, which does it too; or, not to the end, as long as a server is in reach. */
  private async carryOut(operations: readonly Operation<unknown>[], toTheEnd = true): Promise<void> {
    if (operations.length === 0) return
    const { session, keeper } = this
    keeper.hold()
    try {
      await session.request(operations.length === 1 ? operations[0]! : multi(operations))
    } catch (error) {
      if (error instanceof SessionEnded || (answered(error, 'NONODE') && operations.length === 1)) return
      const done = this.carryOutSingly(operations)
      if (toTheEnd || !(error instanceof ConnectionLost)) await done
    } finally {
      keeper.drop()
    }
  }

  /** Done before a connection broke, or somebody removed a node: one by one, then. Never rejects. */
  private async carryOutSingly(operations: readonly Operation<unknown>[]): Promise<void> {
    const { session, keeper } = this
    keeper.hold()
    await Promise.all(
      operations.map((one) => keeper.insist(session, () => keeper.reachable(session).then(() => session.request(one))).catch(() => {})),
    )
    keeper.drop()
  }
}
