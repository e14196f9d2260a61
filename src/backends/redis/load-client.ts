// SPDX-License-Identifier: MIT
// The package of a client: `redis` if that is installed, else `ioredis`.
import { LockError } from '../../core/errors.ts'
import type { Connection, Endpoint } from './connection.ts'
import { isMissing } from './failures.ts'

/** Ahead of time: on a busy machine, loading takes longer than a server has to answer. Never rejects: what is missing is told by {@link openClient}. */
export async function loadClient(): Promise<void> {
  try {
    const { loadNodeRedis } = await import('./node-redis.ts')
    await loadNodeRedis()
  } catch {
    const { loadIoredis } = await import('./ioredis.ts')
    await loadIoredis().catch(() => undefined)
  }
}

/** A client of our own, connected. Rejects as the client does; with a LockError `LOCK_UNSUPPORTED` where neither is installed. */
export async function openClient(endpoint: Endpoint): Promise<Connection> {
  try {
    const { openNodeRedis } = await import('./node-redis.ts')
    return await openNodeRedis(endpoint)
  } catch (error) {
    if (!isMissing(error, 'redis')) throw error
  }
  try {
    const { openIoredis } = await import('./ioredis.ts')
    return await openIoredis(endpoint)
  } catch (error) {
    if (!isMissing(error, 'ioredis')) throw error
    throw new LockError('LOCK_UNSUPPORTED', 'Locks on Redis need a client: npm install redis (or ioredis).', { cause: error })
  }
}
