// SPDX-License-Identifier: MIT
// Messages on their way in: told whole, and those of one rank in the order in which it sent them.
import type { MpiMessages, MpiRequest } from '../../native/mpi-messages.ts'
import { ANNOUNCEMENT, ANNOUNCEMENT_BYTES, announced, BYTES_A_TURN, MESSAGES_A_TURN, OWN_TAGS, PIECE, PIECE_BYTES } from './pieces.ts'

/** A message in the line of its sender. */
interface Arriving {
  readonly tag: number
  readonly bytes: Uint8Array
  /** How many bytes are there, or have a request out for them. */
  claimed: number
  /** Those that are not known to be complete, the oldest first. */
  readonly requests: MpiRequest[]
}

export class Arrivals {
  private readonly messages: MpiMessages
  private readonly deliver: (from: number, tag: number, bytes: Uint8Array) => void
  /** Of ranks with a message that is not complete: later ones wait behind it. */
  private readonly lines = new Map<number, Arriving[]>()
  /** The announcement that is being received; nothing else is looked at before it is read. */
  private announcement: { readonly from: number; readonly bytes: Uint8Array; readonly request: MpiRequest } | null = null

  constructor(messages: MpiMessages, deliver: (from: number, tag: number, bytes: Uint8Array) => void) {
    this.messages = messages
    this.deliver = deliver
  }

  get isEmpty(): boolean {
    return this.lines.size === 0
  }

  /** Those from whom something is on its way. */
  get ranks(): Iterable<number> {
    return this.lines.keys()
  }

  /** One turn. Whether anything has moved. */
  poll(): boolean {
    let moved = false
    for (let count = 0, bytes = 0; count < MESSAGES_A_TURN && bytes < BYTES_A_TURN; count++) {
      if (this.announcement !== null && !this.readAnnouncement()) break
      if (!this.messages.probe()) break
      moved = true
      bytes += this.messages.size
      this.receive()
    }
    if (this.lines.size > 0 && this.complete()) moved = true
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
    const { tag, length } = announced(bytes)
    this.enqueue(from, { tag, bytes: new Uint8Array(length), claimed: 0, requests: [] })
    return true
  }

  private enqueue(from: number, message: Arriving): void {
    const line = this.lines.get(from)
    if (line === undefined) this.lines.set(from, [message])
    else line.push(message)
  }

  private complete(): boolean {
    let moved = false
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
    for (let copied = 0; requests.length > 0 && copied < BYTES_A_TURN; copied += PIECE_BYTES) {
      if (!this.messages.isComplete(requests[0]!)) break
      requests.shift()
    }
    return requests.length === 0 && claimed === bytes.length
  }
}
