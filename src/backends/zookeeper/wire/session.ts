// SPDX-License-Identifier: MIT
// The life of one ZooKeeper session: carried from connection to connection and from server to server, and declared over by our own clock
// before any server can end it (see `lifetime.ts`). It is never resumed after that: whoever wants to go on begins another one.
import { bootNow } from '../../../native/clock.ts'
import { Connection } from './connection.ts'
import { ConnectionLost, SessionEnded } from './errors.ts'
import type { Credentials } from './greeting.ts'
import { Lifetime } from './lifetime.ts'
import { auth, closeSession, type Operation, setWatches, type Watch } from './operations.ts'
import { KeepAlive, Pause, shuffled } from './patience.ts'
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
  /** The servers of the ensemble, one at least; tried in an order drawn at random. */
  readonly servers: readonly Address[]
  /** Milliseconds without a word after which the session should end. The servers may choose another number. */
  readonly timeoutMs: number
  readonly auth: readonly AuthInfo[]
  /** Milliseconds that opening may take. */
  readonly openWithinMs: number
}

/** What becomes of a session, told in the order in which it happens, once it has been opened. None of these may throw. */
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

/** Of the time-out: a server that takes this long to greet is passed over. Some never answer to one who comes while they start. */
const GREET_WITHIN = 1 / 8
const LEAST_GREETING_MS = 200
const LONGEST_GREETING_MS = 3_000
const LEAST_ATTEMPT_MS = 20
const RENEWED_EVERY = 1 / 16
const WATCHES_PER_PACKET_BYTES = 100_000

export class ZooKeeperSession {
  private readonly options: SessionOptions
  private readonly listener: SessionListener
  private readonly watches = new Watches()
  private readonly lifetime = new Lifetime()
  private readonly life = new KeepAlive()
  private readonly pause = new Pause()
  private credentials: Credentials
  private timeout: number
  private connection: Connection | null = null
  private lastZxid = 0n
  /** Whether the listener hears of it already. */
  private begun = false
  private suspended = false
  private over: SessionEnded | null = null
  private toldAt = 0n
  private timer: NodeJS.Timeout | null = null
  /** The search for a server, while there is none. */
  private search: Promise<void> = Promise.resolve()
  private farewell: Promise<void> = Promise.resolve()

  /**
   * Begins a session. Rejects with {@link ConnectionLost} when no server has given one in time, and with {@link ZooKeeperError} `AUTHFAILED` when
   * the credentials are refused.
   */
  static async open(options: SessionOptions, listener: SessionListener): Promise<ZooKeeperSession> {
    const until = performance.now() + options.openWithinMs
    const servers = shuffled(options.servers)
    const life = new KeepAlive()
    const pause = new Pause()
    let failure: ConnectionLost | null = null
    try {
      for (let attempt = 0; ; attempt++) {
        const server = servers[attempt % servers.length]!
        const leftMs = until - performance.now()
        // An attempt that has no time fails for that, which tells nobody what is wrong.
        if (failure !== null && leftMs < LEAST_ATTEMPT_MS) throw failure
        // Every server gets a chance.
        const withinMs = Math.max(1, Math.min(leftMs, Math.max(LEAST_GREETING_MS, options.openWithinMs / (servers.length + 1))))
        try {
          const session = { id: 0n, password: Buffer.alloc(16) }
          const connection = await Connection.open({ ...server, session, lastZxid: 0n, timeoutMs: options.timeoutMs, withinMs })
          return await ZooKeeperSession.begin(options, listener, connection, until)
        } catch (error) {
          if (!(error instanceof ConnectionLost || error instanceof SessionEnded)) throw error
          failure = new ConnectionLost(`${placeOf(server)}: ${error.message}`, { cause: error.cause ?? error })
          if (performance.now() + pause.nextMs + LEAST_ATTEMPT_MS >= until) throw failure
        }
        if ((attempt + 1) % servers.length === 0) await pause.take()
      }
    } finally {
      life.end()
    }
  }

