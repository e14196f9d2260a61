// SPDX-License-Identifier: MIT
// ZooKeeper: the engine for locks between hosts where consistency comes first.
import type { Backend } from '../../core/backend.ts'
import { ZooKeeperBackend } from './backend.ts'
import { settingsOf, type ZooKeeperOptions } from './options.ts'

export type { ZooKeeperOptions, ZooKeeperPlace } from './options.ts'
export {
  type Dialect,
  type RecipeContender,
  type RecipeKind,
  type RecipeLease,
  type RecipeLeaseJson,
  type RecipeLock,
  type RecipePatience,
  type ZooKeeperRecipes,
  type ZooKeeperRecipesOptions,
  zookeeperRecipes,
} from './recipes/index.ts'

/**
 * An engine for the processes of many hosts, arbitrated by an ensemble of ZooKeeper servers (3.6 or later).
 *
 * ```ts
 * const locks = new LockSpace(await zookeeperBackend({ servers: 'zk1:2181,zk2:2181,zk3:2181', root: '/apps/studies/locks' }))
 * ```
 *
 * @throws LockError `LOCK_UNAVAILABLE` where no server answers in time, `LOCK_DENIED` where they do not let us in, `LOCK_UNSUPPORTED` where they
 * are too old, `LOCK_INVALID` for wrong options, and for a policy other than that with which others use the space.
 */
export async function zookeeperBackend(options: ZooKeeperOptions): Promise<Backend> {
  const backend = new ZooKeeperBackend(settingsOf(options))
  try {
    await backend.start()
    return backend
  } catch (error) {
    void backend.close()
    throw error
  }
}
