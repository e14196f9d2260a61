// SPDX-License-Identifier: MIT
// One TCP connection to one ZooKeeper server: the greeting that gives or resumes a session, requests and answers in their order, events of
// watches, and the pings that show on both sides that the other is there.
import { connect, type Socket } from 'node:net'
import { bootNow } from '../../../native/clock.ts'
import { ConnectionLost, SessionEnded, ZooKeeperError } from './errors.ts'
import { JuteReader, JuteWriter, MalformedPacket } from './jute.ts'
import { type Operation, ping, readEvent, type WatchEvent } from './operations.ts'

/** A session as both sides know it. */
export interface Credentials {
  /** 0 asks for a new one. */
  readonly id: bigint
  readonly password: Buffer
}

export interface Greeting {
  readonly host: string
  readonly port: number
  readonly session: Credentials
  /** The newest transaction that this session has seen: a server that knows less is not connected to. */
  readonly lastZxid: bigint
  /** Milliseconds after which a session that is not heard of should end; the server may choose another number. */
  readonly timeoutMs: number
  /** Milliseconds that connecting and the greeting may take. */
  readonly withinMs: number
  /** Whether the program stays alive for it. */
  readonly alive: boolean
}

/** What the server answered to the greeting. */
export interface Welcome {
  readonly session: Credentials
  /** Milliseconds, as the server has decided. */
  readonly timeoutMs: number
}

/** Who hears what comes unasked. None of them may throw. */
export interface Listener {
  /** The server has answered something that was sent at this moment (nanoseconds of CLOCK_BOOTTIME): it knew of the session then. */
  confirmed(sentAt: bigint): void
  changed(event: WatchEvent): void
  /** Nothing will come any more. */
  lost(why: ConnectionLost): void
}

interface Pending {
  readonly operation: Operation<unknown>
  readonly xid: number
  readonly sentAt: bigint
  resolve(answer: unknown): void
  reject(error: unknown): void
}

const XID = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const
const SPECIAL: Readonly<Record<number, number>> = { 11: XID.ping, 100: XID.auth, 101: XID.setWatches }
const LARGEST_XID = 2 ** 31 - 1
/** Servers refuse to read more than a megabyte, but may send more. */
const LARGEST_ANSWER_BYTES = 256 * 2 ** 20

/** Parts of the session's time-out: as often it is pinged; an answer that takes this long will not come. */
const PING_EVERY = 1 / 8
const SILENT_AFTER = 1 / 4

/** What a packet to the server begins with: sizes are checked against it by those who write large ones. */
export const LARGEST_REQUEST_BYTES = 1_000_000

export class Connection {
  /** The highest transaction number that an answer came with. */
  lastZxid: bigint
  readonly welcome: Welcome
  readonly place: string
  private readonly socket: Socket
  private readonly frames: Frames
  private readonly pending: Pending[] = []
  /** Answers to these do not keep to the order of the others. By number. */
  private readonly special = new Map<number, Pending[]>()
  private listener: Listener | null = null
  private xid = 0
  private readonly greetedAt: bigint
  private lastSentAt: bigint
  private corked = false
  private over: ConnectionLost | null = null
  private readonly timer: NodeJS.Timeout

