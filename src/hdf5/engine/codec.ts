// SPDX-License-Identifier: MIT
// Elements as they lie in the memory of an HDF5 library, to and from JavaScript. The library itself converts between file and memory.
export { decode, plain } from './codec/decode.ts'
export { encode } from './codec/encode.ts'
export { dtypeOf, layoutOf } from './codec/layout.ts'

/** How one element lies in memory. Numbers are little-endian there, whatever the file holds, unless they are `swapped`. */
export interface Layout {
  readonly kind: 'integer' | 'float' | 'string' | 'enum' | 'compound' | 'array' | 'vlen' | 'opaque' | 'reference' | 'bitfield'
  /** Bytes. */
  readonly size: number
  /** Integers and enums. */
  readonly signed?: boolean
  /** In the file, not in memory. */
  readonly bigEndian?: boolean
  /** Numbers, and bases of enums: big-endian in memory, too, where a library does not turn them. */
  readonly swapped?: boolean
  /** Strings: a pointer to a NUL-terminated text instead of `size` bytes. */
  readonly variable?: boolean
  readonly charset?: 'utf-8' | 'ascii'
  readonly padding?: 'terminated' | 'nul' | 'space'
  /** Of enums, arrays and lists of variable length. */
  readonly base?: Layout
  /** Of arrays. */
  readonly shape?: readonly number[]
  readonly fields?: readonly { readonly name: string; readonly offset: number; readonly layout: Layout }[]
  readonly members?: Readonly<Record<string, number>>
  readonly to?: 'object' | 'region'
}

/** The memory of a library: the heap of h5wasm (pointers of 4 bytes), or the process (8). */
export interface Memory {
  readonly pointerSize: 4 | 8
  /** The bytes at an address, valid until the next allocation. */
  view(address: number, length: number): Uint8Array
  /** The text at an address, up to its NUL, as bytes. */
  text(address: number): Uint8Array
  /** Copies bytes into the memory, where they stay until the current operation is over. */
  store(bytes: Uint8Array): number
}

/** Finds the path of what a reference points to; null when it is gone. */
export type ResolveReference = (bytes: Uint8Array, to: 'object' | 'region') => string | null
