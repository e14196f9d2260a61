// SPDX-License-Identifier: MIT
// The queues of one session: requests take their places in them, see who stands before them, and leave.
import type { Claims } from '../../core/claims.ts'
import { LockError } from '../../core/errors.ts'
import { type Blocked, Entry, sequenceOf, ticketPath, Unwanted } from './entry.ts'
import { Holdings } from './holdings.ts'
import { Intent, isIntent } from './intents.ts'
import type { SessionKeeper } from './keeper.ts'
import { KnownQueues } from './known-queues.ts'
import { type Layout, parseTicket, sessionName, type Ticket } from './layout.ts'
import { checkNumbers, checkTransaction } from './limits.ts'
import { ahead, conflicting, isFollowed } from './queue.ts'
import { ConnectionLost } from './wire/errors.ts'
import { type Acl, create, exists, listAll, MultiFailed, multi, type Operation, sync } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

/** The names of the tickets in some queues. */
type Lists = readonly (readonly string[])[]

export class Queues {
  readonly session: ZooKeeperSession
  private readonly keeper: SessionKeeper
  private readonly layout: Layout
  private readonly acl: readonly Acl[]
  /** Pure readers wait for every writer, also for those that came later. */
  private readonly writersFirst: boolean
  private readonly name: string
  private readonly holdings: Holdings
  private readonly known: KnownQueues
  private requests = 0
  /** Requests take their places in the order in which they were made. */
  private turn: Promise<void> = Promise.resolve()

  constructor(session: ZooKeeperSession, keeper: SessionKeeper, layout: Layout, acl: readonly Acl[], writersFirst: boolean) {
    this.session = session
    this.keeper = keeper
    this.layout = layout
    this.acl = acl
    this.writersFirst = writersFirst
    this.name = sessionName(session.id)
    this.holdings = new Holdings(session, keeper)
    this.known = new KnownQueues(session, keeper)
  }

  entry(id: string | null, name: string | null, claims: Claims): Entry {
    const request = this.number()
    return new Entry(request, { id: id ?? request, name, since: Date.now(), claims }, this.layout)
  }

  private number(): string {
    return `${this.name}-${(++this.requests).toString(36)}`
  }

  /**
   * Takes its places in all queues at once, and answers where somebody stands before it: nowhere means that it is its turn. Rejects with
   * ZooKeeperError, LockError or SessionEnded, and then has no place anywhere.
   */
  async enter(entry: Entry): Promise<Blocked[]> {
    for (let sharing = true; ; ) {
      const lists = await this.takePlaces(entry, sharing)
      if (lists === null) continue
      if (!this.joinedTooLate(entry, lists)) {
        try {
          checkNumbers(entry)
          return this.blocked(entry, lists)
        } catch (error) {
          await this.holdings.leave(entry)
          throw error
        }
      }
      // Its place in one queue is before somebody's who may stand before it in another: once more, with tickets of its own.
      await this.holdings.leave(entry)
      sharing = false
    }
  }