  /**
   * Rejects with {@link ConnectionLost} where there is no server that answers as one, and with {@link SessionEnded} where the server does not
   * know the session (any more).
   */
  static async open(greeting: Greeting): Promise<Connection> {
    const { host, port, session, lastZxid, timeoutMs, withinMs, alive } = greeting
    const socket = connect({ host, port, noDelay: true })
    if (!alive) socket.unref()
    const sentAt = bootNow()
    const hello = new JuteWriter().int(0).long(lastZxid).int(timeoutMs).long(session.id).buffer(session.password).bool(false).finish()
    socket.write(hello)
    const frames = new Frames()
    const first = await new Promise<Buffer>((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer)
        socket.removeAllListeners()
        socket.on('error', () => {})
        socket.destroy()
        reject(new ConnectionLost(why, { cause }))
      }
      const timer = setTimeout(() => fail(`no answer within ${Math.round(withinMs)} ms`), withinMs)
      if (!alive) timer.unref()
      socket.on('error', (error) => fail(error.message, error))
      socket.on('close', () => fail('the server hung up'))
      socket.on('data', (bytes) => {
        try {
          const [frame] = frames.take(bytes, 1)
          if (frame === undefined) return
          clearTimeout(timer)
          socket.pause()
          socket.removeAllListeners()
          resolve(frame)
        } catch (error) {
          fail('it does not speak as ZooKeeper does', error)
        }
      })
    })
    const welcome = readWelcome(first, socket)
    return new Connection(socket, frames, welcome, { sentAt, lastZxid, place: `${host}:${port}` })
  }

  private constructor(
    socket: Socket,
    frames: Frames,
    welcome: Welcome,
    { sentAt, lastZxid, place }: { readonly sentAt: bigint; readonly lastZxid: bigint; readonly place: string },
  ) {
    this.socket = socket
    this.frames = frames
    this.welcome = welcome
    this.lastZxid = lastZxid
    this.greetedAt = sentAt
    this.lastSentAt = sentAt
    this.place = place
    const { timeoutMs } = welcome
    const tick = Math.max(1, Math.floor(timeoutMs * PING_EVERY))
    this.timer = setInterval(() => this.look(timeoutMs), tick).unref()
  }

  /** From here on the listener hears of everything. */
  listen(listener: Listener): void {
    this.listener = listener
    const { socket } = this
    socket.on('error', (error) => this.end(new ConnectionLost(error.message, { cause: error })))
    socket.on('close', () => this.end(new ConnectionLost('the server hung up')))
    socket.on('data', (bytes) => this.receive(bytes))
    listener.confirmed(this.greetedAt)
    this.receive(Buffer.alloc(0))
    socket.resume()
  }

  get open(): boolean {
    return this.over === null
  }

  /** Sends it at once, behind those before it. Rejects with {@link ZooKeeperError}, or with {@link ConnectionLost}. */
  request<Answer>(operation: Operation<Answer>): Promise<Answer> {
    if (this.over !== null) return Promise.reject(new ConnectionLost(this.over.message, { cause: this.over, unsent: true }))
    return new Promise((resolve, reject) => {
      const xid = SPECIAL[operation.type] ?? this.nextXid()
      const packet = new JuteWriter().int(xid).int(operation.type)
      operation.write(packet)
      const sentAt = bootNow()
      this.lastSentAt = sentAt
      const pending: Pending = { operation, xid, sentAt, resolve: resolve as (answer: unknown) => void, reject }
      this.lineOf(xid).push(pending)
      this.write(packet.finish())
    })
  }

  /** Whether the program stays alive for this connection. */
  keepAlive(alive: boolean): void {
    if (alive) this.socket.ref()
    else this.socket.unref()
  }

  /** Ends it, with whatever has been sent before. */
  close(why = 'it was closed'): void {
    this.end(new ConnectionLost(why))
  }

  private lineOf(xid: number): Pending[] {
    if (xid > 0) return this.pending
    let line = this.special.get(xid)
    if (line === undefined) {
      line = []
      this.special.set(xid, line)
    }
    return line
  }

  private nextXid(): number {
    this.xid = this.xid === LARGEST_XID ? 1 : this.xid + 1
    return this.xid
  }

  /** What is asked for in one turn of the event loop leaves in one write. */
  private write(packet: Buffer): void {
    if (!this.corked) {
      this.corked = true
      this.socket.cork()
      process.nextTick(() => {
        this.corked = false
        this.socket.uncork()
      })
    }
    this.socket.write(packet)
  }

  private receive(bytes: Buffer): void {
    try {
      for (const frame of this.frames.take(bytes)) {
        if (this.over !== null) return
        this.answer(new JuteReader(frame))
      }
    } catch (error) {
      this.end(new ConnectionLost('the server answered with something else than was asked for', { cause: error }))
    }
  }

  private answer(from: JuteReader): void {
    const xid = from.int()
    const zxid = from.long()
    const error = from.int()
    if (xid === XID.event) {
      this.listener?.changed(readEvent(from))
      return
    }
    const pending = this.lineOf(xid > 0 ? 1 : xid).shift()
    if (pending === undefined || pending.xid !== xid) throw new MalformedPacket(`an answer ${xid} that nobody waits for`)
    if (zxid > this.lastZxid) this.lastZxid = zxid
    this.listener?.confirmed(pending.sentAt)
    const { operation } = pending
    try {
      // Of several operations, what failed is said in the body.
      if (error !== 0 && from.left === 0) throw new ZooKeeperError(error, operation.path)
      pending.resolve(operation.read(from, { type: operation.type, zxid }))
    } catch (failure) {
      pending.reject(failure)
      if (failure instanceof MalformedPacket) throw failure
    }
  }

  private look(timeoutMs: number): void {
    const now = bootNow()
    let oldest = now
    for (const [first] of [this.pending, ...this.special.values()]) if (first !== undefined && first.sentAt < oldest) oldest = first.sentAt
    const waitedMs = Number(now - oldest) / 1e6
    if (waitedMs >= timeoutMs * SILENT_AFTER) this.end(new ConnectionLost(`the server has not answered for ${Math.round(waitedMs)} ms`))
    else if (Number(now - this.lastSentAt) / 1e6 >= timeoutMs * PING_EVERY * 0.75) this.request(ping()).catch(() => {})
  }

  private end(why: ConnectionLost): void {
    if (this.over !== null) return
    this.over = why
    clearInterval(this.timer)
    this.socket.removeAllListeners()
    this.socket.on('error', () => {})
    this.socket.destroy()
    const lost = [...this.pending.splice(0), ...[...this.special.values()].flat()]
    for (const { reject } of lost) reject(why)
    this.listener?.lost(why)
  }
}

