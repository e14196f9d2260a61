// SPDX-License-Identifier: MIT
// Messages of any size between two ranks, in order, over MPI: bytes stay referenced until they are sent, long messages travel in pieces, so that no
// single call takes long. Knows nothing of the event loop: it moves when it is polled.
import type { MpiMessages, MpiRequest } from '../../native/mpi-messages.ts'

/** The first two tags are ours: the rest is for the caller, who counts from 0. */
const ANNOUNCEMENT = 0
const PIECE = 1
export const OWN_TAGS = 2

/** What is longer is announced and then sent in pieces of this many bytes. */
const PIECE_BYTES = 1 << 18
/** An announcement: the tag (32 bits), 4 bytes unused, the length (64-bit float). */
const ANNOUNCEMENT_BYTES = 16

/** A turn ends after so many messages, or bytes, so that others have theirs. */
const MESSAGES_A_TURN = 64
const BYTES_A_TURN = 1 << 20
/** Of sends and of receives each. To look whether one piece is complete may be what copies it, or another one. */
const TESTS_A_TURN = 8
/** So many complete sends are forgotten at once: one by one would cost as much as there are behind them. */
const FORGET_AT = 256

/** What is being sent to one rank: is complete up to `first`, about in the order in which it was sent. */
interface Departing {
  readonly messages: Sending[]
  first: number
}

interface Sending {
  readonly request: MpiRequest
  /** Not to be collected before MPI is through with it. */
  readonly bytes: Uint8Array
}

/** A message on its way to us, in the line of its sender. */
interface Arriving {
  readonly tag: number
  readonly bytes: Uint8Array
  /** How many bytes are there or have a request out for them. */
  claimed: number
  readonly requests: MpiRequest[]
}

export class Post {
  private readonly messages: MpiMessages
  private readonly deliver: (from: number, tag: number, bytes: Uint8Array) => void
  private readonly departing = new Map<number, Departing>()
  private tests = 0
  /** Whoever has messages under way that are not complete: later ones wait behind. */
  private readonly lines = new Map<number, Arriving[]>()
  /** The announcement that is being received; nothing else is looked at before it is read. */
  private announcement: { readonly from: number; readonly bytes: Uint8Array; readonly request: MpiRequest } | null = null

  constructor(messages: MpiMessages, deliver: (from: number, tag: number, bytes: Uint8Array) => void) {
    this.messages = messages
    this.deliver = deliver
  }

  /** Whether something that was sent may not have left yet. */
  get isSending(): boolean {
    return this.departing.size > 0
  }

  /** Whether messages have been begun, in either direction, that are not complete. */
  get isUnderWay(): boolean {
    return this.departing.size > 0 || this.lines.size > 0
  }

  /** The ranks without whom messages that have been begun do not get on. */
  get counterparts(): ReadonlySet<number> {
    return new Set([...this.departing.keys(), ...this.lines.keys()])
  }

  send(to: number, tag: number, bytes: Uint8Array): void {
    if (bytes.length <= PIECE_BYTES) {
      this.begin(to, tag + OWN_TAGS, bytes)
      return
    }
    const announcement = new DataView(new ArrayBuffer(ANNOUNCEMENT_BYTES))
    announcement.setUint32(0, tag)
    announcement.setFloat64(8, bytes.length)
    this.begin(to, ANNOUNCEMENT, new Uint8Array(announcement.buffer))
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) this.begin(to, PIECE, bytes.subarray(start, start + PIECE_BYTES))
  }

  /** One turn. Whether anything has moved. */
  poll(): boolean {
    let moved = this.departing.size > 0 && this.completeSends()
    for (let count = 0, bytes = 0; count < MESSAGES_A_TURN && bytes < BYTES_A_TURN; count++) {
      if (this.announcement !== null && !this.readAnnouncement()) break
      if (!this.messages.probe()) break
      moved = true
      bytes += this.messages.size
      this.receive()
    }
    if (this.lines.size > 0 && this.completeReceives()) moved = true
    return moved
  }

  private begin(to: number, tag: number, bytes: Uint8Array): void {
    const request = this.messages.send(bytes, to, tag)
    if (this.messages.isComplete(request)) return
    const departing = this.departing.get(to)
    if (departing === undefined) this.departing.set(to, { messages: [{ request, bytes }], first: 0 })
    else departing.messages.push({ request, bytes })
  }

  private completeSends(): boolean {
    let moved = false
    this.tests = TESTS_A_TURN
    for (const [to, departing] of this.departing) {
      const { messages } = departing
      const before = departing.first
      while (departing.first < messages.length && this.tests-- > 0 && this.messages.isComplete(messages[departing.first]!.request))
        departing.first++
      if (departing.first > before) moved = true
      if (departing.first === messages.length) this.departing.delete(to)
      else if (departing.first >= FORGET_AT) {
        messages.splice(0, departing.first)
        departing.first = 0
      }
    }
    return moved
  }

  private receive(): void {
    const { messages } = this
    const { source, tag, size } = messages
    if (tag === ANNOUNCEMENT) {
      const bytes = new Uint8Array(ANNOUNCEMENT_BYTES)
      this.announcement = { from: source, bytes, request: messages.receive(bytes, source, tag) }
      return
    }
    const line = this.lines.get(source)
    if (tag === PIECE) {
      const message = line!.at(-1)!
      message.requests.push(messages.receive(message.bytes.subarray(message.claimed, message.claimed + size), source, tag))
      message.claimed += size
      return
    }
    // Of its own, not from Node's pool: it is the listener's, who may transfer it.
    const bytes = new Uint8Array(size)
    const request = messages.receive(bytes, source, tag)
    if (line === undefined && messages.isComplete(request)) this.deliver(source, tag - OWN_TAGS, bytes)
    else this.enqueue(source, { tag: tag - OWN_TAGS, bytes, claimed: size, requests: [request] })
  }

  private readAnnouncement(): boolean {
    const { from, bytes, request } = this.announcement!
    if (!this.messages.isComplete(request)) return false
    this.announcement = null
    const announced = new DataView(bytes.buffer)
    this.enqueue(from, { tag: announced.getUint32(0), bytes: new Uint8Array(announced.getFloat64(8)), claimed: 0, requests: [] })
    return true
  }

  private enqueue(from: number, message: Arriving): void {
    const line = this.lines.get(from)
    if (line === undefined) this.lines.set(from, [message])
    else line.push(message)
  }

  private completeReceives(): boolean {
    let moved = false
    this.tests = TESTS_A_TURN
    for (const [from, line] of this.lines) {
      let complete = 0
      while (complete < line.length && this.isComplete(line[complete]!)) complete++
      if (complete === 0) continue
      moved = true
      const messages = line.splice(0, complete)
      if (line.length === 0) this.lines.delete(from)
      for (const { tag, bytes } of messages) this.deliver(from, tag, bytes)
    }
    return moved
  }

  private isComplete({ requests, claimed, bytes }: Arriving): boolean {
    while (requests.length > 0 && this.tests-- > 0 && this.messages.isComplete(requests[0]!)) requests.shift()
    return requests.length === 0 && claimed === bytes.length
  }
}
