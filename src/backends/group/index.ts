// SPDX-License-Identifier: MIT
// Locks among the ranks of a group: one rank, the home, has the lock table; the others ask it by message.
import type { Communicator } from '../../communicators/communicator.ts'
import type { Backend, Preference } from '../../core/backend.ts'
import { invalid } from '../../core/errors.ts'
import { GroupBackend } from './backend.ts'

export interface GroupBackendOptions {
  /** Who goes first among requests that conflict. Default: whoever came first. */
  readonly prefer?: Preference | undefined
  /** The rank that keeps the locks. Default 0. */
  readonly home?: number | undefined
  /** A word for this lock space, to be told apart from others of the group in messages. Default: none. */
  readonly name?: string | undefined
}

/**
 * An engine for the ranks of a group. Every rank makes it, with the same options and in the same order among its other uses of the group: rank 0
 * compares the options, and whoever differs is refused with `LOCK_INVALID` before it can take anything.
 *
 * Locks end with their rank. With the home's end all locks of the group are lost, and later requests reject with `LOCK_UNAVAILABLE`.
 *
 * @throws LockError `LOCK_INVALID` for a bad option, `LOCK_CLOSED` when this rank has left its group, `LOCK_UNAVAILABLE` when that is over.
 */
export function groupBackend(communicator: Communicator, options: GroupBackendOptions = {}): Backend {
  const { prefer = 'first-come', home = 0, name = '' } = options
  if (prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  if (!(Number.isInteger(home) && home >= 0 && home < communicator.size)) {
    throw invalid(`home is a rank of the group, from 0 to ${communicator.size - 1}, not ${String(home)}.`)
  }
  if (typeof name !== 'string') throw invalid('name is a string.')
  return new GroupBackend(communicator, { prefer, home, name })
}
