// SPDX-License-Identifier: MIT
// The hands of a client: does with one lock space what it is told, and says what happens. Its methods take and give only what can be sent
// as a message.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { threadId } from 'node:worker_threads'
import type { Backend } from '../core/backend.ts'
import { claimsOf } from '../core/claims.ts'
import type { Inspection } from '../core/inspection.ts'
import type { Lease } from '../core/lease.ts'
import { parsePath } from '../core/path.ts'
import { CHANNELS } from '../diagnostics.ts'
import type { CloseOptions, LockRequest, LockSpace } from '../lock-space.ts'
import type { ClientFacts, LeaseView, RequestOptions } from './client.ts'

/** What happens without being asked for: a request has to wait, a lease is lost. */
export interface AgentEvent {
  readonly event: 'waits' | 'lost'
  readonly number: number
  readonly reason?: unknown
}

export interface Granted {
  readonly token: bigint
  readonly name: string
}

export class Agent {
  private readonly space: LockSpace
  private readonly backend: Backend
  private readonly tell: (event: AgentEvent) => void
  private readonly leases = new Map<number, Lease>()
  private readonly aborts = new Map<number, AbortController>()
  private readonly numbers = new Map<string, number>()

  constructor(space: LockSpace, backend: Backend, tell: (event: AgentEvent) => void) {
    this.space = space
    this.backend = backend
    this.tell = tell
    subscribe(CHANNELS.wait, this.onWait)
  }

  facts(): ClientFacts {
    const { name, supports, prefer } = this.space.backend
    return { backend: name, supports, prefer, pid: process.pid, thread: threadId }
  }

  async request(number: number, request: LockRequest, options: RequestOptions & { name: string }): Promise<Granted> {
    const abort = new AbortController()
    this.aborts.set(number, abort)
    this.numbers.set(options.name, number)
    try {
      return this.keep(number, await this.space.lock(request, { ...options, signal: abort.signal }))
    } finally {
      this.aborts.delete(number)
      this.numbers.delete(options.name)
    }
  }

  abort(number: number, reason: string): void {
    this.aborts.get(number)?.abort(reason)
  }

  async try(number: number, request: LockRequest, name: string): Promise<Granted | null> {
    const lease = await this.space.tryLock(request, { name })
    return lease === null ? null : this.keep(number, lease)
  }

  async misuse(method: 'lock' | 'tryLock' | 'withLock', request: unknown, options: unknown): Promise<void> {
    const space = this.space as unknown as Record<string, (...args: unknown[]) => Promise<Lease | null | undefined>>
    let answer: Promise<Lease | null | undefined>
    try {
      answer = method === 'withLock' ? space.withLock!(request, options ?? {}, () => undefined) : space[method]!(request, options)
    } catch (error) {
      throw new Error(`${method} threw instead of rejecting.`, { cause: error })
    }
    await (await answer)?.release()
  }

  async requestAborted(request: LockRequest, reason: string): Promise<void> {
    const lease = await this.space.lock(request, { signal: AbortSignal.abort(reason) })
    await lease.release()
  }

  async answersAtOnce(write: string): Promise<boolean> {
    const answer = this.backend.tryAcquire(claimsOf([], [parsePath(write)]), undefined)
    const lease = await answer
    await lease?.release()
    return answer === lease
  }

  async look(number: number): Promise<LeaseView> {
    const lease = this.lease(number)
    return { state: lease.state, valid: lease.valid, json: JSON.parse(JSON.stringify(lease)) }
  }

  async release(number: number): Promise<void> {
    await this.lease(number).release()
  }

  async downgrade(number: number): Promise<void> {
    await this.lease(number).downgrade()
  }

  async upgrade(number: number): Promise<void> {
    await this.lease(number).upgrade()
  }

  async inspect(): Promise<Inspection> {
    return await this.space.inspect()
  }

  counts(): { held: number; waiting: number } {
    return { held: this.space.held, waiting: this.space.waiting }
  }

  cpuMs(): number {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }

  async close(options: CloseOptions): Promise<void> {
    try {
      await this.space.close(options)
    } finally {
      unsubscribe(CHANNELS.wait, this.onWait)
    }
  }

  private keep(number: number, lease: Lease): Granted {
    this.leases.set(number, lease)
    lease.signal.addEventListener('abort', () => this.tell({ event: 'lost', number, reason: lease.signal.reason }))
    return { token: lease.token, name: lease.name ?? '' }
  }

  private lease(number: number): Lease {
    const lease = this.leases.get(number)
    if (lease === undefined) throw new Error(`There is no lease ${number} here.`)
    return lease
  }

  private readonly onWait = (message: unknown): void => {
    const { name } = message as { name: string | undefined }
    const number = name === undefined ? undefined : this.numbers.get(name)
    if (number !== undefined) this.tell({ event: 'waits', number })
  }
}
