// SPDX-License-Identifier: MIT
// What lies around small reads, kept for the next one: HDF5 reads the description of a dataset in a dozen pieces. Only for files that nobody
// writes. It also keeps book of what the library has been told, so that this can be compared with the file when that is opened again.
import type { Source } from './wasm-files.ts'

const BLOCK_BYTES = 8192
/** What is told from more blocks than these is told, but not kept book of. */
const MOST_BLOCKS = 16
/** Longer reads are of elements, mostly. */
const MOST_BYTES = 4096
/** Unused blocks that are kept for the files to come. */
const MOST_SPARE = 64

interface Block {
  bytes: Uint8Array
  readonly number: number
  /** Less than a whole block at the end of the file. */
  readonly length: number
  /** What was asked for lies in this part. */
  from: number
  to: number
}

const spare: Uint8Array[] = []
let comparing: Uint8Array = new Uint8Array(BLOCK_BYTES)

/** A source whose bytes do not change while it is in use. */
export class ReadAhead implements Source {
  /**
   * Long reads are of elements now, of which the library keeps nothing: they need not be in the books.
   */
  readsElements = false
  private source: Source
  private readonly length: number
  private readonly blocks: Block[] = []
  private latest: Block | null = null
  private complete = true

  constructor(source: Source) {
    this.source = source
    this.length = source.size
  }

  get size(): number {
    return this.source.size
  }

  /** Whatever was read is in the books, except for elements. */
  get isComplete(): boolean {
    return this.complete
  }

  /**
   * Goes on with another source, if all that was ever told is true of it as well: then true.
   *
   * @throws what the source throws
   */
  goOn(source: Source): boolean {
    if (!this.complete || source.size !== this.length) return false
    for (const block of this.blocks) {
      const { bytes, number, length, from, to } = block
      if (source.read(comparing.subarray(0, length), number * BLOCK_BYTES) !== length) return false
      if (Buffer.compare(comparing.subarray(from, to), bytes.subarray(from, to)) !== 0) return false
      // What lies beside it may have changed.
      block.bytes = comparing
      comparing = bytes
    }
    this.source = source
    return true
  }

  read(into: Uint8Array, position: number): number {
    if (into.length > MOST_BYTES) {
      if (!this.readsElements) this.complete = false
      return this.source.read(into, position)
    }
    let done = 0
    while (done < into.length) {
      const at = position + done
      const number = Math.floor(at / BLOCK_BYTES)
      const block = this.block(number)
      if (block === null) return done + this.source.read(into.subarray(done), at)
      const from = at - number * BLOCK_BYTES
      const to = Math.min(from + into.length - done, block.length)
      if (to <= from) break
      into.set(block.bytes.subarray(from, to), done)
      block.from = Math.min(block.from, from)
      block.to = Math.max(block.to, to)
      done += to - from
    }
    return done
  }

  write(bytes: Uint8Array, position: number): void {
    this.source.write(bytes, position)
  }

  truncate(length: number): void {
    this.source.truncate(length)
  }

  /** It is not used again. */
  end(): void {
    this.complete = false
    for (const { bytes } of this.blocks.splice(0)) if (spare.length < MOST_SPARE) spare.push(bytes)
    this.latest = null
  }

  /** Null when there is no more room. */
  private block(number: number): Block | null {
    if (this.latest?.number === number) return this.latest
    const known = this.blocks.find((block) => block.number === number)
    if (known !== undefined) {
      this.latest = known
      return known
    }
    const wasComplete = this.complete
    this.complete = false
    if (this.blocks.length === MOST_BLOCKS) return null
    const bytes = spare.pop() ?? new Uint8Array(BLOCK_BYTES)
    const length = this.source.read(bytes, number * BLOCK_BYTES)
    this.complete = wasComplete
    this.latest = { bytes, number, length, from: BLOCK_BYTES, to: 0 }
    this.blocks.push(this.latest)
    return this.latest
  }
}
