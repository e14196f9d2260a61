// SPDX-License-Identifier: MIT
// What each rank has of a round in its hands: whether it is the one that writes, the value that is shared, and a way out for those who do not write.
import { invalid } from '../core/errors.ts'
import type { Round } from './round.ts'
import { decodeValue, encodeValue } from './value.ts'
import type { WindowLease } from './window-lease.ts'

/** Thrown by {@link Fence.guard} to leave a block; `singleWrite` catches it. */
export class FenceSignal extends Error {
  readonly fence: Fence<unknown>

  constructor(fence: Fence<unknown>) {
    super('This rank has no access: its block ends here. (singleWrite swallows this signal; rethrow it where you catch it.)')
    this.name = 'FenceSignal'
    this.fence = fence
  }
}

/** One rank's part in a {@link WindowController.singleWrite}. */
export class Fence<Handle = never> implements AsyncDisposable {
  /** True on the one rank that writes. */
  readonly access: boolean
  /** What was given as `handle`: on the rank that writes, null on all others. */
  readonly handle: Handle | null
  /** The write lease, on the rank that writes. */
  readonly lease: WindowLease | null
  private readonly round: Round
  private readonly guarded: boolean
  private readonly finish: () => Promise<void>
  private given: { readonly value: unknown } | null = null
  private end: Promise<void> | null = null

  /**
   * @internal
   * @param guarded whether somebody catches the signal.
   */
  constructor(
    round: Round,
    lease: WindowLease | null,
    handle: Handle | null,
    guarded: boolean,
    finish: (fence: Fence<Handle>) => Promise<void>,
  ) {
    this.access = round.writes
    this.handle = handle
    this.lease = lease
    this.round = round
    this.guarded = guarded
    this.finish = () => finish(this)
  }

  /**
   * Leaves the block on every rank that does not write. For the callback form of `singleWrite`; with `await using`, ask {@link access}.
   *
   * @throws LockError `LOCK_INVALID` where nobody catches its signal.
   */
  guard(): void {
    if (this.access) return
    if (!this.guarded)
      throw invalid('guard() leaves the block of singleWrite(async (fence) => …). With `await using`, write `if (fence.access) { … }`.')
    throw new FenceSignal(this)
  }

  /**
   * Gives a value to every rank, at once: anything that structuredClone takes, or an open HDF5 `File`, which travels as a reference. A second
   * value of the same round is ignored.
   *
   * @throws LockError `LOCK_INVALID` on a rank that does not write, after the end, and for what cannot be sent.
   */
  share(value: unknown): void {
    if (!this.access) throw invalid('Only the rank that writes shares a value.')
    if (this.round.over) throw invalid('The round is over: share the value before its end.')
    const bytes = encodeValue(value)
    this.given ??= { value }
    this.round.share(bytes)
  }

  /**
   * The value that was shared, on every rank; waits for it. May be called inside the block and after it, more than once.
   *
   * @throws what was thrown on the rank that writes; LockError `LOCK_INVALID` when the round ends without a value.
   */
  async collect<Value = unknown>(): Promise<Value> {
    if (this.given !== null) return this.given.value as Value
    if (this.access && !this.round.over) throw invalid('Nothing was shared yet, and only this rank can share.')
    return (await decodeValue(await this.round.shared)) as Value
  }

  /** @internal The value that was shared on this very rank. */
  get sharedHere(): { readonly value: unknown } | null {
    return this.given
  }

  /**
   * Ends this rank's part; the one that writes lets go of the window. Resolves when all ranks have ended theirs. Idempotent.
   *
   * @throws LockError when the round failed
   */
  release(): Promise<void> {
    this.end ??= this.finish()
    return this.end
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}
