// SPDX-License-Identifier: MIT
// What a lock space says when it refuses: errors that name what was asked, what stood in the way, and since when.
import type { Claims } from './core/claims.ts'
import { LockError } from './core/errors.ts'
import type { Holder } from './core/inspection.ts'

/** Paths named in a message, at most. */
const NAMED_PATHS = 3

/** `write /a, read /b and 7 more`. */
export function describeRequest({ read, write }: { readonly read: readonly string[]; readonly write: readonly string[] }): string {
  const wanted = [...write.map((key) => `write ${key}`), ...read.map((key) => `read ${key}`)]
  const more = wanted.length - NAMED_PATHS
  return more > 0 ? `${wanted.slice(0, NAMED_PATHS).join(', ')} and ${more} more` : wanted.join(', ')
}

/** The time given ran out. */
export function timedOut(claims: Claims, timeoutMs: number, holders: readonly Holder[]): LockError {
  const waited = timeoutMs === 0 ? 'It is busy now' : `Not granted within ${timeoutMs} ms`
  return new LockError('LOCK_TIMEOUT', `${waited}: ${describeRequest(claims)}.${describeHolders(holders)}`, { holders })
}

/** The lease ended while its holder still counted on it. */
export function lost(message: string, cause: unknown): LockError {
  return new LockError('LOCK_LOST', message, { cause })
}

/** The lock space was closed. */
export function closed(): LockError {
  return new LockError('LOCK_CLOSED', 'The lock space is closed.')
}

/** The request waits for a lease of its own task. */
export function reentrant(claims: Claims, own: Holder): LockError {
  const message = `This task would wait for itself: it asks to ${describeRequest(claims)}, and holds ${describeRequest(own)} (token ${own.token}${own.name === null ? '' : `, "${own.name}"`}).`
  return new LockError('LOCK_REENTRANT', message, { holders: [own] })
}

function describeHolders(holders: readonly Holder[]): string {
  const [first, ...others] = holders
  if (first === undefined) return ''
  const { since, state } = first
  const who = `${first.name === null ? '' : `"${first.name}", `}process ${first.owner.pid} on ${first.owner.host} (${first.owner.command})`
  const more = others.length === 0 ? '' : ` And ${others.length} more.`
  return ` In the way: ${who} ${state === 'waiting' ? 'waits' : 'holds'} since ${since}: ${describeRequest(first)}.${more}`
}
