// SPDX-License-Identifier: MIT
// What a granted read or write of the window gives, and in which more can be nested.
import type { LeaseState } from '../core/lease.ts'
import { checkOptions, type LockOptions } from '../options.ts'
import { lost } from '../refusals.ts'
import type { Scope, WindowMode } from './scope.ts'

/** What runs while the window is read or written. */
export type WindowWork<Result> = (lease: WindowLease) => Result | Promise<Result>

/** A read or a write of the window. `read` and `write` on it are nested in it: they ask no other rank. */
export class WindowLease implements AsyncDisposable {
  /** @internal */
  readonly scope: Scope
  private readonly run: <Result>(scope: Scope, work: () => Promise<Result>) => Promise<Result>

  /** @internal Users get leases from a {@link WindowController}. */
  constructor(scope: Scope, run: <Result>(scope: Scope, work: () => Promise<Result>) => Promise<Result>) {
    this.scope = scope
    this.run = run
  }

  get mode(): WindowMode {
    return this.scope.mode
  }

  /** The fencing token of the group's lease; what is nested in it has the same. */
  get token(): bigint {
    return this.scope.base.token
  }

  get state(): LeaseState {
    return this.scope.closed ? 'released' : this.scope.base.state
  }

  /** True as long as it holds. */
  get valid(): boolean {
    return !this.scope.closed && this.scope.base.valid
  }

  /** Aborts when the lease is lost: the rank that keeps the locks died, or the group was aborted. */
  get signal(): AbortSignal {
    return this.scope.base.signal
  }

  /** A read nested in this lease: with readers of the same lease in parallel. With `work`, for as long as that runs. */
  read(options?: LockOptions): Promise<WindowLease>
  read<Result>(work: WindowWork<Result>): Promise<Result>
  read<Result>(options: LockOptions, work: WindowWork<Result>): Promise<Result>
  read<Result>(options: LockOptions | WindowWork<Result> = {}, work?: WindowWork<Result>): Promise<WindowLease | Result> {
    return this.nest('read', options, work)
  }

  /**
   * A write nested in this lease: alone among what is nested in it.
   *
   * @throws LockError `LOCK_UNSUPPORTED` inside a read.
   */
  write(options?: LockOptions): Promise<WindowLease>
  write<Result>(work: WindowWork<Result>): Promise<Result>
  write<Result>(options: LockOptions, work: WindowWork<Result>): Promise<Result>
  write<Result>(options: LockOptions | WindowWork<Result> = {}, work?: WindowWork<Result>): Promise<WindowLease | Result> {
    return this.nest('write', options, work)
  }

  /** Waits until everything nested in it is released, then gives it back. Idempotent, never rejects. */
  release(): Promise<void> {
    return this.scope.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  toJSON(): Record<string, unknown> {
    const { mode, state, token } = this
    return { mode, state, token: token.toString() }
  }

  private async nest<Result>(
    mode: WindowMode,
    options: LockOptions | WindowWork<Result>,
    work: WindowWork<Result> | undefined,
  ): Promise<WindowLease | Result> {
    const [wanted, task] = typeof options === 'function' ? [{}, options] : [options, work]
    checkOptions(wanted)
    if (!this.valid) throw lost(`This ${this.mode} has ended: nothing can be nested in it.`, undefined)
    const lease = new WindowLease(await this.scope.enter(mode, wanted), this.run)
    return task === undefined ? lease : await holding(lease, task, this.run)
  }
}

/** Runs `work`, with what is nested in it resting on the lease; then releases. */
export async function holding<Result>(
  lease: WindowLease,
  work: WindowWork<Result>,
  run: <Outcome>(scope: Scope, work: () => Promise<Outcome>) => Promise<Outcome>,
): Promise<Result> {
  let result: Result
  try {
    result = await run(lease.scope, async () => await work(lease))
  } catch (error) {
    throw (await end(lease, error)) ?? error
  }
  const loss = await end(lease, undefined)
  if (loss !== undefined) throw loss
  return result
}

/** What the caller must hear in place of the work's own outcome: that the lease was lost under it. */
async function end(lease: WindowLease, error: unknown): Promise<Error | undefined> {
  const lostMeanwhile = lease.state !== 'released' && !lease.valid
  await lease.release()
  if (!lostMeanwhile) return undefined
  return lost('The lease was lost while the work was under way: another rank may have been in.', error ?? lease.signal.reason)
}
