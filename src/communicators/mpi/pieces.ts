// SPDX-License-Identifier: MIT
// How messages look to MPI: short ones are as they are; a long one is announced, and its bytes follow in pieces, so that no single call takes long.

/** The first two tags are ours: the rest is for the caller, who counts from 0. */
export const ANNOUNCEMENT = 0
export const PIECE = 1
export const OWN_TAGS = 2

/** What is longer goes in pieces of this many bytes. */
export const PIECE_BYTES: number = 1 << 18

/** The tag (32 bits), 4 bytes unused, the length (64-bit float). */
export const ANNOUNCEMENT_BYTES = 16

/**
 * A turn ends after so many messages, or so many bytes, so that others have theirs: to begin a piece, or to look whether it is complete, may be what copies it.
 */
export const MESSAGES_A_TURN = 64
export const BYTES_A_TURN: number = 1 << 20

export function announcement(tag: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(ANNOUNCEMENT_BYTES))
  view.setUint32(0, tag)
  view.setFloat64(8, length)
  return new Uint8Array(view.buffer)
}

export function announced({ buffer }: Uint8Array): { readonly tag: number; readonly length: number } {
  const view = new DataView(buffer)
  return { tag: view.getUint32(0), length: view.getFloat64(8) }
}
