// SPDX-License-Identifier: MIT
// Strings to and from the bytes that HDF5 keeps of them. What HDF5 would cut off is refused.
import { Hdf5Error } from '../../errors.ts'
import { shown } from '../../where.ts'
import type { Layout } from '../codec.ts'

const encoder = new TextEncoder()
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** @throws Hdf5Error `HDF5_TYPE`, `HDF5_RANGE` */
export function textBytes(value: unknown, layout: Layout): Uint8Array {
  if (typeof value !== 'string') throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no string`)
  if (value.includes('\0')) throw new Hdf5Error('HDF5_TYPE', `${shown(value)} has a NUL in it, where HDF5 would cut it off`)
  if (/\p{Surrogate}/u.test(value))
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} has half a surrogate pair in it, which is no text in UTF-8`)
  const bytes = encoder.encode(value)
  if (layout.charset === 'ascii' && bytes.length !== value.length) {
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is not ASCII; a string type in UTF-8 holds it`)
  }
  if (layout.variable === true) return bytes
  const room = layout.padding === 'terminated' ? layout.size - 1 : layout.size
  if (bytes.length > room) {
    throw new Hdf5Error('HDF5_RANGE', `${shown(value)} takes ${bytes.length} bytes, and the string type has room for ${room}`)
  }
  if (layout.padding === 'space' && value.endsWith(' ')) {
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} ends in a space, which a string type that is padded with spaces loses`)
  }
  return bytes
}

/** The text in the bytes of a string of fixed length, without its padding. */
export function fixedText(bytes: Uint8Array, layout: Layout): string {
  let end = bytes.length
  if (layout.padding === 'terminated') {
    const nul = bytes.indexOf(0)
    if (nul >= 0) end = nul
  } else {
    const padding = layout.padding === 'space' ? 0x20 : 0
    while (end > 0 && bytes[end - 1] === padding) end--
  }
  return textOf(bytes.subarray(0, end), layout)
}

/**
 * Bytes that are not what the type says lose nothing: for ASCII they are taken for Latin-1, as old programs wrote them; for UTF-8 each becomes half
 * a surrogate pair, U+DC80 to U+DCFF, as in Python (PEP 383).
 */
export function textOf(bytes: Uint8Array, layout: Layout): string {
  try {
    return strict.decode(bytes)
  } catch {
    return layout.charset === 'utf-8' ? withEscapes(bytes) : Buffer.from(bytes).toString('latin1')
  }
}

function withEscapes(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = characterAt(bytes, at)
    text += length === 0 ? String.fromCharCode(0xdc00 + bytes[at]!) : strict.decode(bytes.subarray(at, at + length))
    at += length || 1
  }
  return text
}

/** The bytes of the character that begins here, 0 if none does. */
function characterAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  try {
    return [...strict.decode(bytes.subarray(at, at + length))].length === 1 && at + length <= bytes.length ? length : 0
  } catch {
    return 0
  }
}
