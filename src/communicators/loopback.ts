// SPDX-License-Identifier: MIT
// What a rank sends to itself: delivered after the caller is done, and never so much of it that nothing else gets its turn.

/** So many may follow each other before the event loop goes round once: somebody who always answers himself would keep it to himself otherwise. */
const IN_ONE_TURN = 1_000

interface Sent {
  readonly channel: number
  readonly bytes: Uint8Array
}

export class Loopback {
  private readonly deliver: (channel: number, bytes: Uint8Array) => void
  private queue: Sent[] = []
  private leftInTurn = IN_ONE_TURN

  constructor(deliver: (channel: number, bytes: Uint8Array) => void) {
    this.deliver = deliver
  }

  /** The listener gets bytes of its own: the sender's may be on their way to others still. */
  send(channel: number, bytes: Uint8Array): void {
    this.queue.push({ channel, bytes: Uint8Array.prototype.slice.call(bytes) })
    if (this.queue.length > 1) return
    if (this.leftInTurn > 0) queueMicrotask(() => this.drain())
    else setImmediate(() => this.nextTurn())
  }

  private nextTurn(): void {
    this.leftInTurn = IN_ONE_TURN
    this.drain()
  }

  private drain(): void {
    const sent = this.queue
    // What is sent from here on is the next lot's.
    this.queue = []
    this.leftInTurn -= sent.length
    for (const { channel, bytes } of sent) this.deliver(channel, bytes)
  }
}
