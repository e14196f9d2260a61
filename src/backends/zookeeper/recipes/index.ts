// SPDX-License-Identifier: MIT
// Plain locks that programs in other languages share: those that kazoo (Python) and Curator (Java) keep in ZooKeeper. They know no sub-trees and no
// downgrade, and stand beside the claims of a space without knowing of them.
import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { invalid } from '../../../core/errors.ts'
import { placeSettingsOf, type ZooKeeperPlace } from '../options.ts'
import { checkDialect, type Dialect, Recipe } from './recipe.ts'
import { ZooKeeperRecipes } from './recipes.ts'

export type { RecipeLease, RecipeLeaseJson } from './lease.ts'
export type { RecipeContender, RecipeLock, RecipePatience } from './lock.ts'
export type { Dialect, RecipeKind } from './recipe.ts'
export type { ZooKeeperRecipes } from './recipes.ts'

export interface ZooKeeperRecipesOptions extends ZooKeeperPlace {
  /** Whose locks: kazoo's (Python) or Curator's (Java). */
  readonly dialect: Dialect
  /** Who may use what is created. Default, as the libraries': `open`, also where `auth` is given. */
  readonly acl?: ZooKeeperPlace['acl']
  /** The data of our nodes, by which people see whose they are. Default, as the libraries': nothing for kazoo, this host's address for Curator. */
  readonly identifier?: string | undefined
  /** kazoo's `extra_lock_patterns`: regular expressions for the names of other nodes, up to the number, that exclude all kinds of lock. */
  readonly extraLockPatterns?: readonly string[] | undefined
}

const LARGEST_IDENTIFIER_BYTES = 100_000

/**
 * Locks that Python programs with kazoo, or Java programs with Curator, respect, and that respect theirs. One session holds all of them.
 *
 * ```ts
 * const recipes = await zookeeperRecipes({ servers: 'zk1:2181,zk2:2181,zk3:2181', dialect: 'kazoo' })
 * const lease = await recipes.writeLock('/studies/mouse-7').acquire({ timeout: 5_000 })
 * ```
 *
 * @throws LockError `LOCK_INVALID` for wrong options, `LOCK_UNAVAILABLE` where no server answers in time, `LOCK_DENIED` where they do not let us in.
 */
export async function zookeeperRecipes(options: ZooKeeperRecipesOptions): Promise<ZooKeeperRecipes> {
  const { acl = 'open', identifier, extraLockPatterns = [] } = options
  const dialect = checkDialect(options.dialect)
  const settings = placeSettingsOf({ ...options, acl })
  if (identifier !== undefined && (typeof identifier !== 'string' || Buffer.byteLength(identifier) > LARGEST_IDENTIFIER_BYTES)) {
    throw invalid('identifier is a text, to be shown to people.')
  }
  if (!Array.isArray(extraLockPatterns) || !extraLockPatterns.every((pattern) => typeof pattern === 'string')) {
    throw invalid('extraLockPatterns is a list of regular expressions, as text.')
  }
  if (dialect !== 'kazoo' && extraLockPatterns.length > 0) throw invalid('extraLockPatterns belong to the dialect "kazoo".')
  const recipes = new ZooKeeperRecipes(settings, Buffer.from(identifier ?? (await usualIdentifier(dialect))), {
    lock: new Recipe(dialect, 'lock', extraLockPatterns),
    read: new Recipe(dialect, 'read', extraLockPatterns),
    write: new Recipe(dialect, 'write', extraLockPatterns),
  })
  try {
    await recipes.start()
    return recipes
  } catch (error) {
    void recipes.close()
    throw error
  }
}

/** Curator takes the address that belongs to the host's name, and nothing where there is none. */
async function usualIdentifier(dialect: Dialect): Promise<string> {
  if (dialect === 'kazoo') return ''
  return await lookup(hostname()).then(
    ({ address }) => address,
    () => '',
  )
}
