// SPDX-License-Identifier: MIT
// Several accesses under one lock: the file is opened once, and what is written becomes the file's as a whole, or not at all.
import type { Lease } from '../../core/lease.ts'
import type { Answers, Operation, ReadOperation, Request, WriteOperation } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import type { File } from '../file.ts'
import { type AccessOptions, checkAccessOptions } from '../options.ts'
import type { Access, Home } from './access.ts'
import { ask, errorFrom } from './engine-client.ts'
import { enter, lossOf, mirrored } from './entry.ts'
import type { Granted, Mode } from './locking.ts'
import { Patience } from './patience.ts'
import { type EngineThread, nextRequest } from './pool.ts'
import { postable } from './postable.ts'

export interface SessionRequest {
  readonly home: Home
  readonly mode: Mode
  readonly options: AccessOptions
}

/**
 * Runs `work` in a session: commits when it answers, rolls back when it throws, and rejects with what it threw. A lost lock is `LOCK_LOST`,
 * whatever `work` did.
 */
export async function inSession<Result>(
  { home, mode, options }: SessionRequest,
  work: (session: Session, granted: Granted) => Result | Promise<Result>,
): Promise<Result> {
  home.enter(mode)
  try {
    const { lock, durability } = home
    const number = nextRequest()
    const knock = (granted: Granted) => {
      const lease = mode === 'read' ? null : mirrored(granted.lease)
      return ask(
        { id: nextRequest(), session: number, open: { file: granted.file, mode, durability, lease }, operations: [] },
        granted.file,
      )
    }
    const { granted, thread } = await enter({ lock, mode, durability, knock }, new Patience(options))
    const session = new Session(home.file, granted, mode, number, thread)
    let result: Result
    try {
      result = await work(session, granted)
      await session.quiet()
      await session.close('commit')
    } catch (error) {
      await session.quiet().catch(() => undefined)
      await session.close('roll back').catch(() => undefined)
      throw await ended(granted.lease, error)
    }
    const loss = await ended(granted.lease, undefined)
    if (loss !== undefined) throw loss
    return result
  } finally {
    home.leave()
  }
}

/** Releases, and answers what the caller must hear: the loss of the lock if there was one, else the work's own error. */
async function ended(lease: Lease, error: unknown): Promise<unknown> {
  const loss = lossOf(lease, error)
  await lease.release()
  return loss ?? error
}

/** An open file. */
export class Session implements Access {
  readonly file: File
  /** For operations that belong to one that was begun before the end. */
  readonly inside: Access
  private readonly granted: Granted
  private readonly mode: Mode
  private readonly number: number
  private readonly thread: EngineThread
  private readonly underWay = new Set<Promise<unknown>>()
  /** The last of those that nobody may see the middle of. */
  private line: Promise<unknown> = Promise.resolve()
  /** A large value on its way, which what comes after may not overtake. */
  private copying: Promise<unknown> | null = null
  private state: 'open' | 'ending' | 'over' = 'open'

  constructor(file: File, granted: Granted, mode: Mode, number: number, thread: EngineThread) {
    this.file = file
    this.granted = granted
    this.mode = mode
    this.number = number
    this.thread = thread
    this.inside = new InnerAccess(this)
    thread.sessions++
  }

  ask<Do extends ReadOperation['do']>(operation: Extract<ReadOperation, { readonly do: Do }>): Promise<Answers[Do]> {
    return this.tracked(() => this.post(operation)) as Promise<Answers[Do]>
  }

  change(operation: WriteOperation): Promise<undefined> {
    return this.tracked(() => this.post(operation)) as Promise<undefined>
  }

  together<Result>(work: (access: Access) => Promise<Result>): Promise<Result> {
    return this.tracked(() => {
      const result = this.line.then(() => work(this.inside))
      this.line = result.catch(() => undefined)
      return result
    })
  }

  /** Inside a session there is nothing to wait for. */
  with(options: AccessOptions): Access {
    checkAccessOptions(options)
    return this
  }

  /** @internal */
  async post(operation: Operation): Promise<unknown> {
    const { lease } = this.granted
    if (this.state === 'over') throw this.isOver()
    if (lease.state === 'lost') throw lossOf(lease, undefined)
    if (this.copying !== null) await this.copying
    const ready = postable(operation)
    if (ready instanceof Promise) {
      this.copying = ready.catch(() => undefined)
      await this.copying
      this.copying = null
    }
    return (await this.send({ operations: [await ready] }))[0]
  }

  /** Waits for what nobody awaited. What fails only now has been seen by nobody: it fails the session. */
  async quiet(): Promise<void> {
    if (this.state === 'open') this.state = 'ending'
    const outcomes = await Promise.allSettled(this.underWay)
    const failure = outcomes.find((one) => one.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async close(how: 'commit' | 'roll back'): Promise<void> {
    if (this.state === 'over') return
    this.state = 'over'
    this.thread.sessions--
    await this.send({ operations: [], close: lossOf(this.granted.lease, undefined) === undefined ? how : 'roll back' })
  }

  private async send(what: Pick<Request, 'operations' | 'close'>): Promise<readonly unknown[]> {
    const { reply } = await ask({ id: nextRequest(), session: this.number, ...what }, this.granted.file, this.thread)
    if (reply.outcome === 'done') return reply.answers
    throw reply.outcome === 'failed' ? errorFrom(reply.error) : new Error(`A session cannot be ${reply.outcome}.`)
  }

  /** The answer is the only promise that fails, so that a failure that nobody handles is one that Node reports. */
  private tracked<Result>(begin: () => Promise<Result>): Promise<Result> {
    if (this.state !== 'open') return Promise.reject(this.isOver())
    const result = begin().finally(() => this.underWay.delete(result))
    this.underWay.add(result)
    return result
  }

  private isOver(): Hdf5Error {
    const { file } = this.granted
    const what = this.mode === 'read' ? 'view' : 'transaction'
    return new Hdf5Error('HDF5_CLOSED', `The ${what} of ${file} is over: it lasts as long as the function that it was handed to.`, { file })
  }
}

class InnerAccess implements Access {
  readonly file: File
  private readonly session: Session

  constructor(session: Session) {
    this.file = session.file
    this.session = session
  }

  ask<Do extends ReadOperation['do']>(operation: Extract<ReadOperation, { readonly do: Do }>): Promise<Answers[Do]> {
    return this.session.post(operation) as Promise<Answers[Do]>
  }

  change(operation: WriteOperation): Promise<undefined> {
    return this.session.post(operation) as Promise<undefined>
  }

  together<Result>(work: (access: Access) => Promise<Result>): Promise<Result> {
    return work(this)
  }

  with(): Access {
    return this
  }
}