  private static async begin(
    options: SessionOptions,
    listener: SessionListener,
    connection: Connection,
    until: number,
  ): Promise<ZooKeeperSession> {
    const session = new ZooKeeperSession(options, listener, connection)
    const timer = setTimeout(
      () => connection.close('the server has not said whether it accepts us'),
      Math.max(1, until - performance.now()),
    )
    try {
      await session.attach(connection)
      if (!session.connected) throw new ConnectionLost('the server hung up')
      session.begun = true
      return session
    } catch (error) {
      session.end(new SessionEnded('it could not be begun'))
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(options: SessionOptions, listener: SessionListener, connection: Connection) {
    this.options = options
    this.listener = listener
    this.timeout = connection.welcome.timeoutMs
    this.credentials = connection.welcome.session
  }

  get id(): bigint {
    return this.credentials.id
  }

  /** Milliseconds, as the servers have decided. */
  get timeoutMs(): number {
    return this.timeout
  }

  /** Nanoseconds of CLOCK_BOOTTIME until which no server ends it. */
  get deadline(): bigint {
    return this.lifetime.deadline
  }

  /** `host:port` of the server that it is connected to; of all servers, with commas between them, while there is none. */
  get place(): string {
    return this.connection?.place ?? this.options.servers.map(placeOf).join(',')
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
        if (this.over === null) this.watches.add(path, watch)
        return answer
      },
    })
  }

  /** For a watch whose request has been answered. */
  unwatch(path: string, watch: Watch): void {
    this.watches.remove(path, watch)
  }

  /** Gives up the connection, which the session survives: to be called when the server's answers make no sense. */
  reconnect(why: string): void {
    this.connection?.close(why)
  }

  /** Whether the program stays alive for this session: also while no server is in reach. It does until it is told otherwise. */
  keepAlive(alive: boolean): void {
    this.life.set(alive)
  }

  /**
   * Ends it; what it holds at the servers goes with it. Resolves when they know, or cannot be told: then it goes when its time is out. Never
   * rejects.
   */
  async close(): Promise<void> {
    const life = new KeepAlive()
    this.end(new SessionEnded('it was closed'))
    await this.search
    await this.farewell
    life.end()
  }

  /** Takes up a connection that has been greeted. Resolves when the server has accepted who we are. */
  private attach(connection: Connection): Promise<unknown> {
    const { session, timeoutMs } = connection.welcome
    this.connection = connection
    this.credentials = session
    this.timeout = timeoutMs
    const admitted = this.options.auth.map(({ scheme, credentials }) => connection.request(auth(scheme, credentials)))
    for (const { data, children } of this.watches.portions(WATCHES_PER_PACKET_BYTES)) {
      connection.request(setWatches(this.lastZxid, data, children)).catch((error: unknown) => connection.close(String(error)))
    }
    this.lifetime.welcomed(connection.greetedAt, bootNow(), timeoutMs)
    this.renewed(connection.greetedAt)
    connection.listen({
      proved: (sentAt, heardAt) => this.proved(connection, sentAt, heardAt),
      changed: (event) => this.watches.fire(event),
      lost: (why) => this.detached(connection, why),
    })
    return Promise.all(admitted)
  }

  private proved(connection: Connection, sentAt: bigint, heardAt: bigint): void {
    if (this.connection !== connection) return
    if (this.lifetime.proved(sentAt, heardAt)) this.renewed(sentAt)
  }

  private renewed(sentAt: bigint): void {
    this.expectEnd()
    if (sentAt - this.toldAt < BigInt(Math.round(this.timeout * RENEWED_EVERY * 1e6))) return
    this.toldAt = sentAt
    if (this.begun) this.listener.renewed()
  }

  private detached(connection: Connection, why: ConnectionLost): void {
    if (connection.lastZxid > this.lastZxid) this.lastZxid = connection.lastZxid
    if (this.connection !== connection) return
    this.connection = null
    if (!this.begun) return
    const first = !this.suspended
    this.suspended = true
    this.search = this.reattach(connection)
    if (first) this.listener.suspended(why)
  }

  private async reattach({ place, useful }: Connection): Promise<void> {
    // The server that we have just lost comes last.
    const servers = shuffled(this.options.servers).sort((a, b) => Number(placeOf(a) === place) - Number(placeOf(b) === place))
    const withinMs = Math.min(LONGEST_GREETING_MS, Math.max(LEAST_GREETING_MS, this.timeout * GREET_WITHIN))
    // At once, unless the last connection was good for nothing.
    if (useful) this.pause.reset()
    else await this.pause.take()
    for (let tried = 0; this.over === null; tried++) {
      const server = servers[tried % servers.length]!
      try {
        const { credentials: session, lastZxid, options } = this
        const { timeoutMs } = options
        const connection = await Connection.open({ ...server, session, lastZxid, timeoutMs, withinMs })
        if (this.over !== null) {
          connection.listen({ proved: () => {}, changed: () => {}, lost: () => {} })
          return await sayFarewell(connection)
        }
        this.attach(connection).catch((error: unknown) => connection.close(String(error)))
        if (this.connection !== connection) return
        this.suspended = false
        this.listener.resumed()
        return
      } catch (error) {
        if (error instanceof SessionEnded) return this.end(error)
      }
      if (this.over === null && (tried + 1) % servers.length === 0) await this.pause.take()
    }
  }

  private expectEnd(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    const leftMs = Math.max(1, Math.ceil(Number(this.lifetime.deadline - bootNow()) / 1e6))
    this.timer = setTimeout(() => {
      // If this program was too busy to listen, the answers that it has not read yet still count.
      setImmediate(() => {
        if (this.over !== null) return
        if (bootNow() < this.lifetime.deadline) this.expectEnd()
        else this.end(new SessionEnded('no server has said for too long that it goes on'), true)
      })
    }, leftMs).unref()
  }

  /** @param byOurClock nobody need wait for what a server may still say. */
  private end(why: SessionEnded, byOurClock = false): void {
    if (this.over !== null) return
    this.over = why
    if (this.timer !== null) clearTimeout(this.timer)
    this.watches.clear()
    this.pause.cutShort()
    this.life.end()
    const { connection } = this
    this.connection = null
    // A server that hears of it lets go of what we had at once; when our own clock has ended it, there may still be one that does.
    if (connection !== null) {
      if (byOurClock) connection.forsake(why)
      this.farewell = sayFarewell(connection)
    }
    if (this.begun) this.listener.ended(why)
  }
}

async function sayFarewell(connection: Connection): Promise<void> {
  const timer = setTimeout(() => connection.close(), connection.welcome.timeoutMs).unref()
  await connection.request(closeSession()).catch(() => {})
  clearTimeout(timer)
  connection.close()
}

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`
}
