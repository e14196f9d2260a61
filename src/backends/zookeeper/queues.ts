// SPDX-License-Identifier: MIT
// The queues of one session: requests take their places in them, see who stands before them, come down to weaker modes, and leave.
import type { Claims } from '../../core/claims.ts'
import { LockError } from '../../core/errors.ts'
import { type Mode, readingPartOf } from '../../core/mode.ts'
import { Intent, type IntentMode, Intents, isIntent } from './intents.ts'
import type { SessionKeeper } from './keeper.ts'
import { type Layout, parseTicket, sessionName, type Ticket, ticketPrefix } from './layout.ts'
import { ahead, conflicting, isFollowed } from './queue.ts'
import { type RequestRecord, writeMode, writeRecord } from './record.ts'
import { answered, ConnectionLost, SessionEnded } from './wire/errors.ts'
import { JuteWriter } from './wire/jute.ts'
import { type Acl, create, exists, listAll, MultiFailed, multi, type Operation, remove, setData, sync } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

/** A request's place in one queue. */
interface Place {
  readonly queue: string
  readonly mode: Mode
  /** What the node of its ticket tells beside its name. */
  readonly data: Buffer
  /** Its own ticket's name, once it is known; null where it shares one. */
  ticket: string | null
  shared: Intent | null
}

/** A queue in which somebody stands before a request. */
export interface Blocked {
  readonly queue: string
  readonly mode: Mode
  readonly sequence: number
  /** Who excludes it, the nearest first. */
  readonly ahead: Ticket[]
}

/** The places of one request. */
export class Entry {
  readonly record: Omit<RequestRecord, 'weakened'>
  /** `SESSION-REQUEST`, under which it is shown while it has no place. */
  readonly first: string
  /** Likewise, in the names of its tickets. Another one each time it takes places: others may still share what it made before. */
  request: string
  readonly places: readonly Place[]
  /** The transaction that took its places: the fencing token. */
  zxid = 0n
  /** Nobody wants it any more: it need not take places. */
  unwanted = false
  /** It has taken places before, or tried to. */
  tried = false

  /** The nodes on which it stands, shared ones among them. */
  tickets(): string[] {
    return this.places.map(({ queue, ticket, shared }) => shared?.path ?? `${queue}/${ticket}`)
  }

  get queues(): string[] {
    return this.places.map(({ queue }) => queue)
  }

  /** Bytes of its record. */
  get told(): number {
    return this.places.reduce((sum, { data }) => sum + data.length, 0)
  }

  constructor(request: string, record: Omit<RequestRecord, 'weakened'>, layout: Layout) {
    this.first = request
    this.request = request
    this.record = record
    let told = false
    this.places = record.claims.list.map(({ key, mode }) => {
      const tells = !told && !isIntent(mode)
      told ||= tells
      return { queue: layout.queue(key), mode, data: tells ? writeRecord(record) : NOTHING, ticket: null, shared: null }
    })
  }
}

function sequenceOf({ ticket, shared }: Place): number {
  return (shared?.ticket ?? parseTicket(ticket!)!).sequence
}

/** A server's counter ends at 2^31 - 1, and from then on gives everybody the same number. */
const LAST_SEQUENCE = 2 ** 31 - 2 ** 16
const USED_UP =
  'ZooKeeper has given two thousand million places in one queue, and has no more numbers. Once nobody has a lock there for a while, it begins anew.'

const TOO_MANY =
  'This process has or asks for too many locks: when it ends, ZooKeeper could not write down in one message that it has let go of them. Lock fewer nodes, or one above them, or use several processes.'

const SEQUENCE_DIGITS = 10

/** What a path takes in a message. */
function bytesOf(path: string): number {
  return 4 + Buffer.byteLength(path)
}

/** The names of the tickets in some queues. */
type Lists = readonly (readonly string[])[]

/** It was given up before it took its places. */
export class Unwanted extends Error {}

const NOTHING = Buffer.alloc(0)
/** Servers read a megabyte and not more (jute.maxbuffer). */
const LARGEST_TRANSACTION_BYTES = 900_000
/**
 * When a session ends, its servers write the paths of all its nodes into one message. One of more than two megabytes they take, and cannot read again:
 * none of them starts any more (ZOOKEEPER-4306).
 */
const MOST_TICKET_BYTES = 1_500_000
/** So many nodes, and so many bytes of data, are certainly not too large. */
const FEW = 500
const MUCH = 500_000
const MOST_KNOWN = 20_000

export class Queues {
  readonly session: ZooKeeperSession
  private readonly keeper: SessionKeeper
  private readonly layout: Layout
  private readonly acl: readonly Acl[]
  /** Pure readers wait for every writer, also for those that came later. */
  private readonly writersFirst: boolean
  private readonly name: string
  private readonly intents = new Intents()
  /** Queues that exist, as far as we know. */
  private readonly known = new Set<string>()
  private requests = 0
  /** Of the paths of the tickets that this session has, and of those that it asks for. */
  private ticketBytes = 0
  /** Requests take their places in the order in which they were made. */
  private turn: Promise<void> = Promise.resolve()