  /** Resolves when all requests that were made until now have gone to the server, or when there was no time for that. */
  async sent(withinMs: number): Promise<void> {
    // Those that were made in this turn of the event loop are not in line yet.
    await new Promise((resolve) => setImmediate(resolve))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs)
    })
    await Promise.race([this.turn, late])
    clearTimeout(timer)
  }

  /**
   * Gives up its places. Never rejects.
   *
   * @param toTheEnd resolves only when they are gone, also when no server is in reach for a while; else it is made up for later.
   */
  leave(entry: Entry, toTheEnd = true): Promise<void> {
    return this.holdings.leave(entry, toTheEnd)
  }

  /** From writing to reading: its tickets stay where they are, and say that they exclude less. Never rejects. */
  weaken(entry: Entry): Promise<void> {
    return this.holdings.weaken(entry)
  }

  /** Who would stand before a request that came now, in all queues together. Sees no queue that does not exist. */
  async inTheWay(claims: Claims): Promise<Blocked[]> {
    const lists = await this.lists(claims.list.map(({ key }) => this.layout.queue(key)))
    return claims.list.flatMap(({ key, mode }, i) => {
      const others = conflicting(lists[i]!, mode)
      return others.length === 0 ? [] : [{ queue: this.layout.queue(key), mode, sequence: 0, ahead: others }]
    })
  }

  /** Who still stands before it there. */
  async stillAhead({ queue, mode, sequence }: Blocked): Promise<Ticket[]> {
    const [names = []] = await this.lists([queue])
    return ahead(names, mode, sequence)
  }

  /** The tickets in these queues; none where there is no queue. */
  private async lists(queues: readonly string[]): Promise<Lists> {
    return (await this.keeper.insist(this.session, () => this.session.request(listAll(queues)))).map((names) => names ?? [])
  }

  /** Answers who else is in the queues, place by place; null when it has to be tried again. */
  private async takePlaces(entry: Entry, sharing: boolean): Promise<Lists | null> {
    const { session } = this
    let pass = (): void => {}
    const before = this.turn
    this.turn = new Promise((resolve) => {
      pass = resolve
    })
    try {
      await before
      if (entry.unwanted) throw new Unwanted()
      let unknown: Set<string>
      for (;;) {
        unknown = await this.known.missing(entry)
        const settling = sharing
          ? entry.places.map(({ queue, mode }) => this.holdings.intents.find(queue, mode)?.settling).find(Boolean)
          : undefined
        if (!settling) break
        await settling
      }
      const { operations, made } = this.plan(entry, sharing, unknown)
      const taken = session.request(multi(operations))
      const listed = session.request(listAll(entry.queues))
      listed.catch(() => {})
      pass()
      return await this.taken(entry, made, unknown, taken, listed)
    } finally {
      pass()
    }
  }

  private async taken(
    entry: Entry,
    made: readonly Intent[],
    missing: ReadonlySet<string>,
    taken: Promise<{ readonly zxid: bigint; readonly answers: readonly unknown[] }>,
    listed: Promise<readonly (readonly string[] | null)[]>,
  ): Promise<Lists | null> {
    try {
      const { zxid, answers } = await taken
      entry.zxid = zxid
      this.learn(entry, made, answers.slice(missing.size) as string[])
      for (const queue of missing) this.known.add(queue)
    } catch (error) {
      if (error instanceof ConnectionLost && !error.unsent) return await this.findAgain(entry, made, error)
      this.holdings.forgo(entry, made)
      if (error instanceof ConnectionLost) await this.keeper.reachable(this.session)
      else if (!(error instanceof MultiFailed)) throw error
      // A queue that was empty for long has gone.
      else if (error.code === 'NONODE' && error.index >= missing.size) this.known.forget(entry.queues)
      // Somebody else was first to make a queue.
      else if (error.code === 'NODEEXISTS' && error.index < missing.size) this.known.add(error.path!)
      else throw error
      return null
    }
    try {
      return (await listed).map((names) => names ?? [])
    } catch (error) {
      // It has its places, whatever became of the lists.
      if (!(error instanceof ConnectionLost)) throw error
      return await this.lists(entry.queues)
    }
  }

  /** The connection broke before the answer came: was it done? A transaction is done whole or not at all, so one queue tells. */
  private async findAgain(entry: Entry, made: readonly Intent[], error: unknown): Promise<Lists | null> {
    const { session, keeper } = this
    let found: Lists
    try {
      // What the other server knew when it was asked, the next one may learn later.
      const lists = await keeper.insist(session, async () => {
        await keeper.reachable(session)
        const [, all] = await Promise.all([session.request(sync(this.layout.locks)), session.request(listAll(entry.queues))])
        return all.map((names) => names ?? [])
      })
      const names = lists.map((list) => list.find((name) => parseTicket(name)?.request === entry.request))
      if (names.every((name) => name === undefined)) {
        this.holdings.forgo(entry, made)
        return null
      }
      const own = entry.places.flatMap((place, i) => (place.shared === null || made.includes(place.shared) ? [names[i]] : []))
      if (own.includes(undefined))
        throw new LockError('LOCK_UNAVAILABLE', 'Somebody removed nodes of the space while it was in use.', { cause: error })
      this.learn(
        entry,
        made,
        entry.places.flatMap(({ queue }, i) => (names[i] === undefined ? [] : [`${queue}/${names[i]}`])),
      )
      found = lists
    } catch (failure) {
      this.holdings.forgo(entry, made)
      throw failure
    }
    const first = entry.places.find(({ ticket }) => ticket !== null)!
    entry.zxid = (await keeper.insist(session, () => session.request(exists(`${first.queue}/${first.ticket}`)))).czxid
    return found
  }

  /** From here to the sending nothing is awaited: what is joined exists. */
  private plan(entry: Entry, sharing: boolean, missing: ReadonlySet<string>): { operations: Operation<string>[]; made: Intent[] } {
    const made: Intent[] = []
    if (entry.tried) entry.request = this.number()
    entry.tried = true
    const operations = [...missing].map((queue) => create(queue, 'container', this.acl))
    for (const place of entry.places) {
      const { queue, mode, data } = place
      if (isIntent(mode)) {
        const open = sharing ? this.holdings.intents.find(queue, mode) : null
        place.shared = open ?? new Intent(queue, mode)
        place.shared.join(mode)
        if (open !== null) continue
        made.push(place.shared)
        this.holdings.intents.add(place.shared)
      }
      const ticket = ticketPath(place, entry.request)
      operations.push(create(ticket, 'ephemeral-sequential', this.acl, data))
      this.holdings.bytes.ask(ticket)
    }
    try {
      this.holdings.bytes.check()
      checkTransaction(operations, entry)
    } catch (error) {
      this.holdings.forgo(entry, made)
      throw error
    }
    return { operations, made }
  }

  private learn(entry: Entry, made: readonly Intent[], paths: readonly string[]): void {
    let next = 0
    for (const place of entry.places) {
      const { queue, shared } = place
      if (shared !== null && !made.includes(shared)) continue
      const name = paths[next++]!.slice(queue.length + 1)
      if (shared === null) place.ticket = name
      else {
        shared.ticket = { name, sequence: parseTicket(name)!.sequence }
        shared.settle()
      }
    }
  }

  private joinedTooLate(entry: Entry, lists: Lists): boolean {
    let late = false
    for (const [i, { mode, shared, ticket }] of entry.places.entries()) {
      if (ticket !== null || shared === null) continue
      const list = lists[i]!
      const gone = !list.includes(shared.ticket!.name)
      if (!gone && !isFollowed(list, mode, shared.ticket!.sequence)) continue
      shared.closed = true
      // The one who made it stands where it stands.
      if (parseTicket(shared.ticket!.name)!.request !== entry.request) late = true
    }
    return late
  }

  private blocked(entry: Entry, lists: Lists): Blocked[] {
    const asideFor = this.writersFirst && entry.record.claims.write.length === 0
    return entry.places.flatMap((place, i) => {
      const { queue, mode } = place
      const sequence = sequenceOf(place)
      const others = asideFor ? conflicting(lists[i]!, mode) : ahead(lists[i]!, mode, sequence)
      return others.length === 0 ? [] : [{ queue, mode, sequence, ahead: others }]
    })
  }
}
