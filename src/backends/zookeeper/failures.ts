// SPDX-License-Identifier: MIT
// What the answers of a server, and the loss of a connection, mean to somebody who wants a lock.
import { isLockError, LockError, type LockErrorCode } from '../../core/errors.ts'
import { ZooKeeperError } from './wire/errors.ts'

/** By what the server says. */
const MEANING: Readonly<Record<string, readonly [LockErrorCode, string]>> = {
  NOAUTH: [
    'LOCK_DENIED',
    'its access list does not let us do what a lock needs (read, write, create and delete below the root of the space)',
  ],
  AUTHFAILED: ['LOCK_DENIED', 'it does not accept the credentials, or does not know their scheme'],
  SESSIONCLOSEDREQUIRESASLAUTH: ['LOCK_DENIED', 'it wants SASL, which is not spoken here'],
  INVALIDACL: ['LOCK_INVALID', 'it does not accept the access list: is a user given (auth) for "creator"?'],
  UNIMPLEMENTED: ['LOCK_UNSUPPORTED', 'it is too old: ZooKeeper 3.6 or later is needed'],
  NOCHILDRENFOREPHEMERALS: ['LOCK_INVALID', 'the root of the space lies below an ephemeral node'],
  QUOTAEXCEEDED: ['LOCK_UNAVAILABLE', 'the quota of the space is used up'],
  THROTTLEDOP: ['LOCK_UNAVAILABLE', 'it is overloaded, and puts requests off'],
  NONODE: ['LOCK_UNAVAILABLE', 'the nodes of the space were removed while it was in use'],
}

/** By the system's error code, where the connection itself failed. */
const REACHING: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there: is the server running, and are host and port right?',
  ENOTFOUND: 'no host of that name is known',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  ETIMEDOUT: 'the host does not answer: is a firewall in the way?',
  ECONNRESET: 'the server hung up: is it a ZooKeeper server, and its client port without TLS?',
}

/** A LockError that says what went wrong at this place, and what helps. LockErrors pass as they are. */
export function asLockError(error: unknown, place: string): LockError {
  if (isLockError(error)) return error
  const what = error instanceof Error ? error.message : String(error)
  const say = (code: LockErrorCode, help: string): LockError =>
    new LockError(code, `ZooKeeper at ${place} cannot be used: ${help} (${what}).`, { cause: error })
  if (error instanceof ZooKeeperError) {
    const [code, help] = MEANING[error.code] ?? ['LOCK_UNAVAILABLE', 'see the cause']
    return say(code, help)
  }
  const { code } = (deepest(error) ?? {}) as { code?: unknown }
  const known = typeof code === 'string' ? REACHING[code] : undefined
  return say('LOCK_UNAVAILABLE', known ?? 'it did not answer: is it a ZooKeeper server, does it have a quorum, and can it be reached?')
}

/** Clients wrap what the system said; several addresses of one host fail together. */
function deepest(error: unknown): unknown {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if ('code' in at) return at
    const next: unknown = at instanceof AggregateError ? at.errors[0] : at.cause
    if (next === undefined) return at
    at = next
  }
  return at
}
