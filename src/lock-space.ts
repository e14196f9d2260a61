// SPDX-License-Identifier: MIT
// The front door: a request becomes claims, claims go to the backend, the backend's lease goes to the caller.
import { AsyncLocalStorage } from 'node:async_hooks'
import { memoryBackend } from './backends/memory.ts'
import type { Backend } from './core/backend.ts'
import type { Claims } from './core/claims.ts'
import { invalid, LockError } from './core/errors.ts'
import { events } from './core/events.ts'
import { type Holder, type Inspection, inTheWay, waitsThrough } from './core/inspection.ts'
import type { Lease } from './core/lease.ts'
import { LongTimer } from './long-timer.ts'
import { type CloseOptions, checkOptions, checkTimeout, type LockOptions, type LockSpaceOptions, type TryOptions } from './options.ts'
import { owner } from './owner.ts'
import { closed, lost, reentrant, timedOut } from './refusals.ts'
import { type LockRequest, type Paths, RequestReader } from './request.ts'
import { WaitingRequest, WaitingRoom } from './waiting.ts'

export type { CloseOptions, LockOptions, LockRequest, LockSpaceOptions, Paths, TryOptions }

/** What runs under a lock. */
export type Work<Result> = (lease: Lease) => Result | Promise<Result>

/** How long a time-out may be late because the holders were asked who they are, in milliseconds. */
const ASK_HOLDERS_MS = 100

const NO_OPTIONS: LockOptions = {}

/**
 * A namespace in which locks exclude each other.
 *
 * ```ts
 * const locks = new LockSpace()                     // the tasks of this thread
 * await locks.withWrite('/mouse-7/session-3', async (lease) => { … })
 * ```
 *
 * Every method that returns a promise rejects, and never throws. Errors are {@link LockError}s with a stable code.
 */
export class LockSpace implements AsyncDisposable {
  private readonly engine: Backend
  private readonly requests: RequestReader
  private readonly room: WaitingRoom
  private readonly chain: AsyncLocalStorage<readonly Lease[]> | null
  /** Questions to an engine that answers through promises: how many have no answer yet, and who waits until none is left. */
  private underWay = 0
  private allAnswered: () => void = () => {}
  private closing: Promise<void> | null = null

  /** @param backend the engine; without one, a lock table in this thread's memory. The space owns it, and closes it. */
  constructor(backend: Backend = memoryBackend(), options: LockSpaceOptions = {}) {
    const { paths = 'absolute', detectReentrancy = false } = options
    if (paths !== 'absolute' && paths !== 'object-key') {
      throw invalid(`paths is "absolute" or "object-key", not ${JSON.stringify(paths)}.`)
    }
    this.engine = backend
    this.requests = new RequestReader(paths)
    this.room = new WaitingRoom(
      backend.name,
      ({ claims, patience, id }) => this.outOfTime(claims, patience.timeout ?? 0, id),
      backend.prefer === 'writers',
    )
    this.chain = detectReentrancy ? new AsyncLocalStorage() : null
  }

  /** The engine underneath, to see its name, what it supports and its preference. */
  get backend(): Pick<Backend, 'name' | 'supports' | 'prefer'> {
    return this.engine
  }

  /** Leases held through this space at the moment. */
  get held(): number {
    return this.engine.leases.size
  }

  /** Requests of this space that wait at the moment. */
  get waiting(): number {
    return this.room.size
  }

