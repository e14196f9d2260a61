// SPDX-License-Identifier: MIT
// One TCP connection to one ZooKeeper server, once it has been greeted: requests and answers in their order, events of watches, and the heartbeat
// that shows that the server is there, and that it hears from its leader.
import type { Socket } from 'node:net'
import { bootNow } from '../../../native/clock.ts'
import { ConnectionLost, ERRORS, ZooKeeperError } from './errors.ts'
import type { Frames } from './frames.ts'
import { type Greeted, type Greeting, greet, type Welcome } from './greeting.ts'
import { JuteReader, JuteWriter, MalformedPacket } from './jute.ts'
import { goesToLeader, type Operation, readEvent, saysItself, sync, type WatchEvent } from './operations.ts'

/** Who hears what comes unasked. None of them may throw. */
export interface Listener {
  /** The leader has had to do with the answer to something that was sent, and heard, at these moments (nanoseconds of CLOCK_BOOTTIME). */
  proved(sentAt: bigint, heardAt: bigint): void
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

const EVENT_XID = -1
/** Of requests that have a number of their own, by their type: auth and setWatches. */
const SPECIAL: Readonly<Record<number, number>> = { 100: -4, 101: -8 }
const LARGEST_XID = 2 ** 31 - 1

/** Servers hang up on whoever sends more than 1,048,575 bytes at once, unless they were told otherwise. */
export const LARGEST_REQUEST_BYTES = 1_000_000

/** Parts of the session's time-out: the leader is asked this often; this long without a word, while one is due, is too long; how often to look. */
const BEAT_EVERY = 1 / 10
const SILENT_AFTER = 1 / 4
const LOOK_EVERY = 1 / 20

export class Connection {
  /** The highest transaction number that an answer came with. */
  lastZxid: bigint
  readonly welcome: Welcome
  readonly greetedAt: bigint
  readonly place: string
  /** It has answered to something, beside who we are and what we watch. */
  useful = false
  private readonly socket: Socket
  private readonly frames: Frames
  private readonly pending: Pending[] = []
  /** Answers to these do not keep to the order of the others. By number. */
  private readonly special = new Map<number, Pending[]>()
  private listener: Listener | null = null
  private xid = 0
  /** When the last request was sent that the leader has to do with. */
  private beatAt: bigint
  private heardAt: bigint
  private corked = false
  private over: ConnectionLost | null = null
  private readonly timer: NodeJS.Timeout

  /** Rejects as {@link greet}. No program stays alive for a connection. */
  static async open(greeting: Greeting): Promise<Connection> {
    return new Connection(await greet(greeting), greeting)
  }

  private constructor({ socket, frames, welcome, sentAt }: Greeted, { lastZxid, host, port }: Greeting) {
    this.socket = socket
    this.frames = frames
    this.welcome = welcome
    this.lastZxid = lastZxid
    this.greetedAt = sentAt
    this.beatAt = sentAt
    this.heardAt = sentAt
    this.place = `${host}:${port}`
    // Before a silence is judged, what has come while this program was busy is read.
    const look = (): void => void setImmediate(() => this.look(welcome.timeoutMs))
    this.timer = setInterval(look, Math.max(1, Math.floor(welcome.timeoutMs * LOOK_EVERY))).unref()
  }

  /** From here on the listener hears of everything. */
  listen(listener: Listener): void {
    this.listener = listener
    const { socket } = this
    socket.on('error', (error) => this.end(new ConnectionLost(error.message, { cause: error })))
    socket.on('end', () => this.end(new ConnectionLost('the server hung up')))
    socket.on('close', () => this.end(new ConnectionLost('the server hung up')))
    socket.on('data', (bytes) => this.receive(bytes))
    this.receive(Buffer.alloc(0))
    socket.resume()
  }

  get open(): boolean {
    return this.over === null
  }

  /**
   * Sends it at once, behind those before it. Rejects with {@link ZooKeeperError}, also for one that is too large to be sent, or with
   * {@link ConnectionLost}.
   */
  request<Answer>(operation: Operation<Answer>): Promise<Answer> {
    if (this.over !== null) return Promise.reject(new ConnectionLost(this.over.message, { cause: this.over, unsent: true }))
    return new Promise((resolve, reject) => {
      const xid = SPECIAL[operation.type] ?? this.nextXid()
      const packet = new JuteWriter().int(xid).int(operation.type)
      operation.write(packet)
      if (packet.size > LARGEST_REQUEST_BYTES) {
        throw new ZooKeeperError(ERRORS.BADARGUMENTS, operation.path, `${packet.size} bytes at once are more than servers read`)
      }
      const sentAt = bootNow()
      if (goesToLeader(operation)) this.beatAt = sentAt
      const pending: Pending = { operation, xid, sentAt, resolve: resolve as (answer: unknown) => void, reject }
      this.lineOf(xid).push(pending)
      this.write(packet.finish())
    })
  }

  /** Ends it, with whatever has been sent before. */
  close(why = 'it was closed'): void {
    this.end(new ConnectionLost(why))
  }

  /** Whoever waits for an answer is told this instead. The connection stays. */
  forsake(why: unknown): void {
    for (const { reject } of [...this.pending, ...[...this.special.values()].flat()]) reject(why)
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
    this.heardAt = bootNow()
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
    if (xid === EVENT_XID) {
      this.listener?.changed(readEvent(from))
      return
    }
    const line = xid > 0 ? this.pending : (this.special.get(xid) ?? [])
    const [first] = line
    if (first === undefined || first.xid !== xid) throw new MalformedPacket(`an answer ${xid} that nobody waits for`)
    if (zxid > this.lastZxid) this.lastZxid = zxid
    const { operation, sentAt, resolve, reject } = first
    let answer: unknown
    try {
      // Of several operations, what failed is said in the body.
      if (error !== 0 && !(saysItself(operation) && from.left > 0)) throw new ZooKeeperError(error, operation.path)
      answer = operation.read(from, { type: operation.type, zxid })
      if (error !== 0) throw new ZooKeeperError(error, operation.path)
    } catch (failure) {
      if (failure instanceof MalformedPacket) throw failure
      if (error === ERRORS.SESSIONEXPIRED || error === ERRORS.SESSIONMOVED) {
        // It is over, or was taken up by another connection: what becomes of it, and of what was asked, is said at the next greeting.
        this.end(new ConnectionLost(`the server answered ${String(failure)}`, { cause: failure }))
        return
      }
      line.shift()
      reject(failure)
      return
    }
    line.shift()
    if (xid > 0) this.useful = true
    if (goesToLeader(operation)) this.listener?.proved(sentAt, this.heardAt)
    resolve(answer)
  }

  private look(timeoutMs: number): void {
    if (this.over !== null) return
    const sinceMs = (then: bigint): number => Number(bootNow() - then) / 1e6
    let waitedMs = 0
    for (const [first] of [this.pending, ...this.special.values()])
      if (first !== undefined) waitedMs = Math.max(waitedMs, sinceMs(first.sentAt))
    // A large answer may take its time, and so may many answers, as long as something comes.
    const silentMs = Math.min(waitedMs, sinceMs(this.heardAt))
    if (silentMs >= timeoutMs * SILENT_AFTER) this.close(`the server has not answered for ${Math.round(silentMs)} ms`)
    else if (sinceMs(this.beatAt) >= timeoutMs * (BEAT_EVERY - LOOK_EVERY / 2)) this.request(sync('/')).catch(() => {})
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
