// SPDX-License-Identifier: MIT
// The contract between the front door and an engine that arbitrates. A backend sees claims, never paths; it makes leases, and it is
// the only one that lets anybody wait.
import type { Claims } from './claims.ts'
import type { Inspection } from './inspection.ts'
import type { Lease, LeaseList } from './lease.ts'

/** Who goes first among requests that conflict: whoever came first, or waiting writers before waiting readers. */
export type Preference = 'first-come' | 'writers'

/** What an engine can promise. The conformance suite reads it, and tests that it is true. */
export interface Supports {
  /** How far the locks of one space reach. */
  readonly scope: 'thread' | 'machine' | 'network'
  /** `tryAcquire` answers at once, without a promise. */
  readonly immediate: boolean
  /** `strict`: conflicting requests enter in the order in which they came. `approximate`: nobody starves, neighbours may swap. */
  readonly order: 'strict' | 'approximate'
  /** False where a `try` may be refused because another request that is still being taken, or is being given up, stood there for a moment. */
  readonly exactTry: boolean
  /** A dead process frees its locks: at once, after its lease, or never as there is only one. */
  readonly deadHolder: 'at-once' | 'after-lease' | 'none'
  /** A lease can be lost while its holder lives. */
  readonly loss: boolean
  /** Tokens go on rising when every process, and the machine, was started anew. */
  readonly durableTokens: boolean
}

/**
 * A request's patience, given to {@link Backend.acquire}. It owns the timer, the caller's AbortSignal and the warning about long waits,
 * none of which exist before `begin`.
 */
export interface Wait {
  /** Tells this request from all others of the space; what `inspect()` shows it under while it waits. */
  readonly id: string
  readonly name: string | undefined
  /** When the request was made, in milliseconds of the wall clock. */
  readonly since: number
  /**
   * The request has to wait from here on. `giveUp` is called at most once, when it must be withdrawn: the backend takes it out of every
   * queue, synchronously, and rejects with the reason. It is not called after `end`. May be called again with another `giveUp` as
   * the request goes from one queue to the next.
   */
  begin(giveUp: (reason: unknown) => void): void
  /** The request was granted (or has failed): nothing will be withdrawn any more. */
  end(): void
}

/** An engine that arbitrates claims. One instance serves one lock space. */
export interface Backend {
  /** A word for messages: `memory`, `file` … */
  readonly name: string
  readonly supports: Supports
  /** As recorded where the engine keeps the space. */
  readonly prefer: Preference
  /** The leases given and not yet released or lost. */
  readonly leases: LeaseList
  /**
   * Grants the claims if nothing stands in the way, else answers null and leaves nothing behind. Where `supports.immediate`, never
   * a promise.
   *
   * @throws LockError when the engine cannot answer (a promise rejects with it).
   */
  tryAcquire(claims: Claims, name: string | undefined): Lease | null | Promise<Lease | null>
  /** Grants the claims when it is their turn. On failure nothing is left behind. */
  acquire(claims: Claims, wait: Wait): Promise<Lease>
  /**
   * Who holds and who waits, of every process that shares the space.
   *
   * @param options.quick only what can be had within milliseconds.
   */
  inspect(options?: { readonly quick?: boolean }): Promise<Inspection>
  /** Frees what the engine needed. Called once, when no lease and no waiter is left. */
  close(): Promise<void>
  /**
   * A word that is kept inside the engine, with the space: it is the same for all who use the space there, stays when the engine is started anew,
   * and is another one in every other engine, and in one that has lost its data. Asks the engine each time. Engines without it cannot take part in
   * a fallback.
   *
   * @throws LockError `LOCK_UNAVAILABLE` when the engine cannot be reached (the promise rejects with it).
   */
  identity?(): Promise<string>
  /**
   * From here on the engine is only the one with this {@link identity}: where a session is begun anew, or found again, at one with another (its
   * address leads elsewhere, it has lost its data), nothing is granted there, and requests are `LOCK_UNAVAILABLE`. Needed of engines that make
   * their connection anew by themselves. May be called again with another word.
   */
  expectIdentity?(word: string): void
  /** Milliseconds for which the engine may go on keeping a lease that was lost by its holder's own clock. Default 0. */
  readonly graceMs?: number
}
