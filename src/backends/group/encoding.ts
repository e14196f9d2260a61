// SPDX-License-Identifier: MIT
// Numbers and texts in few bytes, written into one message and read out of it again. A message that is none ends in a Garbled, wherever it breaks off.

/** The bytes are not what they should be. The message says in which way. */
export class Garbled extends Error {}

const ROOM = 256
/** A writer that had to grow beyond this gives its room back. */
const MOST_KEPT = 65_536
/** In bytes. */
const SHORT = 48
const LARGEST = Number.MAX_SAFE_INTEGER

/** One message after the other, on one piece of memory. */
export class Writer {
  length = 0
  private bytes: Uint8Array = new Uint8Array(ROOM)

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1)
    this.bytes[this.length++] = value
  }

  /** A whole number from 0 to 2^53 - 1: seven bits a byte, the lowest first. */
  number(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80)
    this.byte(rest)
  }

  /** As UTF-8, its length before it. */
  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.number(length)
    if (length === 0) return
    if (this.length + length > this.bytes.length) this.grow(length)
    const { buffer, byteOffset } = this.bytes
    Buffer.from(buffer, byteOffset, this.bytes.length).write(value, this.length)
    this.length += length
  }

  /** What was written, in memory of its own; the writer is empty again. */
  take(): Uint8Array {
    const { bytes, length } = this
    let message: Uint8Array
    if (length > SHORT) message = bytes.slice(0, length)
    else {
      // Faster than the call for what is usual.
      message = new Uint8Array(length)
      for (let i = 0; i < length; i++) message[i] = bytes[i]!
    }
    this.length = 0
    if (this.bytes.length > MOST_KEPT) this.bytes = new Uint8Array(ROOM)
    return message
  }

  private grow(by: number): void {
    const bytes = new Uint8Array(Math.max(2 * this.bytes.length, this.length + by))
    bytes.set(this.bytes)
    this.bytes = bytes
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const NOTHING = new Uint8Array(0)

/** Reads one message, and then the next. Every method throws {@link Garbled} when it finds something else. */
export class Reader {
  private bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array = NOTHING) {
    this.bytes = bytes
  }

  /** From here on another message is read. */
  open(bytes: Uint8Array): this {
    this.bytes = bytes
    this.at = 0
    return this
  }

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    const value = this.bytes[this.at++]
    if (value === undefined) throw new Garbled('it breaks off')
    return value
  }

  number(): number {
    let value = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * unit
      if (value > LARGEST) throw new Garbled('a number is too large')
      if (byte < 0x80) return value
      if (unit > LARGEST) throw new Garbled('a number has no end')
    }
  }

  text(): string {
    const length = this.number()
    if (length === 0) return ''
    const end = this.at + length
    if (end > this.bytes.length) throw new Garbled('a text breaks off')
    const part = this.bytes.subarray(this.at, end)
    this.at = end
    try {
      return utf8.decode(part)
    } catch {
      throw new Garbled('a text is not UTF-8')
    }
  }
}