function readWelcome(frame: Buffer, socket: Socket): Welcome {
  try {
    const from = new JuteReader(frame)
    from.int()
    const timeoutMs = from.int()
    const id = from.long()
    const password = from.buffer()
    if (timeoutMs <= 0 || id === 0n) throw new SessionEnded('the server does not know the session any more')
    return { session: { id, password }, timeoutMs }
  } catch (error) {
    socket.destroy()
    throw error instanceof SessionEnded ? error : new ConnectionLost('it does not speak as ZooKeeper does', { cause: error })
  }
}

/** Cuts what comes into packets. */
class Frames {
  private parts: Buffer[] = []
  private size = 0
  /** Bytes of the next packet, its length included; 0 while that is not known. */
  private wanted = 0

  /** The packets that are complete; at most so many, the rest is kept. */
  take(bytes: Buffer, most = Number.POSITIVE_INFINITY): Buffer[] {
    if (bytes.length > 0) {
      this.parts.push(bytes)
      this.size += bytes.length
    }
    const frames: Buffer[] = []
    let rest: Buffer | null = null
    while (frames.length < most && this.size >= Math.max(4, this.wanted)) {
      rest ??= this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts)
      const length = rest.readInt32BE(0)
      if (length < 0 || length > LARGEST_ANSWER_BYTES) throw new MalformedPacket(`a packet of ${length} bytes`)
      this.wanted = 4 + length
      if (this.size < this.wanted) break
      frames.push(rest.subarray(4, this.wanted))
      rest = rest.subarray(this.wanted)
      this.size = rest.length
      this.wanted = 0
    }
    if (rest !== null) this.parts = rest.length > 0 ? [rest] : []
    return frames
  }
}
