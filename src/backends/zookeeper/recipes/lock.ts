// SPDX-License-Identifier: MIT
// One lock of the neighbours', as it is asked for here.
import { LockError } from '../../../core/errors.ts'
import { LongTimer } from '../../../long-timer.ts'
import { checkOptions } from '../../../options.ts'
import type { RecipeLease } from './lease.ts'
import type { RecipeKind } from './recipe.ts'

export interface RecipePatience {
  /** Milliseconds of waiting; 0 for one try. Default: as long as it takes. */
  readonly timeout?: number | undefined
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
}

/** Somebody who has a lock, or waits for it. */
export interface RecipeContender {
  /** The name of its node. */
  readonly node: string
  /** What the node holds: kazoo's identifier, or the address of Curator's host. */
  readonly identifier: string
}

/** A request under way. */
export interface Asked {
  /** Null when somebody is in the way of one that does not wait. */
  readonly granted: Promise<RecipeLease | null>
  giveUp(reason: unknown): void
}

/** What a lock asks of those who keep it. */
export interface Keeping {
  ask(lock: RecipeLock, waits: boolean): Asked
  contenders(lock: RecipeLock): Promise<readonly RecipeContender[]>
}

/** However short its time is, a request makes one try: so long at least it waits for an answer. */
const ONE_TRY_MS = 20

/** Made by {@link ZooKeeperRecipes}. Any number of tasks may ask for it: each stands in line for itself, and none has it twice. */
export class RecipeLock {
  /** The directory of the nodes of those who have it or wait for it. */
  readonly path: string
  readonly kind: RecipeKind
  private readonly keeping: Keeping

  /** @internal */
  constructor(path: string, kind: RecipeKind, keeping: Keeping) {
    this.path = path
    this.kind = kind
    this.keeping = keeping
  }

  /**
   * Null when somebody is in the way. Where it is not free, nothing is written.
   *
   * @throws LockError `LOCK_UNAVAILABLE`, `LOCK_DENIED`, `LOCK_CLOSED`
   */
  async tryAcquire(): Promise<RecipeLease | null> {
    return await this.keeping.ask(this, false).granted
  }

  /**
   * Waits for its turn, in the order of the nodes, whoever made them. A session that is lost meanwhile is followed by another one, in which the
   * request takes the last place.
   *
   * @throws LockError as {@link tryAcquire}; `LOCK_TIMEOUT` when the time is up. Rejects with the signal's reason when that aborts.
   */
  async acquire(patience: RecipePatience = {}): Promise<RecipeLease> {
    checkOptions(patience)
    const { timeout, signal } = patience
    signal?.throwIfAborted()
    const { granted, giveUp } = this.keeping.ask(this, timeout !== 0)
    const timeIsUp = (): void => giveUp(this.timeIsUp(timeout))
    const aborted = (): void => giveUp(signal?.reason)
    const timer = new LongTimer()
    signal?.addEventListener('abort', aborted)
    if (timeout !== undefined && timeout > 0) timer.start(Math.max(timeout, ONE_TRY_MS), timeIsUp)
    try {
      const lease = await granted
      if (lease === null) throw this.timeIsUp(timeout)
      return lease
    } finally {
      timer.stop()
      signal?.removeEventListener('abort', aborted)
    }
  }

  /**
   * Those who have it or wait for it, in the order in which they came. A kind of lock does not know of those who do not matter to it: kazoo's Lock
   * sees no readers.
   *
   * @throws LockError `LOCK_UNAVAILABLE`, `LOCK_DENIED`, `LOCK_CLOSED`
   */
  contenders(): Promise<readonly RecipeContender[]> {
    return this.keeping.contenders(this)
  }

  private timeIsUp(timeout: number | undefined): LockError {
    return new LockError(
      'LOCK_TIMEOUT',
      `The lock ${this.path} (${this.kind}) did not come free within ${timeout} ms. contenders() says for whom.`,
    )
  }
}
