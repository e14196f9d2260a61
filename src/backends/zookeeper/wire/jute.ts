// SPDX-License-Identifier: MIT
// Jute, the encoding of everything that ZooKeeper sends: big-endian numbers, and text, bytes and lists behind their length.

/** What came is not what the protocol allows. The connection that brought it is of no use any more. */
export class MalformedPacket extends Error {
  constructor(what: string) {
    super(`ZooKeeper sent what it should not: ${what}.`)
    this.name = 'MalformedPacket'
  }
}

const FIRST_SIZE = 256

/** Writes one packet. The first four bytes are its length, filled in by {@link finish}. */
export class JuteWriter {
  private bytes: Buffer = Buffer.allocUnsafe(FIRST_SIZE)
  private at = 4

  /** Bytes written so far, the length in front not counted. */
  get size(): number {
    return this.at - 4
  }

  int(value: number): this {
    this.at = this.room(4).writeInt32BE(value, this.at)
    return this
  }

  long(value: bigint): this {
    this.at = this.room(8).writeBigInt64BE(value, this.at)
    return this
  }

  bool(value: boolean): this {
    this.at = this.room(1).writeUInt8(value ? 1 : 0, this.at)
    return this
  }

  text(value: string): this {
    // UTF-8 takes at most three bytes for each code unit.
    const most = value.length * 3
    const bytes = this.room(4 + most)
    const length = bytes.write(value, this.at + 4, most, 'utf8')
    bytes.writeInt32BE(length, this.at)
    this.at += 4 + length
    return this
  }

  buffer(value: Uint8Array): this {
    this.int(value.length)
    this.room(value.length).set(value, this.at)
    this.at += value.length
    return this
  }

  texts(values: readonly string[]): this {
    this.int(values.length)
    for (const value of values) this.text(value)
    return this
  }

  /** The packet, with its length in front. */
  finish(): Buffer {
    this.bytes.writeInt32BE(this.size, 0)
    return this.bytes.subarray(0, this.at)
  }

  private room(more: number): Buffer {
    if (this.at + more > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + more))
      this.bytes.copy(larger, 0, 0, this.at)
      this.bytes = larger
    }
    return this.bytes
  }
}

/** Reads one packet, and never beyond its end. */
export class JuteReader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  int(): number {
    const at = this.take(4, 'a number')
    return this.bytes.readInt32BE(at)
  }

  long(): bigint {
    const at = this.take(8, 'a long number')
    return this.bytes.readBigInt64BE(at)
  }

  bool(): boolean {
    const at = this.take(1, 'a truth value')
    return this.bytes[at] !== 0
  }

  text(): string {
    const length = this.length('a text')
    const at = this.take(length, 'a text')
    return this.bytes.toString('utf8', at, at + length)
  }

  /** A copy, so that a few bytes do not keep a large packet in memory. */
  buffer(): Buffer {
    const length = this.length('bytes')
    const at = this.take(length, 'bytes')
    return Buffer.from(this.bytes.subarray(at, at + length))
  }

  texts(): string[] {
    const count = this.length('a list')
    // Each takes four bytes at least: a count beyond that is no reason to reserve memory.
    if (count * 4 > this.left) throw new MalformedPacket(`a list of ${count} where ${this.left} bytes are left`)
    return Array.from({ length: count }, () => this.text())
  }

  /** ZooKeeper writes "nothing" as a length of -1. */
  private length(what: string): number {
    const length = this.int()
    if (length < -1) throw new MalformedPacket(`${what} with a length of ${length}`)
    return Math.max(0, length)
  }

  private take(length: number, what: string): number {
    const { at } = this
    if (length > this.left) throw new MalformedPacket(`${what} of ${length} bytes where ${this.left} are left`)
    this.at += length
    return at
  }
}
