// SPDX-License-Identifier: MIT
// The heap of h5wasm as a memory that elements are written from. What was stored is freed when the work is done.
import { Hdf5Error } from '../errors.ts'
import type { Memory } from './codec.ts'
import type { H5Module } from './h5-module.ts'

export class WasmHeap implements Memory {
  readonly pointerSize = 4
  private readonly module: H5Module
  private readonly addresses: number[] = []

  constructor(module: H5Module) {
    this.module = module
  }

  view(address: number, length: number): Uint8Array {
    return this.module.HEAPU8.subarray(address, address + length)
  }

  text(address: number): Uint8Array {
    const heap = this.module.HEAPU8
    return heap.subarray(address, heap.indexOf(0, address))
  }

  /** @throws Hdf5Error `HDF5_TOO_LARGE` when the heap, of 2 GiB at most, is full */
  store(bytes: Uint8Array): number {
    const address = this.module._malloc(Math.max(1, bytes.length))
    if (address === 0) throw new Hdf5Error('HDF5_TOO_LARGE', `there is no room for ${bytes.length} bytes in the memory of h5wasm`)
    this.addresses.push(address)
    this.module.HEAPU8.set(bytes, address)
    return address
  }

  free(): void {
    for (const address of this.addresses.splice(0)) this.module._free(address)
  }
}

/** Runs with a heap whose contents last until `work` is done. */
export function withHeap<Result>(module: H5Module, work: (heap: WasmHeap) => Result): Result {
  const heap = new WasmHeap(module)
  try {
    return work(heap)
  } finally {
    heap.free()
  }
}

/** Takes whatever is stored and forgets it: for checking elements without writing them. */
export const NOWHERE: Memory = {
  pointerSize: 4,
  view: () => new Uint8Array(0),
  text: () => new Uint8Array(0),
  store: () => 0,
}
