// SPDX-License-Identifier: MIT
// What lies around small reads, kept for the next one: HDF5 reads the description of a dataset in a dozen pieces. Only for files that nobody writes.
import type { Source } from './wasm-files.ts'

const BLOCK_BYTES = 8192
const PLACES = 8
/** Longer reads are of elements. */
const MOST_BYTES = 4096

/** A block of some file, whichever came last. */
interface Place {
  readonly bytes: Uint8Array
  length: number
  number: number
  owner: ReadAhead | null
}

/** All files of the thread have them together. */
const places: readonly Place[] = Array.from({ length: PLACES }, () => ({
  bytes: new Uint8Array(BLOCK_BYTES),
  length: 0,
  number: 0,
  owner: null,
}))

/** A source whose bytes do not change while it is in use. */
export class ReadAhead implements Source {
  private readonly source: Source

  constructor(source: Source) {
    this.source = source
  }

  get size(): number {
    return this.source.size
  }

  read(into: Uint8Array, position: number): number {
    const number = Math.floor(position / BLOCK_BYTES)
    const from = position - number * BLOCK_BYTES
    if (into.length > MOST_BYTES || from + into.length > BLOCK_BYTES) return this.source.read(into, position)
    const place = places[number % PLACES]!
    if (place.owner !== this || place.number !== number) this.fill(place, number)
    const length = Math.max(0, Math.min(into.length, place.length - from))
    into.set(place.bytes.subarray(from, from + length))
    return length
  }

  write(bytes: Uint8Array, position: number): void {
    this.source.write(bytes, position)
  }

  truncate(length: number): void {
    this.source.truncate(length)
  }

  private fill(place: Place, number: number): void {
    place.owner = null
    place.length = this.source.read(place.bytes, number * BLOCK_BYTES)
    place.number = number
    place.owner = this
  }
}
