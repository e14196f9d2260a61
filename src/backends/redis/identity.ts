// SPDX-License-Identifier: MIT
// The word that tells a space from one of the same name on another server: drawn by whoever asks first, and kept in the space's hash.
import { randomUUID } from 'node:crypto'
import { LockError } from '../../core/errors.ts'
import { foreign } from './answers.ts'
import { asLockError } from './failures.ts'
import type { Link } from './link.ts'

const SCRIPT = `
local known = redis.call('HGET', KEYS[1], '#i')
if known then return known end
redis.call('HSET', KEYS[1], '#i', ARGV[1])
return ARGV[1]
`

/** Throws a LockError. */
export async function identityOf(link: Link): Promise<string> {
  const { connection, hash } = link
  link.hold()
  try {
    if (!connection.up) throw new Error('the connection is cut')
    const word = await link.timely(connection.send(['EVAL', SCRIPT, '1', hash, randomUUID()], hash))
    if (typeof word !== 'string' || word === '') throw foreign()
    return word
  } catch (error) {
    throw asLockError(error, connection.place, hash)
  } finally {
    link.drop()
  }
}

/** Throws a LockError where the server is another one, or has lost its data. */
export async function checkIdentity(link: Link, expected: string | null): Promise<void> {
  if (expected === null || (await identityOf(link)) === expected) return
  const { place } = link.connection
  throw new LockError('LOCK_UNAVAILABLE', `Redis at ${place} is another server than before, or it has lost its data.`)
}
