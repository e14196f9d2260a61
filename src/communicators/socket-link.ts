// SPDX-License-Identifier: MIT
// A line between processes: a stream socket. It is read and written through two descriptors, so that a failure to write, to somebody who has ended, does not
// take with it what that one has still sent.
import { Socket } from 'node:net'
import { FrameReader, FrameWriter } from './frames.ts'
import type { Link, LinkListener } from './link.ts'

export class SocketLink implements Link {
  private readonly reading: Socket
  private readonly writing: Socket
  private readonly frames = new FrameWriter()
  private isFlushing = false
  private heard: LinkListener | null = null

  constructor(readingFd: number, writingFd: number) {
    this.reading = new Socket({ fd: readingFd, readable: true, writable: false }).unref()
    this.writing = new Socket({ fd: writingFd, readable: false, writable: true }).unref()
    // What went wrong shows in the end of the line.
    this.reading.on('error', () => {})
    this.writing.on('error', () => {})
  }

  listen(listener: LinkListener): void {
    this.heard = listener
    const reader = new FrameReader((channel, bytes) => this.heard?.received(channel, bytes))
    this.reading.on('data', (chunk) => reader.push(chunk))
    this.reading.on('close', () => {
      const { heard } = this
      this.heard = null
      heard?.ended()
    })
  }

  send(channel: number, bytes: Uint8Array): void {
    this.frames.append(channel, bytes)
    if (this.isFlushing) return
    this.isFlushing = true
    // What else is sent in this turn goes along.
    queueMicrotask(() => this.flush())
  }

  flush(): void {
    this.isFlushing = false
    const pieces = this.frames.take()
    if (pieces.length === 0 || !this.writing.writable) return
    this.writing.cork()
    for (const piece of pieces) this.writing.write(piece)
    this.writing.uncork()
  }

  finish(): void {
    this.flush()
    this.writing.end()
  }

  otherEnded(): void {
    // The system says so too, after what was sent.
  }

  ignore(): void {
    this.heard = null
    this.reading.destroy()
  }
}
