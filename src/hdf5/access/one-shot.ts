// SPDX-License-Identifier: MIT
// One operation in an access of its own: the way of most reads and writes, and kept short.
import type { Lease } from '../../core/lease.ts'
import type { Operation, Reply, Request } from '../engine/protocol.ts'
import type { AccessOptions } from '../options.ts'
import type { Home } from './access.ts'
import { ask, errorFrom } from './engine-client.ts'
import { enter, lossOf, mirrored } from './entry.ts'
import type { Granted, Mode } from './locking.ts'
import { Patience } from './patience.ts'
import { type Job, nextRequest, submit } from './pool.ts'

/**
 * One operation in an access of its own. When nothing is in the way it is a synchronous step (lock, post), a message, and another synchronous step
 * (unlock, answer); whatever takes longer goes on in `entry.ts`.
 */
export class OneShot implements Job {
  message!: Request
  private readonly home: Home
  private readonly mode: Mode
  private readonly operations: readonly Operation[]
  private readonly options: AccessOptions
  private readonly resolve: (answer: unknown) => void
  private readonly reject: (error: unknown) => void
  private granted!: Granted

  constructor(
    home: Home,
    mode: Mode,
    operation: Operation,
    options: AccessOptions,
    resolve: (answer: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.home = home
    this.mode = mode
    this.operations = [operation]
    this.options = options
    this.resolve = resolve
    this.reject = reject
  }

  get file(): string {
    return this.granted.file
  }

  begin(): void {
    const { home, mode, options } = this
    try {
      home.enter(mode)
    } catch (error) {
      this.reject(error)
      return
    }
    try {
      if (options.signal?.aborted) throw options.signal.reason
      const granted = home.lock.tryTake(mode, options.name)
      if (granted === null) void this.enter()
      else this.post(granted)
    } catch (error) {
      this.fail(error)
    }
  }

  settled(reply: Reply): void {
    const { lease } = this.granted
    if (reply.outcome === 'done') this.end(lease, reply.answers[0])
    else if (reply.outcome === 'failed') this.failed(errorFrom(reply.error))
    else void this.enter(reply.outcome)
  }

  failed(error: Error): void {
    const { lease } = this.granted
    const loss = lossOf(lease, error)
    void lease.release().then(() => this.fail(loss ?? error))
  }

  /** The long way. */
  private async enter(outcome?: 'busy' | 'torn'): Promise<void> {
    const { home, mode } = this
    const { lock, durability } = home
    const knock = (granted: Granted) => ask(this.request(granted), granted.file)
    try {
      const begun = outcome === undefined ? undefined : { granted: this.granted, outcome }
      const { granted, answers } = await enter({ lock, mode, durability, knock }, new Patience(this.options), begun)
      this.end(granted.lease, answers[0])
    } catch (error) {
      this.fail(error)
    }
  }

  private end(lease: Lease, answer: unknown): void {
    const loss = lossOf(lease, undefined)
    const released = lease.release()
    // An engine that answers at once has also taken the lock back by now.
    if (this.home.lock.space.backend.supports.immediate) this.leave(loss, answer)
    else void released.then(() => this.leave(loss, answer))
  }

  private leave(loss: Error | undefined, answer: unknown): void {
    if (loss === undefined) this.resolve(answer)
    else this.reject(loss)
    this.home.leave()
  }

  private post(granted: Granted): void {
    this.granted = granted
    this.message = this.request(granted)
    submit(this)
  }

  private fail(error: unknown): void {
    this.reject(error)
    this.home.leave()
  }

  private request({ lease, file }: Granted): Request {
    const { mode, operations, home } = this
    return {
      id: nextRequest(),
      session: nextRequest(),
      open: { file, mode, durability: home.durability, lease: mode === 'read' ? null : mirrored(lease) },
      operations,
      close: 'commit',
    }
  }
}
