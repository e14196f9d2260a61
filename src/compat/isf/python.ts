// SPDX-License-Identifier: MIT
// The locks that Python programs with data_base.distributed_lock take, beside the lease of our own that is held already: redis-py's Lock on Redis, kazoo's
// recipes on ZooKeeper, fasteners on files.
//
// Invariant: our lease first, theirs second, so that the users of Holdfast never wait for each other at the second, and nobody waits in a circle.
import type { RedisPyLease, RedisPyLocks } from '../../backends/redis/index.ts'
import type { ZooKeeperRecipes } from '../../backends/zookeeper/index.ts'
import type { RedisUrl } from '../../config/redis-url.ts'
import type { ZooKeeperUrl } from '../../config/zookeeper-url.ts'
import type { Entry } from './configuration.ts'
import type { Held, Patience } from './lock.ts'
import { fileAt, lockWhereWritable } from './write-permission.ts'

/** The three functions of the library that hand out a lock. */
export type Kind = 'lock' | 'read' | 'write'

/** The keys in Redis go so long after a holder that died (the library's own go after 300 s), and are renewed this often while one lives. */
const REDIS_EXPIRY_MS = 30_000
const RENEW_EVERY_MS = 5_000

export class PythonLocks {
  /** One connection for each server that has served. */
  private readonly redis = new Map<Entry, Promise<RedisPyLocks>>()
  private readonly recipes = new Map<Entry, Promise<ZooKeeperRecipes>>()

  /** Rejects with a LockError, `LOCK_TIMEOUT` when the time is up; or with the signal's reason. */
  async take(entry: Entry, name: string, kind: Kind, patience: Patience): Promise<Held> {
    const { url, timeoutMs } = entry
    if (url.scheme === 'file') return await lockWhereWritable(fileAt(name), kind, patience)
    if (url.scheme === 'zookeeper') {
      const recipes = await once(this.recipes, entry, () => openRecipes(url, timeoutMs))
      const path = kazooPath(url.root, name)
      const lock = kind === 'lock' ? recipes.lock(path) : kind === 'read' ? recipes.readLock(path) : recipes.writeLock(path)
      return await lock.acquire(patience)
    }
    const locks = await once(this.redis, entry, () => openRedis(url, timeoutMs))
    return renewed(await locks.lock(name, REDIS_EXPIRY_MS).acquire(patience))
  }

  async close(): Promise<void> {
    const [redis, recipes] = await Promise.all([Promise.allSettled(this.redis.values()), Promise.allSettled(this.recipes.values())])
    for (const opened of redis) if (opened.status === 'fulfilled') opened.value.close()
    await Promise.all(recipes.map((opened) => (opened.status === 'fulfilled' ? opened.value.close() : undefined)))
  }
}

/** What is opened stays open; what fails is tried again next time. */
function once<Opened>(known: Map<Entry, Promise<Opened>>, entry: Entry, open: () => Promise<Opened>): Promise<Opened> {
  const there = known.get(entry)
  if (there !== undefined) return there
  const opening = open()
  known.set(entry, opening)
  opening.catch(() => known.delete(entry))
  return opening
}

async function openRedis({ scheme, host, port, path, username, password, db }: RedisUrl, timeoutMs: number): Promise<RedisPyLocks> {
  const { connectRedisPyLocks } = await import('../../backends/redis/index.ts')
  return connectRedisPyLocks({
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(path !== undefined && { path }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(db !== undefined && { db }),
    tls: scheme === 'rediss',
    connectTimeout: timeoutMs,
  })
}

async function openRecipes({ hosts }: ZooKeeperUrl, timeoutMs: number): Promise<ZooKeeperRecipes> {
  const { zookeeperRecipes } = await import('../../backends/zookeeper/index.ts')
  return zookeeperRecipes({ servers: hosts, dialect: 'kazoo', connectTimeout: timeoutMs })
}

/** As kazoo understands a name: below what all paths lie below, with single slashes. */
function kazooPath(root: string | undefined, name: string): string {
  return `${root ?? ''}/${name
    .split('/')
    .filter((part) => part !== '')
    .join('/')}`
}

/** The library's keys go after their time, whether or not their holder lives; ours as long as it lives. */
function renewed(lease: RedisPyLease): Held {
  const timer = setInterval(() => {
    // What cannot be renewed now is tried again, and lost in the end: the lease's signal says so.
    lease.extend().catch(() => {})
  }, RENEW_EVERY_MS).unref()
  return {
    token: null,
    get valid() {
      return lease.valid
    },
    signal: lease.signal,
    release() {
      clearInterval(timer)
      return lease.release()
    },
  }
}
