// SPDX-License-Identifier: MIT
// Cuts what comes over a connection into packets.
import { MalformedPacket } from './jute.ts'

/** Servers refuse to read more than a megabyte, but may send more. */
const LARGEST_ANSWER_BYTES = 256 * 2 ** 20

export class Frames {
  private parts: Buffer[] = []
  private size = 0
  /** Bytes of the next packet, its length included; 0 while that is not known. */
  private wanted = 0

  /**
   * The packets that are complete; at most so many, the rest is kept. Throws {@link MalformedPacket} when the next one is larger than the
   * largest; nothing is reserved for what has not come yet.
   */
  take(bytes: Buffer, most: number = Number.POSITIVE_INFINITY, largestBytes: number = LARGEST_ANSWER_BYTES): Buffer[] {
    if (bytes.length > 0) {
      this.parts.push(bytes)
      this.size += bytes.length
    }
    const frames: Buffer[] = []
    let rest: Buffer | null = null
    while (frames.length < most && this.size >= Math.max(4, this.wanted)) {
      rest ??= this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts)
      const length = rest.readInt32BE(0)
      if (length < 0 || length > largestBytes) throw new MalformedPacket(`a packet of ${length} bytes`)
      this.wanted = 4 + length
      if (this.size < this.wanted) break
      frames.push(rest.subarray(4, this.wanted))
      rest = rest.subarray(this.wanted)
      this.size = rest.length
      this.wanted = 0
    }
    if (rest !== null) this.parts = rest.length > 0 ? [rest] : []
    return frames
  }
}
