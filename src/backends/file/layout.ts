// SPDX-License-Identifier: MIT
// Where a node lies on disk: a byte range of its own in one of 4,096 empty files. Nothing is ever written there: only locked.
//
//   byte   0          V   held shared by every process that waits at this node: whoever leaves looks whether to ring
//          1          Q   held by the one waiter that may stand at the turnstile next
//          2          turnstile: a five-mode lock. Whoever waits stands here, in its own mode, and keeps later conflicting comers out
//          65,537     gate: a five-mode lock. Whoever holds the node holds it, in its own mode
//
// A five-mode lock is G, one byte, and L, a row of slots; every mode is one fcntl call:
//
//   IS   G shared            S     L shared
//   IX   one slot of L       SIX   L exclusive          X   G and L exclusive
import { EXCLUSIVE, type LockType, SHARED } from '../../native/ofd-locks.ts'

/** Recorded in the directory; a directory of another layout is refused. */
export const LAYOUT = 1
const SHARD_BITS = 12
/** Slots of a five-mode lock: as many as fit, so that two writers below one node seldom draw the same. */
export const SLOTS = 65_534

export const WAITS_AT = 0
export const QUEUE_AT = 1
export const TURNSTILE_AT = 2
export const GATE_AT: number = TURNSTILE_AT + 1 + SLOTS
/** Bytes of a node: a power of two. */
export const REGION: number = GATE_AT + 1 + SLOTS

/** Where a node lies. Two nodes may share a place: they then exclude each other more than they need to, and nothing worse. */
export interface Location {
  readonly shard: number
  /** Of its first byte. Below 2^52. */
  readonly offset: number
}

export function locate(key: string): Location {
  const high = hash(key, 0x9e3779b9)
  const low = hash(key, 0x85ebca6b)
  // The rest of the upper half and 15 bits of the lower choose the region in the file.
  return { shard: high >>> (32 - SHARD_BITS), offset: ((high & 0xfffff) * 2 ** 15 + (low >>> 17)) * REGION }
}

/** The 32-bit hash MurmurHash3 (A. Appleby, public domain), over UTF-16 code units. Part of the layout: every process must find the same place. */
function hash(text: string, seed: number): number {
  let h = seed
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51)
    k = (k << 15) | (k >>> 17)
    h ^= Math.imul(k, 0x1b873593)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  h ^= text.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The bytes that a mode locks in a five-mode lock, counted from its G, and how. */
export interface ModeRange {
  readonly type: LockType
  readonly from: number
  readonly length: number
}

export const MODE_RANGES: Readonly<Record<'IS' | 'S' | 'SIX' | 'X', ModeRange>> = {
  IS: { type: SHARED, from: 0, length: 1 },
  S: { type: SHARED, from: 1, length: SLOTS },
  SIX: { type: EXCLUSIVE, from: 1, length: SLOTS },
  X: { type: EXCLUSIVE, from: 0, length: 1 + SLOTS },
}

/** A slot for IX, drawn anew each time. */
export function drawSlot(): number {
  return 1 + Math.trunc(Math.random() * SLOTS)
}
