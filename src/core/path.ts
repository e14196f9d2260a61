// SPDX-License-Identifier: MIT
// Paths become nodes here, and nowhere else. A node is a key and the keys of everything above it; the rest of Holdfast
// never takes a key apart again.
import { invalid } from './errors.ts'

/** A path as text (`/a/b`), or as its segments (`['a', 'b']`, where a segment may hold anything but `/` and NUL). */
export type PathLike = string | readonly string[]

/** A place in the tree. `ancestors` go from the root down, the node itself not included. */
export interface LockNode {
  readonly key: string
  readonly ancestors: readonly string[]
}

/**
 * How paths are written.
 *
 * - `absolute` (the default): `/a/b`. It starts with `/`, has no empty segment, no `.` and no `..`.
 * - `object-key`: the keys of an object store, `folder/part-1`. They are relative, empty segments mean something
 *   (`a//b` is not `a/b`), and a single `/` at the end only says that a folder is meant: `a/` is `a`. `''` is the root.
 */
export type PathStyle = 'absolute' | 'object-key'

export const MAX_PATH_BYTES = 4096
export const MAX_PATH_DEPTH = 128

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Text or segments to a node. Text is compared as it is given, code unit by code unit: no case folding, no Unicode normalisation
 * (`é` in one piece and `é` in two are different paths).
 *
 * @throws LockError `LOCK_INVALID`, saying which path and why.
 */
export function parsePath(path: PathLike, style: PathStyle = 'absolute'): LockNode {
  const segments = typeof path === 'string' ? split(path, style) : listed(path)
  for (const segment of segments) checkSegment(segment, path, style)
  return nodeOf(segments, path)
}

function split(path: string, style: PathStyle): readonly string[] {
  if (style === 'object-key') {
    const segments = path.split('/')
    if (segments.at(-1) === '') segments.pop()
    return segments
  }
  if (path === '/') return []
  if (!path.startsWith('/')) {
    const hint = path === '' ? 'the root is "/"' : 'a path given as segments goes inside a list: [["a", "b"]]'
    throw bad(path, `it does not start with "/"; ${hint}`)
  }
  return path.slice(1).split('/')
}

function listed(path: unknown): readonly string[] {
  if (!Array.isArray(path)) throw bad(path, `it is ${nameOfType(path)}, not a string or a list of segments`)
  return path
}

function checkSegment(segment: unknown, path: PathLike, style: PathStyle): void {
  if (typeof segment !== 'string') throw bad(path, `a segment is ${nameOfType(segment)}, not a string`)
  if (segment.includes('/')) throw bad(path, `the segment ${JSON.stringify(segment)} holds a "/"`)
  if (segment.includes('\0')) throw bad(path, 'it holds a NUL character')
  if (LONE_SURROGATE.test(segment)) throw bad(path, 'it holds half of a surrogate pair, which no encoding can carry')
  if (style === 'object-key') return
  if (segment === '') throw bad(path, 'it has an empty segment ("//", or a "/" at the end)')
  if (segment === '.' || segment === '..') throw bad(path, `it has a "${segment}" segment: resolve it first`)
}

function nodeOf(segments: readonly string[], path: PathLike): LockNode {
  if (segments.length > MAX_PATH_DEPTH) throw bad(path, `it is ${segments.length} levels deep, more than ${MAX_PATH_DEPTH}`)
  if (segments.length === 0) return { key: '/', ancestors: [] }
  const ancestors = ['/']
  // Only an object key can start with an empty segment; it is written as a second slash, so that it is not taken for the root.
  let key = segments[0] === '' ? '//' : `/${segments[0]}`
  for (let depth = 1; depth < segments.length; depth++) {
    ancestors.push(key)
    key += `/${segments[depth]}`
  }
  if (utf8Length(key) > MAX_PATH_BYTES) throw bad(path, `it is ${utf8Length(key)} bytes long, more than ${MAX_PATH_BYTES}`)
  return { key, ancestors }
}

function utf8Length(text: string): number {
  if (text.length * 3 <= MAX_PATH_BYTES) return text.length
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

function bad(path: unknown, why: string): Error {
  const text = shown(path)
  return invalid(`Not a path that can be locked: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}: ${why}.`)
}

/** Whatever it is, without failing over it. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value)
}

function nameOfType(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'a list' : /^[aeiou]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`
}
