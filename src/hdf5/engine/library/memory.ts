// SPDX-License-Identifier: MIT
// Memory of the process for texts and lists that elements point to, held until an operation is over.
import type { LibHdf5 } from '../../../native/libhdf5.ts'
import type { Memory } from '../codec.ts'

export class ProcessMemory implements Memory {
  readonly pointerSize = 8
  private readonly process: LibHdf5
  private readonly held: bigint[] = []

  constructor(process: LibHdf5) {
    this.process = process
  }

  view(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    if (length > 0) this.process.copyFrom(bytes, BigInt(address), length)
    return bytes
  }

  text(address: number): Uint8Array {
    return new TextEncoder().encode(this.process.koffi.decode.string(BigInt(address)))
  }

  store(bytes: Uint8Array): number {
    const { koffi, copyTo } = this.process
    const address = koffi.address(koffi.alloc('uint8_t', Math.max(bytes.length, 1)))
    this.held.push(address)
    if (bytes.length > 0) copyTo(address, bytes, bytes.length)
    return Number(address)
  }

  free(): void {
    for (const address of this.held.splice(0)) this.process.koffi.free(address)
  }
}
