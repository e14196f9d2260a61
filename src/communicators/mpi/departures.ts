// SPDX-License-Identifier: MIT
// Messages on their way out. Only a few to each rank are in MPI's hands at a time: libraries become slow, and stay in single calls for long, with many that
// they cannot get rid of. The others wait here, so that a rank may be sent any number of messages, whether it listens or not.
import type { MpiMessages, MpiRequest } from '../../native/mpi-messages.ts'
import { ANNOUNCEMENT, announcement, BYTES_A_TURN, MESSAGES_A_TURN, OWN_TAGS, PIECE, PIECE_BYTES } from './pieces.ts'

/** So many to one rank are in MPI's hands. */
const WINDOW = 32
/** So many that are complete are forgotten at once: one by one would cost as much as there are behind them. */
const FORGET_AT = 256

interface Departing {
  readonly tag: number
  /** Not to be collected before MPI is through with it. */
  readonly bytes: Uint8Array
  request: MpiRequest | null
}

/** Those to one rank, in order: complete before `first`, in MPI's hands before `next`. */
interface Queue {
  readonly messages: Departing[]
  first: number
  next: number
}

export class Departures {
  private readonly messages: MpiMessages
  /** Of ranks to whom something is on its way. */
  private readonly queues = new Map<number, Queue>()

  constructor(messages: MpiMessages) {
    this.messages = messages
  }

  get isEmpty(): boolean {
    return this.queues.size === 0
  }

  /** Those to whom something is on its way. */
  get ranks(): Iterable<number> {
    return this.queues.keys()
  }

  send(to: number, tag: number, bytes: Uint8Array): void {
    if (bytes.length <= PIECE_BYTES) {
      this.enqueue(to, tag + OWN_TAGS, bytes)
      return
    }
    this.enqueue(to, ANNOUNCEMENT, announcement(tag, bytes.length))
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) this.enqueue(to, PIECE, bytes.subarray(start, start + PIECE_BYTES))
  }

  /** One turn. Whether anything has moved. */
  poll(): boolean {
    let moved = false
    for (const [to, queue] of this.queues) {
      if (this.complete(queue)) moved = true
      if (this.begin(to, queue)) moved = true
      if (queue.first === queue.messages.length) this.queues.delete(to)
    }
    return moved
  }

  private enqueue(to: number, tag: number, bytes: Uint8Array): void {
    const queue = this.queues.get(to)
    if (queue !== undefined) {
      const isNext = queue.next === queue.messages.length && queue.next - queue.first < WINDOW
      queue.messages.push({ tag, bytes, request: isNext ? this.messages.send(bytes, to, tag) : null })
      if (isNext) queue.next++
      return
    }
    const request = this.messages.send(bytes, to, tag)
    // Short ones are complete at once as a rule.
    if (!this.messages.isComplete(request)) this.queues.set(to, { messages: [{ tag, bytes, request }], first: 0, next: 1 })
  }

  private complete(queue: Queue): boolean {
    const { messages } = queue
    const before = queue.first
    for (let bytes = 0; queue.first < queue.next && bytes < BYTES_A_TURN; queue.first++) {
      const { request, bytes: sent } = messages[queue.first]!
      if (!this.messages.isComplete(request!)) break
      bytes += sent.length
    }
    const moved = queue.first > before
    if (queue.first >= FORGET_AT) {
      messages.splice(0, queue.first)
      queue.next -= queue.first
      queue.first = 0
    }
    return moved
  }

  private begin(to: number, queue: Queue): boolean {
    const before = queue.next
    const last = Math.min(queue.messages.length, queue.first + WINDOW, before + MESSAGES_A_TURN)
    for (let bytes = 0; queue.next < last && bytes < BYTES_A_TURN; queue.next++) {
      const message = queue.messages[queue.next]!
      message.request = this.messages.send(message.bytes, to, message.tag)
      bytes += message.bytes.length
    }
    return queue.next > before
  }
}
