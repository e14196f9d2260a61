// SPDX-License-Identifier: MIT
// Where workers put down their marks so that nothing is lost with them: threads in shared memory, processes at the end of one file. Neither asks
// for a lock: a place in shared memory is taken by one atomic addition, and the kernel appends what one write brings as a whole.
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mark } from './oracle.ts'

/** Takes marks. */
export interface Marks {
  put(mark: Mark): void
}

function encode(mark: Mark): string {
  return JSON.stringify(mark, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

const NUMBERS: readonly string[] = ['at', 'token', 'deadline']

/** Null for what somebody who was killed left half written. */
function decode(text: string): Mark | null {
  try {
    return JSON.parse(text, (key, value: unknown) => (NUMBERS.includes(key) ? BigInt(value as string) : value)) as Mark
  } catch {
    return null
  }
}

/** Marks in a file that is open for appending. A mark begins and ends with a newline, so that a torn one spoils no other. */
export class FileMarks implements Marks {
  readonly fd: number
  private closed = false

  constructor(fd: number) {
    this.fd = fd
  }

  /** A file that has lost its name already, and is gone with the last that has it open: handed to processes as a descriptor. */
  static unnamed(): FileMarks {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-marks-'))
    try {
      return new FileMarks(openSync(join(folder, 'marks'), 'ax+'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  put(mark: Mark): void {
    if (!this.closed) writeSync(this.fd, `\n${encode(mark)}\n`)
  }

  /** Marks that come later are forgotten. */
  close(): void {
    if (!this.closed) closeSync(this.fd)
    this.closed = true
  }

  read(): Mark[] {
    const bytes = Buffer.alloc(fstatSync(this.fd).size)
    let length = 0
    while (length < bytes.length) {
      const got = readSync(this.fd, bytes, length, bytes.length - length, length)
      if (got === 0) break
      length += got
    }
    return bytes
      .toString('utf8', 0, length)
      .split('\n')
      .flatMap((line) => (line === '' ? [] : (decode(line) ?? [])))
  }
}

/** Of one mark, in shared memory: its length, and as much text as it may have. */
const SLOT_BYTES = 512
const LENGTH_BYTES = 4

/** Marks in shared memory. The first number counts the slots that are taken; the length in a slot is written last, when its text is there. */
export class SharedMarks implements Marks {
  readonly memory: SharedArrayBuffer
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  private readonly slots: number

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.words = new Int32Array(memory)
    this.bytes = new Uint8Array(memory)
    this.slots = memory.byteLength / SLOT_BYTES - 1
  }

  /** Room for so many marks. */
  static withRoomFor(marks: number): SharedMarks {
    return new SharedMarks(new SharedArrayBuffer((marks + 1) * SLOT_BYTES))
  }

  put(mark: Mark): void {
    const text = Buffer.from(encode(mark))
    if (text.length > SLOT_BYTES - LENGTH_BYTES) throw new RangeError(`A mark has ${SLOT_BYTES - LENGTH_BYTES} bytes at most: ${text}`)
    const slot = Atomics.add(this.words, 0, 1) + 1
    if (slot > this.slots) throw new RangeError(`There is no room for more than ${this.slots} marks.`)
    this.bytes.set(text, slot * SLOT_BYTES + LENGTH_BYTES)
    Atomics.store(this.words, (slot * SLOT_BYTES) / LENGTH_BYTES, text.length)
  }

  read(): Mark[] {
    const marks: Mark[] = []
    for (let slot = 1; slot <= Math.min(this.slots, Atomics.load(this.words, 0)); slot++) {
      const length = Atomics.load(this.words, (slot * SLOT_BYTES) / LENGTH_BYTES)
      if (length === 0) continue
      const from = slot * SLOT_BYTES + LENGTH_BYTES
      const mark = decode(Buffer.from(this.bytes.slice(from, from + length)).toString())
      if (mark !== null) marks.push(mark)
    }
    return marks
  }
}
