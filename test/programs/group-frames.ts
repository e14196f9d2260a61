// SPDX-License-Identifier: MIT
// Messages in a stream of bytes, each with its length before it.

const HEAD_BYTES = 4

export function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32LE(bytes.length)
  return Buffer.concat([head, bytes])
}

export class Frames {
  private rest: Buffer = Buffer.alloc(0)
  private readonly receive: (bytes: Buffer) => void

  constructor(receive: (bytes: Buffer) => void) {
    this.receive = receive
  }

  push(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk])
    while (this.rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.rest.readUInt32LE()
      if (this.rest.length < end) return
      const bytes = this.rest.subarray(HEAD_BYTES, end)
      this.rest = this.rest.subarray(end)
      this.receive(bytes)
    }
  }
}
