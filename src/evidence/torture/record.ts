// SPDX-License-Identifier: MIT
// The record: what workers put down, in memory that they share with whoever judges, so that nothing is lost with a process that is killed and no mark costs
// a system call. Each worker has a ring of its own, which it alone writes and the judge alone empties; marks of one ring are in the order of their times.
//
//     cells of the fenced resource | ring 0 | ring 1 …        a ring: a head, then MARKS marks
//     head: when its worker last wrote; marks written; marks read      a mark: word and lease; time; token; deadline; places
import { closeSync } from 'node:fs'
import { createSharedMemory, type MappedMemory, mapMemory } from '../../native/shared-memory.ts'
import { placesOf } from './places.ts'
import { MOST_ROOTS } from './requests.ts'

const WORDS = ['asked', 'queued', 'withdrawn', 'refused', 'granted', 'good', 'weakened', 'released', 'lost', 'wrote', 'shaken'] as const
type Word = (typeof WORDS)[number]
/** Why a request was not granted: somebody was in the way of a try; it gave up; the server could not be reached; or something that should not be. */
export const REFUSALS = ['busy', 'timed out', 'aborted', 'unavailable', 'failed'] as const
export type Refusal = (typeof REFUSALS)[number]

const MARKS = 16_384
const MARK_NUMBERS = 6
const HEAD_NUMBERS = 8
const RING_NUMBERS = HEAD_NUMBERS + MARKS * MARK_NUMBERS
const RING_BYTES = 8 * RING_NUMBERS
/** Where those who make marks wait until some were read. */
const CROWDED = MARKS / 2

/** Where things stand in a head, in numbers of 64 bits, and of 32. */
const ALIVE = 0
const WRITTEN = 2
const READ = 4

/** As it lies in the record. Roots are numbers of places. */
export interface RawMark {
  readonly word: Word
  readonly lease: number
  readonly at: bigint
  readonly token: bigint
  /** Of a lease; of a request that is asked for, when it will have given up; of a write, 1 when it was accepted; of a refusal, its number. */
  readonly deadline: bigint
  readonly read: readonly number[]
  readonly write: readonly number[]
}

export class SharedRecord {
  /** To be given to workers. */
  readonly fd: number
  private readonly memory: MappedMemory
  private readonly ringsFrom: number
  private readonly cellCount: number

  /** For so many workers and trees. */
  static create(workers: number, trees: number): SharedRecord {
    return new SharedRecord(createSharedMemory('holdfast-torture', cellsBytes(trees) + workers * RING_BYTES), workers, trees)
  }

  /** The record that this process was given. */
  static open(fd: number, workers: number, trees: number): SharedRecord {
    return new SharedRecord(fd, workers, trees)
  }

  private constructor(fd: number, workers: number, trees: number) {
    this.fd = fd
    this.cellCount = placesOf(trees).length
    this.ringsFrom = cellsBytes(trees)
    this.memory = mapMemory(fd, this.ringsFrom + workers * RING_BYTES)
  }

  /** One for each place. */
  get cells(): BigInt64Array {
    return new BigInt64Array(this.memory.bytes, 0, this.cellCount)
  }

  ring(worker: number): Ring {
    return new Ring(this.memory.bytes, this.ringsFrom + worker * RING_BYTES)
  }

  /** Nobody uses it any more. */
  close(): void {
    this.memory.unmap()
    closeSync(this.fd)
  }
}

type Places = readonly number[]
const NO_ROOTS: Places = []

export class Ring {
  private readonly numbers: BigInt64Array
  private readonly counts: Int32Array
  private readonly roots: Uint16Array

  constructor(memory: ArrayBuffer, offset: number) {
    this.numbers = new BigInt64Array(memory, offset, RING_NUMBERS)
    this.counts = new Int32Array(memory, offset, 2 * RING_NUMBERS)
    this.roots = new Uint16Array(memory, offset, 4 * RING_NUMBERS)
  }

  /** For a new worker: nothing was written, and nothing will be before this time. */
  begin(at: bigint): void {
    Atomics.store(this.counts, WRITTEN, 0)
    Atomics.store(this.counts, READ, 0)
    Atomics.store(this.numbers, ALIVE, at)
  }

  /** Nothing that will be written is older than this. */
  get alive(): bigint {
    return Atomics.load(this.numbers, ALIVE)
  }

  set alive(at: bigint) {
    Atomics.store(this.numbers, ALIVE, at)
  }

  get crowded(): boolean {
    return this.unread > CROWDED
  }

  put(
    word: Word,
    lease: number,
    at: bigint,
    deadline: bigint = 0n,
    token: bigint = 0n,
    read: Places = NO_ROOTS,
    write: Places = NO_ROOTS,
  ): void {
    if (this.unread >= MARKS) throw new RangeError('The record is full.')
    const written = this.counts[WRITTEN]!
    const place = placeOf(written)
    const { numbers, counts, roots } = this
    counts[2 * place] = WORDS.indexOf(word)
    counts[2 * place + 1] = lease
    numbers[place + 1] = at
    numbers[place + 2] = token
    numbers[place + 3] = deadline
    const first = 4 * (place + 4)
    for (let i = 0; i < MOST_ROOTS; i++) {
      roots[first + i] = i < read.length ? read[i]! + 1 : 0
      roots[first + MOST_ROOTS + i] = i < write.length ? write[i]! + 1 : 0
    }
    Atomics.store(counts, WRITTEN, written + 1)
    Atomics.store(numbers, ALIVE, at)
  }

  /** What was written since it was last asked, and how far that goes: nothing that is older than the answer will follow. */
  take(into: (mark: RawMark) => void): bigint {
    const { alive, counts } = this
    const written = Atomics.load(counts, WRITTEN)
    for (let read = counts[READ]!; read !== written; read = (read + 1) | 0) into(this.mark(placeOf(read)))
    Atomics.store(counts, READ, written)
    return alive
  }

  private get unread(): number {
    return (this.counts[WRITTEN]! - Atomics.load(this.counts, READ)) | 0
  }

  private mark(place: number): RawMark {
    const { numbers, counts } = this
    const roots = 4 * (place + 4)
    return {
      word: WORDS[counts[2 * place]!]!,
      lease: counts[2 * place + 1]!,
      at: numbers[place + 1]!,
      token: numbers[place + 2]!,
      deadline: numbers[place + 3]!,
      read: this.places(roots),
      write: this.places(roots + MOST_ROOTS),
    }
  }

  private places(from: number): readonly number[] {
    if (this.roots[from] === 0) return NO_ROOTS
    const list: number[] = []
    for (let i = from; i < from + MOST_ROOTS && this.roots[i] !== 0; i++) list.push(this.roots[i]! - 1)
    return list
  }
}

/** Room for the cells, in whole pages. */
function cellsBytes(trees: number): number {
  return Math.ceil((8 * placesOf(trees).length) / 4_096) * 4_096
}

/** Counts wrap around after 2^32, which is a multiple of the size of a ring. */
function placeOf(count: number): number {
  return HEAD_NUMBERS + ((count >>> 0) % MARKS) * MARK_NUMBERS
}
