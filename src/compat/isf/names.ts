// SPDX-License-Identifier: MIT
// How the name of a lock becomes a path in the lock space. A name is any text: it may hold slashes and dots, or be the path of a file, and none of that
// means anything. Each name is one node below the root, so no lock covers another, as in the Python library.
import { invalid } from '../../core/errors.ts'
import { parsePath } from '../../core/path.ts'

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * `/data/a.db` → `/%2Fdata%2Fa.db`. `%`, `/` and NUL are written as `%` and two digits, and so are the dots of the names `.` and `..`; all else stands
 * for itself. Since a `%` never does, no two names become one path.
 *
 * @throws LockError `LOCK_INVALID` for what is no text, an empty one, half a surrogate pair, or more than 4,096 bytes of a path.
 */
export function pathOf(name: string): string {
  if (typeof name !== 'string') throw invalid(`The name of a lock is a string, not ${name === null ? 'null' : typeof name}.`)
  if (name === '') throw invalid('The name of a lock is empty.')
  if (LONE_SURROGATE.test(name)) throw invalid('The name of a lock holds half of a surrogate pair, which no encoding can carry.')
  const segment = /^\.\.?$/.test(name) ? name.replaceAll('.', '%2E') : name.replace(/[%/\0]/g, (sign) => ENCODED[sign]!)
  const path = `/${segment}`
  parsePath(path)
  return path
}

const ENCODED: Readonly<Record<string, string>> = { '%': '%25', '/': '%2F', '\0': '%00' }