  constructor(session: ZooKeeperSession, keeper: SessionKeeper, layout: Layout, acl: readonly Acl[], writersFirst: boolean) {
    this.session = session
    this.keeper = keeper
    this.layout = layout
    this.acl = acl
    this.writersFirst = writersFirst
    this.name = sessionName(session.id)
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
        const blocked = this.blocked(entry, lists)
        if (entry.places.every((place) => sequenceOf(place) < LAST_SEQUENCE && sequenceOf(place) >= 0)) return blocked
        await this.leave(entry)
        throw new LockError('LOCK_UNAVAILABLE', USED_UP)
      }
      // Its place in one queue is before somebody's who may stand before it in another: once more, with tickets of its own.
      await this.leave(entry)
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
        ;(place as { mode: Mode }).mode = 'IS'
      }
    }
    await this.carryOut(operations)
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
        unknown = await this.missing(entry)
        const settling = sharing ? entry.places.map(({ queue, mode }) => this.intents.find(queue, mode)?.settling).find(Boolean) : undefined
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
      for (const queue of missing) this.remember(queue)
    } catch (error) {
      if (error instanceof ConnectionLost && !error.unsent) return await this.findAgain(entry, made, error)
      this.forgo(entry, made)
      if (error instanceof ConnectionLost) await this.keeper.reachable(this.session)
      else if (!(error instanceof MultiFailed)) throw error
      // A queue that was empty for long has gone.
      else if (error.code === 'NONODE' && error.index >= missing.size) for (const { queue } of entry.places) this.known.delete(queue)
      // Somebody else was first to make a queue.
      else if (error.code === 'NODEEXISTS' && error.index < missing.size) this.remember(error.path!)
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
        this.forgo(entry, made)
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
      this.forgo(entry, made)
      throw failure
    }
    const first = entry.places.find(({ ticket }) => ticket !== null)!
    entry.zxid = (await keeper.insist(session, () => session.request(exists(`${first.queue}/${first.ticket}`)))).czxid
    return found
  }

  /** The queues that have to be made. */
  private async missing(entry: Entry): Promise<Set<string>> {
    const unknown = entry.places.filter(({ queue }) => !this.known.has(queue))
    const missing = new Set<string>()
    await Promise.all(
      unknown.map(async ({ queue }) => {
        try {
          await this.keeper.insist(this.session, () => this.session.request(exists(queue)))
          this.remember(queue)
        } catch (error) {
          if (!answered(error, 'NONODE')) throw error
          missing.add(queue)
        }
      }),
    )
    return missing
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
        const open = sharing ? this.intents.find(queue, mode) : null
        place.shared = open ?? new Intent(queue, mode)
        place.shared.join(mode)
        if (open !== null) continue
        made.push(place.shared)
        this.intents.add(place.shared)
      }
      const ticket = `${queue}/${ticketPrefix(mode, entry.request, data.length > 0)}`
      operations.push(create(ticket, 'ephemeral-sequential', this.acl, data))
      this.ticketBytes += bytesOf(ticket) + SEQUENCE_DIGITS
    }
    try {
      if (this.ticketBytes > MOST_TICKET_BYTES) throw new LockError('LOCK_UNAVAILABLE', TOO_MANY)
      if (operations.length > FEW || entry.told > MUCH) this.checkSize(operations)
    } catch (error) {
      this.forgo(entry, made)
      throw error
    }
    return { operations, made }
  }

  private checkSize(operations: readonly Operation<string>[]): void {
    const packet = new JuteWriter()
    multi(operations).write(packet)
    if (packet.size <= LARGEST_TRANSACTION_BYTES) return
    const message =
      `The request needs ${operations.length} nodes of ZooKeeper in one transaction of ${packet.size} bytes, and servers take a megabyte. ` +
      'Ask for fewer paths, or for one above them.'
    throw new LockError('LOCK_UNSUPPORTED', message)
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

  /** It has no place anywhere, and what it was to make for others as well is not there. */
  private forgo(entry: Entry, made: readonly Intent[]): void {
    const operations: Operation<unknown>[] = []
    for (const place of entry.places) {
      const { queue, mode, data, shared } = place
      if (shared === null || made.includes(shared))
        this.ticketBytes -= bytesOf(`${queue}/${ticketPrefix(mode, entry.request, data.length > 0)}`) + SEQUENCE_DIGITS
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
    this.ticketBytes -= bytesOf(ticket)
    return remove(ticket)
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

  private remember(queue: string): void {
    if (this.known.size >= MOST_KNOWN) this.known.clear()
    this.known.add(queue)
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
