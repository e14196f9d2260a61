// SPDX-License-Identifier: MIT
// What tells a space from one of the same name on another ensemble: the transaction that made its record, and when.
import { asLockError } from './failures.ts'
import type { SessionKeeper } from './keeper.ts'
import type { Layout } from './layout.ts'
import { ConnectionLost } from './wire/errors.ts'
import { exists } from './wire/operations.ts'

export async function identityOf(keeper: SessionKeeper, { space }: Layout): Promise<string> {
  keeper.hold()
  try {
    const session = await keeper.session()
    if (!session.connected) throw new ConnectionLost('no server is in reach')
    const { czxid, ctime } = await session.request(exists(space))
    return `${czxid.toString(16)}-${ctime.toString(16)}`
  } catch (error) {
    throw asLockError(error, keeper.place)
  } finally {
    keeper.drop()
  }
}
