// SPDX-License-Identifier: MIT
// The locks of one session: who asks for them, who has them, and what becomes of both when the session is out of reach or over.
import { invalid, LockError } from '../../../core/errors.ts'
import { asLockError } from '../failures.ts'
import { type Dependents, SessionKeeper } from '../keeper.ts'
import { checkNodePath, type PlaceSettings } from '../options.ts'
import { ConnectionLost } from '../wire/errors.ts'
import { getEphemerals, sync } from '../wire/operations.ts'
import type { ZooKeeperSession } from '../wire/session.ts'
import { Contender } from './contender.ts'
import { Directory } from './directory.ts'
import { RecipeLease } from './lease.ts'
import { type Asked, type Keeping, type RecipeContender, RecipeLock } from './lock.ts'
import type { Recipe, RecipeKind } from './recipe.ts'

/** How long closing may take: what the servers have not heard of then ends with the session's time-out. */
const CLOSE_WITHIN_MS = 2_000

/** Made by {@link zookeeperRecipes}. */
export class ZooKeeperRecipes implements Dependents, Keeping, AsyncDisposable {
  private readonly settings: PlaceSettings
  private readonly data: Buffer
  private readonly recipes: Readonly<Record<RecipeKind, Recipe>>
  private readonly keeper: SessionKeeper
  private readonly leases = new Set<RecipeLease>()
  private readonly contending = new Set<Contender>()
  private lookAgain = 0
  private closing: Promise<void> | null = null

  /** @internal */
  constructor(settings: PlaceSettings, data: Buffer, recipes: Readonly<Record<RecipeKind, Recipe>>) {
    this.settings = settings
    this.data = data
    this.recipes = recipes
    this.keeper = new SessionKeeper(settings, async () => {}, this)
  }

  /** @internal Begins the first session. Rejects with a LockError. */
  async start(): Promise<void> {
    await this.keeper.start()
  }

  /**
   * kazoo's `Lock`, Curator's `InterProcessMutex`: an exclusive lock. Not to be mixed with the other two on one path: kazoo's takes no notice of
   * readers, Curator's of neither.
   *
   * @param path the lock's, as the other language's programs name it, with what they set as their root in front.
   * @throws LockError `LOCK_INVALID`
   */
  lock(path: string): RecipeLock {
    return this.lockOf('lock', path)
  }

  /**
   * kazoo's `ReadLock`, the read lock of Curator's `InterProcessReadWriteLock`: readers share, and wait for writers who came before them.
   *
   * @throws LockError `LOCK_INVALID`
   */
  readLock(path: string): RecipeLock {
    return this.lockOf('read', path)
  }

  /**
   * kazoo's `WriteLock`, the write lock of Curator's `InterProcessReadWriteLock`.
   *
   * @throws LockError `LOCK_INVALID`
   */
  writeLock(path: string): RecipeLock {
    return this.lockOf('write', path)
  }

  /** Ends the session. Whoever still waits is refused with `LOCK_CLOSED`; locks that are still held are lost. */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // What locks ask for.

  /** @internal */
  ask({ path, kind }: RecipeLock, waits: boolean): Asked {
    if (this.closing !== null) return { granted: Promise.reject(closed()), giveUp: () => {} }
    const { keeper, data, settings } = this
    const recipe = this.recipes[kind]
    const making = { acl: settings.acl, parents: recipe.parents, data }
    const contender = new Contender({ keeper, making, connectTimeoutMs: settings.connectTimeoutMs }, recipe, path, waits)
    this.contending.add(contender)
    const granted = contender
      .run()
      .finally(() => this.contending.delete(contender))
      .then((turn) => {
        if (turn === null) return null
        const lease = new RecipeLease(path, kind, turn, (gone) => this.leases.delete(gone))
        this.leases.add(lease)
        // Its end has been told already.
        if (turn.place.session.ended || this.closing !== null) lease.lose('its session is over.')
        return lease
      })
    return { granted, giveUp: (reason) => contender.giveUp(reason) }
  }

  /** @internal */
  async contenders({ path, kind }: RecipeLock): Promise<readonly RecipeContender[]> {
    const { keeper } = this
    keeper.hold()
    try {
      const session = await keeper.session()
      if (!session.connected) throw new ConnectionLost('no server is in reach')
      const directory = new Directory(session, keeper, path)
      const names = this.recipes[kind].contenders(await directory.list())
      const data = await directory.read(names)
      return names.flatMap((node, i) => (data[i] ? [{ node, identifier: data[i].toString() }] : []))
    } catch (error) {
      throw asLockError(error, keeper.place)
    } finally {
      keeper.drop()
    }
  }

  // What happens to the session.

  /** @internal */
  suspended(): void {
    for (const lease of this.leases) lease.suspend(true)
  }

  /** @internal */
  resumed(session: ZooKeeperSession): void {
    for (const lease of this.leases) lease.suspend(false)
    this.audit(session)
  }

  /** @internal */
  renewed(session: ZooKeeperSession): void {
    if (performance.now() >= this.lookAgain) this.audit(session)
  }

  /** @internal */
  lost(_session: ZooKeeperSession, reason: LockError): void {
    for (const lease of this.leases) lease.lose(reason.message, reason.cause)
    for (const contender of this.contending) contender.interrupt()
  }

  private lockOf(kind: RecipeKind, path: string): RecipeLock {
    if (checkNodePath('path', path) === '') throw invalid('path is the directory of a lock, and cannot be the root.')
    return new RecipeLock(path, kind, this)
  }

  /** Looks whether somebody has removed nodes of ours. */
  private audit(session: ZooKeeperSession): void {
    this.lookAgain = performance.now() + session.timeoutMs
    const held = [...this.leases]
    if (held.length === 0) return
    void Promise.all([session.request(sync('/')), session.request(getEphemerals('/'))])
      .then(([, nodes]) => {
        const there = new Set(nodes)
        for (const lease of held) if (lease.state === 'held' && !there.has(lease.node)) lease.lose('somebody removed its node.')
      })
      // A server of before 3.6 does not say; and one that is out of reach is asked again.
      .catch(() => {})
  }

  private async end(): Promise<void> {
    for (const lease of this.leases) lease.lose('it was held when the session was closed.')
    for (const contender of this.contending) contender.giveUp(closed())
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_WITHIN_MS)
    })
    await Promise.race([this.keeper.close(), late])
    clearTimeout(timer)
  }
}

function closed(): LockError {
  return new LockError('LOCK_CLOSED', 'These locks were closed, and their session is over.')
}
