// SPDX-License-Identifier: MIT
// What tells a space from one of the same name on another ensemble: the transaction that made its record, and when.
import { LockError } from '../../core/errors.ts'
import { asLockError } from './failures.ts'
import type { SessionKeeper } from './keeper.ts'
import type { Layout } from './layout.ts'
import { ConnectionLost } from './wire/errors.ts'
import { exists } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

export async function identityOf(keeper: SessionKeeper, layout: Layout): Promise<string> {
  keeper.hold()
  try {
    const session = await keeper.session()
    if (!session.connected) throw new ConnectionLost('no server is in reach')
    return await identityAt(session, layout)
  } catch (error) {
    throw asLockError(error, keeper.place)
  } finally {
    keeper.drop()
  }
}

/** Throws where a new session is at another ensemble, or the space was made anew. */
export async function checkIdentity(session: ZooKeeperSession, layout: Layout, expected: string | null): Promise<void> {
  if (expected === null || (await identityAt(session, layout)) === expected) return
  throw new LockError(
    'LOCK_UNAVAILABLE',
    `ZooKeeper at ${session.place} is another one than before, or its space ${layout.space} was made anew.`,
  )
}

async function identityAt(session: ZooKeeperSession, { space }: Layout): Promise<string> {
  const { czxid, ctime } = await session.request(exists(space))
  return `${czxid.toString(16)}-${ctime.toString(16)}`
}
