// SPDX-License-Identifier: MIT
// The paths of objects in a file: `/group/dataset`. As in HDF5, `.` and empty segments mean nothing, and `..` is a name like any other.
import { misused } from './options.ts'
import { shown } from './where.ts'

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * The absolute path that a path means from the group `base`.
 *
 * @throws Hdf5Error `HDF5_INVALID`
 */
export function objectPath(base: string, path: unknown): string {
  const text = checkName(path, 'A path in a file')
  const absolute = text.startsWith('/') ? text : base === '/' ? `/${text}` : `${base}/${text}`
  return isPlain(absolute) ? absolute : `/${absolute.split('/').filter(isName).join('/')}`
}

/** A text that the HDF5 library can carry: of an attribute's name, of what a link leads to. @throws Hdf5Error `HDF5_INVALID` */
export function checkName(name: unknown, what: string): string {
  if (typeof name !== 'string') throw misused(`${what} is a string, not ${shown(name)}.`)
  if (name === '') throw misused(`${what} is not empty; the group itself is ".".`)
  if (name.includes('\0')) throw misused(`${what} cannot hold a NUL character: ${shown(name)}.`)
  if (LONE_SURROGATE.test(name)) throw misused(`${what} cannot hold half of a surrogate pair: ${shown(name)}.`)
  return name
}

/** Nothing to leave out: no empty segment, no `.`. */
function isPlain(path: string): boolean {
  return path === '/' || !(path.includes('//') || path.includes('/./') || path.endsWith('/') || path.endsWith('/.'))
}

function isName(segment: string): boolean {
  return segment !== '' && segment !== '.'
}
