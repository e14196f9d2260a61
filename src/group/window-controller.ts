// SPDX-License-Identifier: MIT
// The window that all ranks of a group share: read it in parallel, write it alone, or let one rank write while the others wait.
import { AsyncLocalStorage } from 'node:async_hooks'
import { groupBackend } from '../backends/group/index.ts'
import { Collectives } from '../communicators/collectives.ts'
import type { Communicator } from '../communicators/communicator.ts'
import type { Preference } from '../core/backend.ts'
import { invalid, LockError } from '../core/errors.ts'
import { LockSpace } from '../lock-space.ts'
import { type CloseOptions, checkOptions, type LockOptions } from '../options.ts'
import { closed as closedError } from '../refusals.ts'
import type { Fence } from './fence.ts'
import { Rounds } from './rounds.ts'
import { Scope, WINDOW, type WindowMode } from './scope.ts'
import { openFence, type Writing, writeForAll, writeTogether } from './single-write.ts'
import { holding, WindowLease, type WindowWork } from './window-lease.ts'

export interface SingleWriteOptions<Handle = never> extends LockOptions {
  /** The rank that writes. Default: the master. The same on every rank. */
  readonly rank?: number | undefined
  /** Given to the block on the rank that writes; the others get null. */
  readonly handle?: Handle | undefined
}

export interface WindowControllerOptions {
  readonly master: number
  readonly prefer: Preference
}

/** Made by {@link sync}. */
export class WindowController implements AsyncDisposable {
  /** The rank that keeps the locks, and that writes in {@link singleWrite} unless another one is named. */
  readonly master: number
  /**
   * Locks on paths among the same ranks: sub-trees of the same window, which `read()` and `write()` lock whole. The controller closes it.
   */
  readonly locks: LockSpace
  private readonly communicator: Communicator
  private readonly collectives: Collectives
  private readonly rounds: Rounds
  private readonly around = new AsyncLocalStorage<Scope>()
  private closing: Promise<void> | null = null

  /** @internal On every rank, in the same order. */
  constructor(communicator: Communicator, { master, prefer }: WindowControllerOptions) {
    this.master = master
    this.communicator = communicator
    this.collectives = new Collectives(communicator)
    this.rounds = new Rounds(communicator, master)
    this.locks = new LockSpace(groupBackend(communicator, { home: master, prefer }))
  }

  /** This rank's number, from 0. */
  get rank(): number {
    return this.communicator.rank
  }

  /** How many ranks there are. */
  get size(): number {
    return this.communicator.size
  }

  get closed(): boolean {
    return this.closing !== null
  }

  /** Reads the window, with other readers in parallel. With `work`, for as long as that runs; its result is the result. */
  read(options?: LockOptions): Promise<WindowLease>
  read<Result>(work: WindowWork<Result>): Promise<Result>
  read<Result>(options: LockOptions, work: WindowWork<Result>): Promise<Result>
  read<Result>(options: LockOptions | WindowWork<Result> = {}, work?: WindowWork<Result>): Promise<WindowLease | Result> {
    return this.request('read', options, work)
  }

  /** Has the window alone. With `work`, for as long as that runs; its result is the result. */
  write(options?: LockOptions): Promise<WindowLease>
  write<Result>(work: WindowWork<Result>): Promise<Result>
  write<Result>(options: LockOptions, work: WindowWork<Result>): Promise<Result>
  write<Result>(options: LockOptions | WindowWork<Result> = {}, work?: WindowWork<Result>): Promise<WindowLease | Result> {
    return this.request('write', options, work)
  }

  /**
   * One rank writes, the others wait for it. Collective: every rank calls it, alike and in the same order. The write begins when all have called.
   *
   * - `await singleWrite(async () => …)`: the block, which takes no argument, runs on the rank that writes.
   * - `await singleWrite(async (fence) => …)`: runs on every rank; `fence.guard()` ends it on those that do not write.
   * - `await singleWrite({ handle }, async (handle, fence) => …)`: runs on every rank; all but the one that writes get null.
   * - `await using fence = await singleWrite()`: the rest of the block is the write; `fence.access` says where. What is thrown in it is not told to the
   *   other ranks.
   *
   * With a block, it resolves on every rank with what the writer shared (`fence.share`), else with what its block returned. What is thrown
   * in a block, on whatever rank, rejects on every rank.
   *
   * @throws LockError `LOCK_INVALID` when the ranks do not call alike, or the result cannot be sent; `LOCK_UNAVAILABLE` when a rank is gone;
   * `LOCK_UNSUPPORTED` when a rank calls it while it reads, or while it holds the window and another one is to write.
   */
  singleWrite(options?: SingleWriteOptions & { readonly handle?: undefined }): Promise<Fence>
  singleWrite<Handle>(options: SingleWriteOptions<Handle> & { readonly handle: Handle }): Promise<Fence<Handle>>
  singleWrite<Result>(work: (fence: Fence) => Result | Promise<Result>): Promise<Result>
  singleWrite<Handle, Result>(
    options: SingleWriteOptions<Handle> & { readonly handle: Handle },
    work: (handle: Handle | null, fence: Fence<Handle>) => Result | Promise<Result>,
  ): Promise<Result>
  singleWrite<Result>(options: SingleWriteOptions, work: (fence: Fence) => Result | Promise<Result>): Promise<Result>
  async singleWrite(first: SingleWriteOptions<unknown> | Work = {}, second?: Work): Promise<unknown> {
    const [options, work] = typeof first === 'function' ? [{} as SingleWriteOptions<unknown>, first] : [first, second]
    const writing = this.writing(options)
    if (work !== undefined && typeof work !== 'function') throw invalid('The last argument of singleWrite is the function to run.')
    const { handle } = options
    if (work === undefined) return await openFence(writing, handle ?? null)
    const block = work as (...given: readonly unknown[]) => unknown
    if (handle !== undefined) return await writeTogether(writing, handle, (fence) => block(fence.handle, fence))
    if (block.length > 0) return await writeTogether(writing, null, (fence) => block(fence))
    return await writeForAll(writing, () => block())
  }

