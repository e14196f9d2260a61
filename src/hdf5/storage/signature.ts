// SPDX-License-Identifier: MIT
// The eight bytes by which an HDF5 file is known, where they lie, and the mark that stands in their place while a write transaction is under way:
// no HDF5 library opens a file that carries it.

/** The HDF5 signature. */
export const SIGNATURE: Uint8Array = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a)
export const SIGNATURE_BYTES = 8
/** How many of the mark's bytes name the journal. */
export const ID_BYTES = 5

/** Where a signature may lie: at 0 or, behind a user block, at 512 and each power of two above. */
const FIRST_BEHIND_USER_BLOCK = 512
/** What a mark begins with: bytes that begin neither a text nor an HDF5 file. The journal's id follows. */
const MARK_BEGIN: Uint8Array = Uint8Array.of(0x89, 0x48, 0xfd)

/** The mark that names a journal. */
export function markOf(id: Uint8Array): Uint8Array {
  const mark = new Uint8Array(SIGNATURE_BYTES)
  mark.set(MARK_BEGIN)
  mark.set(id, MARK_BEGIN.length)
  return mark
}

export interface Located {
  /** Where the signature, or the mark in its place, lies. */
  readonly at: number
  /** The id of the journal of whoever died while writing; null when the signature itself is there. */
  readonly journalId: Uint8Array | null
}

/** Looks for the signature or a mark as HDF5 libraries look for the signature. Null: this is no HDF5 file. */
export function locate(read: (into: Uint8Array, position: number) => number, size: number): Located | null {
  const found = new Uint8Array(SIGNATURE_BYTES)
  for (let at = 0; at + SIGNATURE_BYTES <= size; at = at === 0 ? FIRST_BEHIND_USER_BLOCK : at * 2) {
    if (read(found, at) < SIGNATURE_BYTES) return null
    if (beginsWith(found, SIGNATURE)) return { at, journalId: null }
    if (beginsWith(found, MARK_BEGIN)) return { at, journalId: found.slice(MARK_BEGIN.length) }
  }
  return null
}

function beginsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  for (let i = 0; i < beginning.length; i++) if (bytes[i] !== beginning[i]) return false
  return true
}
