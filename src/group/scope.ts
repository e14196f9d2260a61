// SPDX-License-Identifier: MIT
// What is nested in a lease. Whoever holds the window may ask for it again inside: readers inside a reader, anything inside a writer. What is
// nested in one lease is arbitrated among itself by a lock table of its own, so two tasks started inside one write exclude each other.
//
// Invariant: a lease of the group is given back only when nothing that is nested in it is left.
import { memoryBackend } from '../backends/memory.ts'
import { LockError } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import { LockSpace } from '../lock-space.ts'
import type { LockOptions } from '../options.ts'

export type WindowMode = 'read' | 'write'

/** All of the window: the root of every path. */
export const WINDOW = '/'

/** One lease of the window, seen from what is nested in it. */
export class Scope {
  readonly mode: WindowMode
  /** The lease of the group that everything here rests on. */
  readonly base: Lease
  private readonly own: Lease
  private readonly outer: Scope | null
  private inner: LockSpace | null = null
  private closing: Promise<void> | null = null

  /** @param own what is given back at the end: `base`, or a lease of the outer scope's lock table. */
  constructor(mode: WindowMode, own: Lease, outer: Scope | null) {
    this.mode = mode
    this.own = own
    this.outer = outer
    this.base = outer === null ? own : outer.base
  }

  /** The innermost scope that is still open, going outwards from this one. */
  get open(): Scope | null {
    if (this.closing === null && this.base.state !== 'lost') return this
    return this.outer === null ? null : this.outer.open
  }

  get closed(): boolean {
    return this.closing !== null
  }

  /** @throws LockError `LOCK_UNSUPPORTED` for a write inside a read. */
  async enter(mode: WindowMode, options: LockOptions): Promise<Scope> {
    if (mode === 'write' && this.mode === 'read') throw noUpgrade()
    this.inner ??= new LockSpace(memoryBackend())
    return new Scope(mode, await this.inner[mode](WINDOW, options), this)
  }

  /** Waits for what is nested, then gives back. Idempotent, never rejects. */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    await this.inner?.close()
    await this.own.release()
  }
}

function noUpgrade(): LockError {
  return new LockError(
    'LOCK_UNSUPPORTED',
    'A write cannot be nested in a read: two readers that both wait for the other to leave would wait for ever. End the read first, or begin with a write.',
  )
}