  /** Resolves when every rank has called it. */
  barrier(): Promise<void> {
    return this.collectives.barrier()
  }

  /**
   * No more calls on this rank. Waits for what is held and under way; with `timeout`, leases that are left are lost after it. The others may go on with
   * `read` and `write`; their collective calls fail. Happens by itself when the program ends.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.closing ??= this.shutDown(options)
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal The ranks meet, and learn whether they have called alike. */
  async meet(words: string): Promise<void> {
    const all = await this.collectives.gather(0, new TextEncoder().encode(words))
    const odd = all?.findIndex((one) => new TextDecoder().decode(one) !== words) ?? -1
    const complaint =
      odd < 0
        ? ''
        : `sync() is called alike on every rank; here rank 0 asks for ${words}, rank ${odd} for ${new TextDecoder().decode(all![odd])}.`
    const verdict = new TextDecoder().decode(await this.collectives.broadcast(0, new TextEncoder().encode(complaint)))
    if (verdict !== '') throw invalid(verdict)
  }

  private async request<Result>(
    mode: WindowMode,
    options: LockOptions | WindowWork<Result>,
    work: WindowWork<Result> | undefined,
  ): Promise<WindowLease | Result> {
    const [wanted, task] = typeof options === 'function' ? [{}, options] : [options, work]
    checkOptions(wanted)
    if (task !== undefined && typeof task !== 'function') throw invalid(`The last argument of ${mode} is the function to run.`)
    const lease = await this.lease(mode, wanted)
    return task === undefined ? lease : await holding(lease, task, this.inside)
  }

  private async lease(mode: WindowMode, options: LockOptions): Promise<WindowLease> {
    const outer = this.around.getStore()?.open ?? null
    if (outer !== null) return new WindowLease(await outer.enter(mode, options), this.inside)
    return new WindowLease(new Scope(mode, await this.locks[mode](WINDOW, options), null), this.inside)
  }

  private readonly inside = <Result>(scope: Scope, work: () => Promise<Result>): Promise<Result> => this.around.run(scope, work)

  private writing(options: SingleWriteOptions<unknown>): Writing {
    checkOptions(options)
    const writer = options.rank ?? this.master
    checkRank(writer, this.size, 'rank')
    if (this.closing !== null) throw closedError()
    const { signal, timeout, name } = options
    return {
      rounds: this.rounds,
      writer,
      options: { signal, timeout, name },
      refusal: this.refusal(writer),
      lock: (patience) => this.lease('write', patience),
      run: this.inside,
    }
  }

  /** Whoever holds the window while all wait for another rank's write would keep that rank waiting for ever. */
  private refusal(writer: number): LockError | null {
    const outer = this.around.getStore()?.open ?? null
    if (outer === null || (writer === this.rank && outer.mode === 'write')) return null
    return new LockError(
      'LOCK_UNSUPPORTED',
      `Rank ${this.rank} calls singleWrite inside a ${outer.mode} of its own, and rank ${writer}, which is to write, would wait for ever. Call it outside.`,
    )
  }

  private async shutDown(options: CloseOptions): Promise<void> {
    await this.locks.close(options)
    await this.rounds.close()
    this.collectives.close()
  }
}

type Work = (...given: never[]) => unknown

/** @throws LockError `LOCK_INVALID` */
export function checkRank(rank: unknown, size: number, what: string): void {
  if (Number.isInteger(rank) && (rank as number) >= 0 && (rank as number) < size) return
  throw invalid(`${what} is a rank of this group, 0 to ${size - 1}, not ${String(rank)}.`)
}