  /** Shares these sub-trees with other readers, and keeps writers out. */
  read(paths: Paths, options?: LockOptions): Promise<Lease> {
    try {
      return this.acquire(this.requests.toRead(paths), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Has these sub-trees alone. */
  write(paths: Paths, options?: LockOptions): Promise<Lease> {
    try {
      return this.acquire(this.requests.toWrite(paths), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Several sub-trees to read and to write, all or nothing: `lock({ read: '/from', write: '/to' })`. */
  lock(request: LockRequest, options?: LockOptions): Promise<Lease> {
    try {
      return this.acquire(this.requests.request(request), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As {@link read}, but null when somebody is in the way. */
  tryRead(paths: Paths, options?: TryOptions): Promise<Lease | null> {
    try {
      return this.tryAcquire(this.requests.toRead(paths), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As {@link write}, but null when somebody is in the way. */
  tryWrite(paths: Paths, options?: TryOptions): Promise<Lease | null> {
    try {
      return this.tryAcquire(this.requests.toWrite(paths), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As {@link lock}, but null when somebody is in the way. */
  tryLock(request: LockRequest, options?: TryOptions): Promise<Lease | null> {
    try {
      return this.tryAcquire(this.requests.request(request), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * As {@link tryLock}, but answers synchronously: for code that takes a free lock millions of times, or cannot await.
   *
   * @throws LockError `LOCK_UNSUPPORTED` where the engine is asked over a network (`backend.supports.immediate` is false).
   */
  tryLockSync(request: LockRequest, options?: TryOptions): Lease | null {
    return this.trySync(this.requests.request(request), options)
  }

  /** As {@link tryRead}, but answers synchronously; see {@link tryLockSync}. */
  tryReadSync(paths: Paths, options?: TryOptions): Lease | null {
    return this.trySync(this.requests.toRead(paths), options)
  }

  /** As {@link tryWrite}, but answers synchronously; see {@link tryLockSync}. */
  tryWriteSync(paths: Paths, options?: TryOptions): Lease | null {
    return this.trySync(this.requests.toWrite(paths), options)
  }

  /**
   * Runs `work` while these sub-trees are shared, then releases. Rejects with `LOCK_LOST` if the lease was lost meanwhile, whatever `work`
   * did (what it threw is the cause); otherwise answers what `work` answers.
   */
  withRead<Result>(paths: Paths, work: Work<Result>): Promise<Result>
  withRead<Result>(paths: Paths, options: LockOptions, work: Work<Result>): Promise<Result>
  withRead<Result>(paths: Paths, options: LockOptions | Work<Result>, work?: Work<Result>): Promise<Result> {
    return this.run({ read: paths }, options, work)
  }

  /** Runs `work` alone in these sub-trees, then releases; as {@link withRead} otherwise. */
  withWrite<Result>(paths: Paths, work: Work<Result>): Promise<Result>
  withWrite<Result>(paths: Paths, options: LockOptions, work: Work<Result>): Promise<Result>
  withWrite<Result>(paths: Paths, options: LockOptions | Work<Result>, work?: Work<Result>): Promise<Result> {
    return this.run({ write: paths }, options, work)
  }

  /** Runs `work` under several sub-trees to read and to write, then releases; as {@link withRead} otherwise. */
  withLock<Result>(request: LockRequest, work: Work<Result>): Promise<Result>
  withLock<Result>(request: LockRequest, options: LockOptions, work: Work<Result>): Promise<Result>
  withLock<Result>(request: LockRequest, options: LockOptions | Work<Result>, work?: Work<Result>): Promise<Result> {
    return this.run(request, options, work)
  }

  /** Who holds and who waits, in every process that shares the space. */
  async inspect(): Promise<Inspection> {
    return await this.engine.inspect()
  }

  /** Everybody whom a request for these sub-trees would have to wait for at this moment. */
  async blockers(request: LockRequest): Promise<readonly Holder[]> {
    const claims = this.requests.request(request)
    return inTheWay(await this.engine.inspect(), claims, this.engine.prefer === 'writers')
  }

  /**
   * No more requests: new ones, and those that wait, reject with `LOCK_CLOSED`. Leases stay good until they are released, and `close`
   * waits for them, so that work under way ends well; with a `timeout`, those left are taken away after it (`lost`, and their signal
   * fires). Calling it again answers the same promise.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      if (options.timeout !== undefined) checkTimeout(options.timeout)
    } catch (error) {
      return Promise.reject(error)
    }
    this.closing ??= this.shutDown(options)
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private acquire(claims: Claims, options: LockOptions | undefined): Promise<Lease> {
    if (this.closing !== null) throw closed()
    if (options !== undefined) {
      checkOptions(options)
      if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    }
    if (!this.engine.supports.immediate) return this.acquireSlowly(claims, options ?? NO_OPTIONS)
    const lease = this.engine.tryAcquire(claims, options?.name) as Lease | null
    if (lease === null) return options?.timeout === 0 ? this.refused(claims) : this.waitFor(claims, options ?? NO_OPTIONS)
    if (events.acquire.hasSubscribers) events.acquire.publish({ lease, waitedMs: 0 })
    return Promise.resolve(lease)
  }

  /** An engine that answers through promises: closing waits for its answers. */
  private acquireSlowly(claims: Claims, options: LockOptions): Promise<Lease> {
    if (options.timeout !== 0) return this.tracked(this.waitFor(claims, options))
    return this.tryAcquire(claims, options).then((lease) => lease ?? this.refused(claims))
  }

  private tryAcquire(claims: Claims, options: TryOptions | undefined): Promise<Lease | null> {
    if (this.closing !== null) throw closed()
    if (options !== undefined) checkOptions(options)
    const answer = this.engine.tryAcquire(claims, options?.name)
    const lease = answer instanceof Promise ? this.tracked(answer) : Promise.resolve(answer)
    if (!events.acquire.hasSubscribers) return lease
    return lease.then((granted) => {
      if (granted !== null) events.acquire.publish({ lease: granted, waitedMs: 0 })
      return granted
    })
  }

  private tracked<Answer extends Lease | null>(answer: Promise<Answer>): Promise<Answer> {
    this.underWay++
    return answer.then(this.granted, this.denied) as Promise<Answer>
  }

  /** What is granted after the space was closed goes back at once. */
  private readonly granted = <Answer extends Lease | null>(lease: Answer): Answer | Promise<never> => {
    if (this.closing === null || lease === null) {
      this.answered()
      return lease
    }
    return lease.release().then(() => this.denied(closed()))
  }

  private readonly denied = (reason: unknown): never => {
    this.answered()
    throw reason
  }

  private answered(): void {
    if (--this.underWay === 0) this.allAnswered()
  }

  private trySync(claims: Claims, options: TryOptions | undefined): Lease | null {
    if (this.closing !== null) throw closed()
    if (options !== undefined) checkOptions(options)
    const { name, supports } = this.engine
    if (!supports.immediate)
      throw new LockError('LOCK_UNSUPPORTED', `The engine "${name}" cannot answer synchronously: await tryLock instead.`)
    const lease = this.engine.tryAcquire(claims, options?.name) as Lease | null
    if (lease !== null && events.acquire.hasSubscribers) events.acquire.publish({ lease, waitedMs: 0 })
    return lease
  }

  private waitFor(claims: Claims, options: LockOptions): Promise<Lease> {
    const request = new WaitingRequest(this.room, claims, options)
    const since = events.acquire.hasSubscribers ? Date.now() : 0
    const lease = this.engine.acquire(claims, request)
    if (this.chain !== null) this.refuseToWaitForItself(claims, request)
    if (since === 0) return lease
    return lease.then((granted) => {
      events.acquire.publish({ lease: granted, waitedMs: Date.now() - since })
      return granted
    })
  }

  private async refused(claims: Claims): Promise<never> {
    throw await this.outOfTime(claims, 0)
  }

  private async outOfTime(claims: Claims, timeoutMs: number, id?: string): Promise<LockError> {
    const holders = await this.whoIsInTheWay(claims, id)
    return timedOut(claims, timeoutMs, holders)
  }

  /** Asks, but not for long, and never fails: it only serves a message. */
  private async whoIsInTheWay(claims: Claims, id?: string): Promise<readonly Holder[]> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<readonly Holder[]>((resolve) => {
      timer = setTimeout(resolve, ASK_HOLDERS_MS, [])
    })
    const asked = this.engine.inspect({ quick: true }).then((seen) => inTheWay(seen, claims, this.engine.prefer === 'writers', id))
    const holders = await Promise.race([asked.catch(() => []), late])
    clearTimeout(timer)
    return holders
  }

  private refuseToWaitForItself(claims: Claims, request: WaitingRequest): void {
    const own = this.chain?.getStore()
    if (own === undefined || own.length === 0) return
    void this.engine.inspect({ quick: true }).then(
      (seen) => {
        const held = new Set(own.filter((lease) => lease.valid).map((lease) => lease.token.toString()))
        const { pid, thread } = owner()
        const mine = waitsThrough(seen, request.id).find(
          (one) => one.token !== null && held.has(one.token) && one.owner.pid === pid && one.owner.thread === thread,
        )
        if (mine) request.withdraw(reentrant(claims, mine))
      },
      () => undefined,
    )
  }

  private async run<Result>(request: LockRequest, options: LockOptions | Work<Result>, work: Work<Result> | undefined): Promise<Result> {
    const task = typeof options === 'function' ? options : work
    if (typeof task !== 'function') throw invalid('The last argument is the function to run under the lock.')
    const lease = await this.lock(request, typeof options === 'function' ? undefined : options)
    const chain = this.chain
    let result: Result
    try {
      result = await (chain === null ? task(lease) : chain.run([...(chain.getStore() ?? []), lease], task, lease))
    } catch (error) {
      throw await ended(lease, error)
    }
    const loss = await ended(lease, undefined)
    if (loss !== undefined) throw loss
    return result
  }

  private async shutDown({ timeout }: CloseOptions): Promise<void> {
    this.room.dismiss(closed())
    const quiet = this.quiet()
    if (timeout !== undefined) {
      const timer = new LongTimer()
      await Promise.race([quiet, new Promise<void>((resolve) => timer.start(timeout, resolve))])
      timer.stop()
      const reason = lost('The lock space was closed before its work was done.', closed())
      await Promise.all(Array.from(this.engine.leases, (lease) => lease.revoke(reason)))
    }
    await quiet
    await this.engine.close()
  }

  /** Resolves when no request is under way and no lease is left. */
  private async quiet(): Promise<void> {
    if (this.underWay > 0) {
      await new Promise<void>((resolve) => {
        this.allAnswered = resolve
      })
    }
    await this.engine.leases.empty()
  }
}

/** Releases at the end of a `with…`; answers what the caller must see: the loss if there was one, else the work's own error. */
async function ended(lease: Lease, error: unknown): Promise<unknown> {
  const lostMeanwhile = lease.state === 'lost' || (lease.state !== 'released' && !lease.valid)
  await lease.release()
  if (!lostMeanwhile) return error
  return lost('The lease was lost while the work was under way: somebody else may have been in.', error ?? lease.signal.reason)
}
