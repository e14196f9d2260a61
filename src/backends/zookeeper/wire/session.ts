// SPDX-License-Identifier: MIT
// The life of one ZooKeeper session: carried from connection to connection and from server to server, and declared over by our own clock
// before any server can end it. It is never resumed after that: whoever wants to go on begins another one.
//
// Invariant: until `deadline`, no server has ended the session. A server that answers has heard of us no earlier than we sent the request, and
// the session lasts `timeoutMs` from then on. In an ensemble the leader learns of it with its next ping to that server, up to half a tick later;
// should that server die before, it reckons from the ping before. A time-out is at least two ticks, so a quarter of it is kept back for this.
import { bootNow } from '../../../native/clock.ts'
import { Connection, type Credentials } from './connection.ts'
import { ConnectionLost, SessionEnded } from './errors.ts'
import { auth, closeSession, type Operation, setWatches, type Watch, type WatchEvent } from './operations.ts'
import { Watches } from './watches.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface AuthInfo {
  readonly scheme: string
  readonly credentials: Uint8Array
}

export interface SessionOptions {
  /** The servers of the ensemble; tried in an order drawn at random. */
  readonly servers: readonly Address[]
  /** Milliseconds without a word after which the session should end. The servers may choose another number. */
  readonly timeoutMs: number
  readonly auth: readonly AuthInfo[]
  /** Milliseconds that opening may take. */
  readonly openWithinMs: number
}

/** What becomes of a session, told in the order in which it happens. None of these may throw. */
export interface SessionListener {
  /** No server is in reach. */
  suspended(why: ConnectionLost): void
  /** A server has taken the session up again. Requests under way when it was suspended have rejected; watches are set. */
  resumed(): void
  /** It lasts longer: told now and then. */
  renewed(): void
  /** It is over: by word of a server, by our own clock, or as it was closed. */
  ended(why: SessionEnded): void
}

/** Of the time-out: see the invariant; a little is left for clocks that run at different speeds. */
export const SURE_PART = 0.7
/** Of the time-out: a server that takes this long to greet is passed over. */
const GREET_WITHIN = 1 / 5
const LEAST_GREETING_MS = 200
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
const RENEWED_EVERY = 1 / 16
const WATCHES_PER_PACKET_BYTES = 100_000

export class ZooKeeperSession {
  /** Milliseconds, as the servers have decided. */
  readonly timeoutMs: number
  /** Nanoseconds of CLOCK_BOOTTIME until which no server ends it. */
  deadline = 0n
  private readonly options: SessionOptions
  private readonly listener: SessionListener
  private readonly watches = new Watches()
  private credentials: Credentials
  private connection: Connection | null = null
  private lastZxid = 0n
  private over: SessionEnded | null = null
  private toldAt = 0n
  private alive = true
  private timer: NodeJS.Timeout | null = null

  /**
   * Begins a session. Rejects with {@link ConnectionLost} when no server has given one in time, and with {@link ZooKeeperError} `AUTHFAILED` when
   * the credentials are refused.
   */
  static async open(options: SessionOptions, listener: SessionListener): Promise<ZooKeeperSession> {
    const until = performance.now() + options.openWithinMs
    const servers = shuffled(options.servers)
    let pauseMs = FIRST_PAUSE_MS
    for (let attempt = 0; ; attempt++) {
      const server = servers[attempt % servers.length]!
      const leftMs = until - performance.now()
      // Every server gets a chance.
      const withinMs = Math.max(1, Math.min(leftMs, Math.max(LEAST_GREETING_MS, options.openWithinMs / (servers.length + 1))))
      try {
        const session = { id: 0n, password: Buffer.alloc(16) }
        const connection = await Connection.open({ ...server, session, lastZxid: 0n, timeoutMs: options.timeoutMs, withinMs, alive: true })
        return await ZooKeeperSession.begin(options, listener, connection)
      } catch (error) {
        if (!(error instanceof ConnectionLost || error instanceof SessionEnded)) throw error
        const failure = new ConnectionLost(`${server.host}:${server.port}: ${error.message}`, { cause: error.cause ?? error })
        if (performance.now() + pauseMs >= until) throw failure
      }
      if ((attempt + 1) % servers.length === 0) {
        await pause(pauseMs, true)
        pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
      }
    }
  }

  private static async begin(options: SessionOptions, listener: SessionListener, connection: Connection): Promise<ZooKeeperSession> {
    const session = new ZooKeeperSession(options, listener, connection)
    const admitted = session.attach(connection)
    try {
      await admitted
      return session
    } catch (error) {
      session.end(new SessionEnded('it could not be begun'), false)
      connection.close()
      throw error
    }
  }

  private constructor(options: SessionOptions, listener: SessionListener, connection: Connection) {
    this.options = options
    this.listener = listener
    this.timeoutMs = connection.welcome.timeoutMs
    this.credentials = connection.welcome.session
  }

  get id(): bigint {
    return this.credentials.id
  }

  /** `host:port` of the server that it is connected to, or was last. */
  get place(): string {
    return this.connection?.place ?? this.options.servers.map(({ host, port }) => `${host}:${port}`).join(',')
  }

  get connected(): boolean {
    return this.connection !== null
  }

  get ended(): boolean {
    return this.over !== null
  }

