// SPDX-License-Identifier: MIT
// Random transactions on a file that begins as HDF5 files do, and what they make of its bytes.
import { SIGNATURE, SIGNATURE_BYTES } from '../../../src/hdf5/storage/signature.ts'
import type { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'

export type Step =
  | { readonly do: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly do: 'truncate'; readonly length: number }

export interface Limits {
  readonly steps: number
  /** Of one write. */
  readonly bytes: number
  /** Of the file. */
  readonly size: number
}

/** Where HDF5 files may have their signature. */
export const PLACES: readonly number[] = [0, 512, 2048]

/** Bytes with a signature at `at` and nowhere before. */
export function content(random: () => number, size: number, at: number): Buffer {
  const bytes = noise(random, size)
  bytes.fill(0x20, 0, at)
  bytes.set(SIGNATURE, at)
  return bytes
}

/** Steps that leave the signature where it is, although they may write it, and the file's bytes after them. */
export function randomTransaction(random: () => number, before: Buffer, at: number, limits: Limits): { steps: Step[]; after: Buffer } {
  const steps: Step[] = []
  const bytes = Buffer.alloc(Math.max(limits.size, before.length))
  before.copy(bytes)
  let length = before.length
  for (let count = 1 + (random() % limits.steps); count > 0; count--) {
    const step = randomStep(random, length, at, limits)
    if (step.do === 'write') {
      keepSignature(step, at)
      step.bytes.copy(bytes, step.position)
      length = Math.max(length, step.position + step.bytes.length)
    } else {
      bytes.fill(0, step.length)
      length = step.length
    }
    steps.push(step)
  }
  return { steps, after: bytes.subarray(0, length) }
}

/** What a step makes of the bytes of a file. */
export function apply(step: Step, before: Buffer): Buffer {
  const length = step.do === 'write' ? Math.max(before.length, step.position + step.bytes.length) : step.length
  const after = Buffer.alloc(length)
  before.copy(after)
  if (step.do === 'write') step.bytes.copy(after, step.position)
  return after
}

export function perform(step: Step, stored: StoredFile): void {
  if (step.do === 'write') stored.write(step.bytes, step.position)
  else stored.truncate(step.length)
}

function randomStep(random: () => number, size: number, at: number, limits: Limits): Step {
  const least = at + SIGNATURE_BYTES
  const kind = random() % 12
  if (kind === 0) return { do: 'truncate', length: least + (random() % (size - least + 1)) }
  if (kind === 1) return { do: 'truncate', length: Math.min(limits.size, size + (random() % 20_000)) }
  const most = kind < 8 ? Math.min(limits.bytes, 600) : limits.bytes
  const bytes = noise(random, 1 + (random() % most))
  let position = random() % (size + 1)
  if (random() % 4 === 0) position -= position % 4096
  // Superblocks are rewritten again and again, with their signature.
  if (random() % 6 === 0) position = Math.max(0, at - (random() % 20))
  if (random() % 5 === 0) position = size
  return { do: 'write', position: Math.max(0, Math.min(position, limits.size - bytes.length)), bytes }
}

function keepSignature({ position, bytes }: { position: number; bytes: Buffer }, at: number): void {
  for (let i = 0; i < SIGNATURE_BYTES; i++) {
    const place = at + i - position
    if (place >= 0 && place < bytes.length) bytes[place] = SIGNATURE[i]!
  }
  // Nor may one appear before it.
  if (position < at) bytes.fill(0x20, 0, Math.min(bytes.length, at - position))
}

function noise(random: () => number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  // Differs from one to the next, and is made quickly.
  let value = random() | 1
  for (let i = 0; i < words.length; i++) {
    value = (Math.imul(value, 1664525) + 1013904223) | 0
    words[i] = value
  }
  return Buffer.from(words.buffer, 0, length)
}
