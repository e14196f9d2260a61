// SPDX-License-Identifier: MIT
// Messages in a stream of bytes: each is its channel (4 bytes), its length (6 bytes, little-endian both) and its content.

const HEAD_BYTES = 10
/** Smaller messages are copied together into blocks, so that many of them are one call into the system. */
const BLOCK_BYTES = 65_536
const LARGE_BYTES = 16_384
const NOTHING = new Uint8Array(0)

/** Collects frames until somebody takes them. */
export class FrameWriter {
  private pieces: Uint8Array[] = []
  private block = NOTHING
  private from = 0
  private to = 0

  append(channel: number, bytes: Uint8Array): void {
    const length = bytes.byteLength
    const isLarge = length > LARGE_BYTES
    this.makeRoom(isLarge ? HEAD_BYTES : HEAD_BYTES + length)
    this.writeHead(channel, length)
    if (isLarge) {
      this.cut()
      this.pieces.push(bytes)
    } else {
      this.block.set(bytes, this.to)
      this.to += length
    }
  }

  /** What was appended since the last time. */
  take(): Uint8Array[] {
    this.cut()
    const { pieces } = this
    this.pieces = []
    return pieces
  }

  private makeRoom(bytes: number): void {
    if (this.to + bytes <= this.block.byteLength) return
    this.cut()
    this.block = new Uint8Array(Buffer.allocUnsafeSlow(BLOCK_BYTES).buffer)
    this.from = 0
    this.to = 0
  }

  private writeHead(channel: number, length: number): void {
    const { block } = this
    let at = this.to
    for (let rest = channel, byte = 0; byte < 4; byte++, rest >>>= 8) block[at++] = rest & 0xff
    for (let rest = length, byte = 0; byte < 6; byte++, rest = Math.floor(rest / 256)) block[at++] = rest % 256
    this.to = at
  }

  private cut(): void {
    if (this.to > this.from) this.pieces.push(this.block.subarray(this.from, this.to))
    this.from = this.to
  }
}

/** Finds the frames in a stream that comes in chunks. */
export class FrameReader {
  private readonly received: (channel: number, bytes: Uint8Array) => void
  private readonly head = new Uint8Array(HEAD_BYTES)
  private headBytes = 0
  private channel = 0
  /** Length of the content that comes next; null before a head. */
  private length: number | null = null
  /** Content that comes in several chunks. */
  private content: Uint8Array | null = null
  private contentBytes = 0

  constructor(received: (channel: number, bytes: Uint8Array) => void) {
    this.received = received
  }

  /** The chunk is this reader's from now on: content that lies in it whole is told as a part of it. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.length !== null) at = this.readContent(chunk, at, this.length)
      else if (this.headBytes > 0 || at + HEAD_BYTES > chunk.byteLength) at = this.collectHead(chunk, at)
      else {
        this.readHead(chunk, at)
        at += HEAD_BYTES
      }
    }
  }

  private collectHead(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.byteLength, at + HEAD_BYTES - this.headBytes)
    this.head.set(chunk.subarray(at, end), this.headBytes)
    this.headBytes += end - at
    if (this.headBytes === HEAD_BYTES) {
      this.headBytes = 0
      this.readHead(this.head, 0)
    }
    return end
  }

  private readHead(head: Uint8Array, at: number): void {
    this.channel = (head[at]! | (head[at + 1]! << 8) | (head[at + 2]! << 16) | (head[at + 3]! << 24)) >>> 0
    const low = (head[at + 4]! | (head[at + 5]! << 8) | (head[at + 6]! << 16) | (head[at + 7]! << 24)) >>> 0
    const length = low + (head[at + 8]! | (head[at + 9]! << 8)) * 2 ** 32
    if (length > 0) this.length = length
    else this.received(this.channel, new Uint8Array(0))
  }

  private readContent(chunk: Uint8Array, at: number, length: number): number {
    if (this.content === null && at + length <= chunk.byteLength) {
      this.length = null
      this.received(this.channel, new Uint8Array(chunk.buffer, chunk.byteOffset + at, length))
      return at + length
    }
    this.content ??= new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    const end = Math.min(chunk.byteLength, at + length - this.contentBytes)
    this.content.set(chunk.subarray(at, end), this.contentBytes)
    this.contentBytes += end - at
    if (this.contentBytes === length) {
      const { content } = this
      this.content = null
      this.contentBytes = 0
      this.length = null
      this.received(this.channel, content)
    }
    return end
  }
}