  /**
   * Rejects with {@link ZooKeeperError} when the server refuses, with {@link ConnectionLost} when there is no connection or it broke before the
   * answer came, and with {@link SessionEnded} when it is over.
   */
  request<Answer>(operation: Operation<Answer>): Promise<Answer> {
    if (this.over !== null) return Promise.reject(this.over)
    if (this.connection === null) return Promise.reject(new ConnectionLost('no server is in reach', { unsent: true }))
    const { watch, path } = operation
    if (watch === undefined || path === undefined) return this.connection.request(operation)
    return this.connection.request({
      ...operation,
      // Before anything behind the answer is read, which may be the event already.
      read: (from, head) => {
        const answer = operation.read(from, head)
        this.watches.add(path, watch)
        return answer
      },
    })
  }

  unwatch(path: string, watch: Watch): void {
    this.watches.remove(path, watch)
  }

  /** Gives up the connection, which the session survives: to be called when the server's answers make no sense. */
  reconnect(why: string): void {
    this.connection?.close(why)
  }

  /** Whether the program stays alive for this session. */
  keepAlive(alive: boolean): void {
    this.alive = alive
    this.connection?.keepAlive(alive)
  }

  /** Ends it; what it holds at the servers goes with it. Resolves when they know, or cannot be told. */
  async close(): Promise<void> {
    const { connection } = this
    if (this.over !== null) return
    const told = connection?.request(closeSession())
    this.end(new SessionEnded('it was closed'), false)
    await told?.catch(() => {})
    connection?.close()
  }

  /** Takes up a connection that has been greeted. Resolves when the server has accepted who we are. */
  private attach(connection: Connection): Promise<unknown> {
    this.connection = connection
    this.credentials = connection.welcome.session
    connection.keepAlive(this.alive)
    const admitted = this.options.auth.map(({ scheme, credentials }) => connection.request(auth(scheme, credentials)))
    for (const { data, children } of this.watches.portions(WATCHES_PER_PACKET_BYTES)) {
      connection.request(setWatches(this.lastZxid, data, children)).catch((error: unknown) => connection.close(String(error)))
    }
    connection.listen({
      confirmed: (sentAt) => this.confirmed(sentAt),
      changed: (event: WatchEvent) => this.watches.fire(event),
      lost: (why) => this.detached(connection, why),
    })
    return Promise.all(admitted)
  }

  private confirmed(sentAt: bigint): void {
    const deadline = sentAt + BigInt(Math.round(this.timeoutMs * SURE_PART * 1e6))
    if (deadline <= this.deadline) return
    this.deadline = deadline
    if (this.timer === null) this.expectEnd()
    if (sentAt - this.toldAt < BigInt(Math.round(this.timeoutMs * RENEWED_EVERY * 1e6))) return
    this.toldAt = sentAt
    if (this.over === null) this.listener.renewed()
  }

  private detached(connection: Connection, why: ConnectionLost): void {
    if (connection.lastZxid > this.lastZxid) this.lastZxid = connection.lastZxid
    if (this.connection !== connection) return
    this.connection = null
    if (this.over !== null) return
    this.listener.suspended(why)
    void this.reattach(connection.place)
  }

  private async reattach(left: string): Promise<void> {
    // The server that we have just lost comes last.
    const servers = shuffled(this.options.servers).sort((a, b) => Number(placeOf(a) === left) - Number(placeOf(b) === left))
    const withinMs = Math.max(LEAST_GREETING_MS, this.timeoutMs * GREET_WITHIN)
    let pauseMs = FIRST_PAUSE_MS
    for (let attempt = 0; this.over === null; attempt++) {
      const server = servers[attempt % servers.length]!
      try {
        const { credentials: session, lastZxid, timeoutMs, alive } = this
        const connection = await Connection.open({ ...server, session, lastZxid, timeoutMs, withinMs, alive })
        if (this.over !== null) return connection.close()
        this.attach(connection).catch((error: unknown) => connection.close(String(error)))
        if (this.connected) this.listener.resumed()
        return
      } catch (error) {
        if (error instanceof SessionEnded) return this.end(error, false)
      }
      if ((attempt + 1) % servers.length === 0) {
        await pause(pauseMs, this.alive)
        pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
      }
    }
  }

  private expectEnd(): void {
    const leftMs = Math.max(1, Number(this.deadline - bootNow()) / 1e6)
    this.timer = setTimeout(() => {
      // If this program was too busy to listen, the answers that it has not read yet still count.
      setImmediate(() => {
        this.timer = null
        if (this.over !== null) return
        if (bootNow() < this.deadline) this.expectEnd()
        else this.end(new SessionEnded(`no server has answered within ${Math.round(this.timeoutMs * SURE_PART)} ms`), true)
      }).unref()
    }, leftMs).unref()
  }

  private end(why: SessionEnded, tell: boolean): void {
    if (this.over !== null) return
    this.over = why
    if (this.timer !== null) clearTimeout(this.timer)
    const { connection } = this
    this.watches.clear()
    if (tell) {
      // It may hear us after all; then nobody has to wait for what we had.
      connection?.request(closeSession()).catch(() => {})
      connection?.keepAlive(false)
      if (connection !== null) setTimeout(() => connection.close(), this.timeoutMs).unref()
    }
    this.connection = null
    this.listener.ended(why)
  }
}

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function pause(ms: number, alive: boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms * (0.5 + Math.random()))
    if (!alive) timer.unref()
  })
}
