// SPDX-License-Identifier: MIT
// A memory of a library that is no library: addresses into an array.
import type { Memory } from '../../../src/hdf5/engine/codec.ts'

export class PlainMemory implements Memory {
  readonly pointerSize: 4 | 8
  private bytes = new Uint8Array(1024)
  /** Nothing lies at the address 0. */
  private next = 16

  constructor(pointerSize: 4 | 8) {
    this.pointerSize = pointerSize
  }

  view(address: number, length: number): Uint8Array {
    return this.bytes.subarray(address, address + length)
  }

  text(address: number): Uint8Array {
    return this.bytes.subarray(address, this.bytes.indexOf(0, address))
  }

  store(bytes: Uint8Array): number {
    const address = this.next
    this.next += (bytes.length + 23) & -8
    if (this.next > this.bytes.length) {
      const larger = new Uint8Array(2 * this.next)
      larger.set(this.bytes)
      this.bytes = larger
    }
    this.bytes.set(bytes, address)
    // What is read must not depend on zeros that happen to follow.
    this.bytes.fill(0xaa, address + bytes.length, this.next)
    return address
  }
}
