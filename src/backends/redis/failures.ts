// SPDX-License-Identifier: MIT
// What the answers of a server, and the complaints of a client about its connection, mean to somebody who wants a lock.
import { isLockError, LockError, type LockErrorCode } from '../../core/errors.ts'

const UNLOCKABLE = 'what is there was not made by this version of Holdfast: choose another space or prefix'

/** By the first word of what the server says. */
const MEANING: Readonly<Record<string, readonly [LockErrorCode, string]>> = {
  NOAUTH: ['LOCK_DENIED', 'it wants a password'],
  WRONGPASS: ['LOCK_DENIED', 'user name or password are wrong, or the user is disabled'],
  WRONGTYPE: ['LOCK_UNSUPPORTED', UNLOCKABLE],
  READONLY: ['LOCK_UNAVAILABLE', 'it is a replica, which cannot lock: connect to the primary, by Sentinel for one that moves'],
  NOREPLICAS: ['LOCK_UNAVAILABLE', 'it has fewer good replicas than its min-replicas-to-write asks for'],
  OOM: ['LOCK_UNAVAILABLE', 'it has no memory left (maxmemory)'],
  MISCONF: ['LOCK_UNAVAILABLE', 'it refuses to write as it cannot save to its disk'],
  LOADING: ['LOCK_UNAVAILABLE', 'it is still reading its data: try again in a moment'],
  BUSY: ['LOCK_UNAVAILABLE', "somebody's script keeps it busy"],
  MASTERDOWN: ['LOCK_UNAVAILABLE', 'it is a replica that has lost its primary'],
  CLUSTERDOWN: ['LOCK_UNAVAILABLE', 'the cluster is down: some of its slots are served by nobody'],
  TRYAGAIN: ['LOCK_UNAVAILABLE', 'the cluster is moving the slot of this space: try again in a moment'],
  EXECABORT: ['LOCK_UNAVAILABLE', 'see the cause'],
  ERR: ['LOCK_UNAVAILABLE', 'see the cause'],
}

const NOT_NOW: readonly string[] = [
  'READONLY',
  'LOADING',
  'BUSY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'MISCONF',
  'MOVED',
  'ASK',
]

/** By the system's error code, where the connection itself failed. */
const REACHING: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there: is the server running, and are host and port right?',
  ENOTFOUND: 'no host of that name is known',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  ETIMEDOUT: 'the host does not answer: is a firewall in the way?',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not use the socket',
  ECONNRESET: 'the server hung up: does it speak TLS where redis: was given, or the other way round?',
  EPROTO: 'it does not speak TLS: write redis: instead of rediss:',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: write redis: instead of rediss:',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS: write redis: instead of rediss:',
}

const LATE = 'it did not answer in time: is it a Redis server, does it speak TLS where redis: was given, and can it be reached?'

/** True when the server answered with this error word; a script passes on what a command in it was told. */
export function repliedWith(error: unknown, word: string): boolean {
  return error instanceof Error && error.message.includes(word) && replyWord(error) !== undefined
}

/** The server answered, and what it said is not a matter of the connection, or of a moment: a full server still hears heartbeats. */
export function isRefusal(error: unknown): boolean {
  const word = replyWord(error)
  return word !== undefined && !NOT_NOW.includes(word)
}

/** The first word of an error that the server sent; undefined for what the client says by itself. */
function replyWord(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (error.message.includes('The user executing the script can')) return 'NOPERM'
  const [, inScript] = /\b(WRONGTYPE|NOPERM|READONLY|OOM|MISCONF|NOREPLICAS|NOSCRIPT)\b/.exec(error.message) ?? []
  return inScript ?? /^-?([A-Z]{3,})\b(?!:)/.exec(error.message)?.[1]
}

/** A LockError that says what went wrong at this place, and what helps. LockErrors pass as they are. */
export function asLockError(error: unknown, place: string, keys: string): LockError {
  if (isLockError(error)) return error
  const word = replyWord(error)
  const what = error instanceof Error ? error.message : String(error)
  const say = (code: LockErrorCode, help: string): LockError =>
    new LockError(code, `Redis at ${place} cannot be used: ${help} (${what}).`, { cause: error })
  if (word === 'NOPERM') {
    const rules = `~${keys}* &${keys}:* +eval +evalsha +subscribe +unsubscribe, and for the scripts +@hash +@sortedset +time +publish +unlink`
    return say('LOCK_DENIED', `its access list does not let this user do what a lock needs: ${rules}; +info +config|get for the checks`)
  }
  if (word !== undefined) {
    const [code, help] = MEANING[word] ?? ['LOCK_UNAVAILABLE', 'see the cause']
    return say(
      code,
      word === 'WRONGTYPE' ? `at one of the keys ${keys}, ${keys}:owned, :queue, :sessions, :todo there is something else; ${help}` : help,
    )
  }
  const { code, name } = (causeOf(error) ?? {}) as { code?: unknown; name?: unknown }
  const certificate = typeof code === 'string' && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code)
  if (certificate) return say('LOCK_UNAVAILABLE', 'its certificate is not trusted here: NODE_EXTRA_CA_CERTS names more authorities')
  const help = typeof code === 'string' ? REACHING[code] : name === 'ConnectionTimeoutError' ? LATE : undefined
  return say('LOCK_UNAVAILABLE', help ?? 'the connection is not there')
}

/** The server did not answer in time. */
export function silent(place: string, ms: number): LockError {
  return new LockError('LOCK_UNAVAILABLE', `Redis at ${place} cannot be used: no answer within ${ms} ms; ${LATE}`)
}

/** The package is not installed. */
export function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || (error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') return false
  return error.message.includes(`'${name}'`)
}

/** Clients wrap what the system said; several addresses of one host fail together. */
function causeOf(error: unknown): unknown {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if ('code' in at) return at
    at = at instanceof AggregateError ? at.errors[0] : (at.cause ?? at)
  }
  return at
}
