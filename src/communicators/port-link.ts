// SPDX-License-Identifier: MIT
// A line between threads: a MessagePort. What is sent in one turn travels together, in frames, as one posting costs more than many small messages.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { FrameReader, FrameWriter } from './frames.ts'
import type { Link, LinkListener } from './link.ts'

/** What is posted. */
type Pieces = readonly Uint8Array[]

/** From so many bytes on, moving a buffer is cheaper than having it cloned, which copies twice. */
const MOVED_FROM_BYTES = 4_096

export class PortLink implements Link {
  private readonly port: MessagePort
  private readonly frames = new FrameWriter()
  private isFlushing = false
  private readonly reader = new FrameReader((channel, bytes) => this.heard?.received(channel, bytes))
  private heard: LinkListener | null = null

  constructor(port: MessagePort) {
    this.port = port
  }

  listen(listener: LinkListener): void {
    this.heard = listener
    this.port.on('message', (pieces: Pieces) => this.received(pieces))
    this.port.on('close', () => this.ended())
    this.port.unref()
  }

  send(channel: number, bytes: Uint8Array): void {
    this.frames.append(channel, bytes)
    if (this.isFlushing) return
    this.isFlushing = true
    queueMicrotask(() => this.flush())
  }

  flush(): void {
    this.isFlushing = false
    const moved: ArrayBuffer[] = []
    const pieces = this.frames.take().map((piece) => {
      // The sender keeps what is his; and a part would be cloned with all that lies around it.
      const copy = Uint8Array.prototype.slice.call(piece)
      if (copy.byteLength >= MOVED_FROM_BYTES) moved.push(copy.buffer)
      return copy
    })
    if (pieces.length > 0) this.port.postMessage(pieces, moved)
  }

  finish(): void {
    // Closing a port closes it in both directions: that has to wait until nothing more is to be heard.
    this.flush()
  }

  otherEnded(): void {
    // A port whose other end was closed while it was itself on its way to its thread is never told of it.
    for (let next = receiveMessageOnPort(this.port); next !== undefined; next = receiveMessageOnPort(this.port)) {
      this.received(next.message as Pieces)
    }
    this.ended()
  }

  ignore(): void {
    this.heard = null
    // The other end hears of it after what was posted.
    this.port.close()
  }

  private received(pieces: Pieces): void {
    for (const piece of pieces) this.reader.push(piece)
  }

  private ended(): void {
    const { heard } = this
    this.heard = null
    heard?.ended()
  }
}
