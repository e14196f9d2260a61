// SPDX-License-Identifier: MIT
// What somebody has who has a lock: it lasts until it is released, or as long as its session.
import { LockError } from '../../../core/errors.ts'
import type { LeaseState } from '../../../core/lease.ts'
import { bootNow } from '../../../native/clock.ts'
import type { Turn } from './contender.ts'
import type { RecipeKind } from './recipe.ts'

/** What a lease looks like after `JSON.stringify`. */
export interface RecipeLeaseJson {
  readonly path: string
  readonly kind: RecipeKind
  readonly state: LeaseState
  readonly token: string
  readonly node: string
}

/** Given by a {@link RecipeLock}. */
export class RecipeLease implements AsyncDisposable {
  /** The directory of the lock. */
  readonly path: string
  readonly kind: RecipeKind
  private readonly turn: Turn
  private readonly leave: (lease: RecipeLease) => void
  private status: LeaseState = 'held'
  private readonly abort = new AbortController()
  private end: Promise<void> | null = null

  /** @internal */
  constructor(path: string, kind: RecipeKind, turn: Turn, leave: (lease: RecipeLease) => void) {
    this.path = path
    this.kind = kind
    this.turn = turn
    this.leave = leave
    if (!turn.place.session.connected) this.suspend(true)
  }

  /** `suspended`: no server is in reach, and the session has not run out yet. */
  get state(): LeaseState {
    return this.status
  }

  /** Checks the clock at once, for code that kept the event loop busy: true as long as nobody else can have been let in. */
  get valid(): boolean {
    return (this.status === 'held' || this.status === 'suspended') && bootNow() < this.turn.place.session.deadline
  }

  /** Aborts when the lock is lost (reason: a LockError `LOCK_LOST`), before the servers can give it to somebody else. Never on release. */
  get signal(): AbortSignal {
    return this.abort.signal
  }

  /**
   * The number of the transaction (czxid) that made its node: it is larger than the token of every lease before this one that excluded it, as nodes
   * take turns in the order in which they were made. It was given when the lease took its place in the line, not when its turn came. What the other
   * language's programs would see as their token is the czxid of their nodes.
   */
  get token(): bigint {
    return this.turn.place.zxid
  }

  /** The whole path of its node. */
  get node(): string {
    return this.turn.place.node
  }

  /** Gives it back; resolves when the servers know, or when they have ended the session for which they could not be told. Idempotent. Never rejects. */
  release(): Promise<void> {
    if (this.status === 'held' || this.status === 'suspended') {
      this.status = 'released'
      this.leave(this)
      this.end = this.turn.directory.leave(this.turn.place)
    }
    return this.end ?? Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  toJSON(): RecipeLeaseJson {
    const { path, kind, state, token, node } = this
    return { path, kind, state, token: token.toString(), node }
  }

  /** @internal */
  suspend(suspended: boolean): void {
    if (this.status === (suspended ? 'held' : 'suspended')) this.status = suspended ? 'suspended' : 'held'
  }

  /** @internal Never throws. */
  lose(why: string, cause?: unknown): void {
    if (this.status === 'released' || this.status === 'lost') return
    this.status = 'lost'
    this.leave(this)
    this.abort.abort(new LockError('LOCK_LOST', `The lock ${this.path} is lost: ${why}`, { cause }))
  }
}
