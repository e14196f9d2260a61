// SPDX-License-Identifier: MIT
// A client is an agent at the other end of a line. The line may be a plain call, or messages to another thread or process.
import type { Inspection } from '../core/inspection.ts'
import type { CloseOptions, LockRequest } from '../lock-space.ts'
import type { Agent, AgentEvent, Granted } from './agent.ts'
import type { Client, ClientFacts, ClientLease, LeaseView, Pending, RequestOptions } from './client.ts'

type Methods = Omit<Agent, 'constructor'>
export type Command = keyof Methods
export type Answer<C extends Command> = Awaited<ReturnType<Methods[C]>>

/** The way to an agent, and the events that come back. */
export interface Line {
  call<C extends Command>(command: C, ...parameters: Parameters<Methods[C]>): Promise<Answer<C>>
  /** Where events go. Set once, before the first call. */
  onEvent: (event: AgentEvent) => void
}

let requests = 0

export class AgentClient implements Client {
  readonly facts: ClientFacts
  private readonly line: Line
  private readonly waiting = new Map<number, () => void>()
  private readonly losing = new Map<number, (reason: unknown) => void>()

  constructor(line: Line, facts: ClientFacts) {
    this.line = line
    this.facts = facts
    line.onEvent = ({ event, number, reason }) => {
      if (event === 'waits') this.waiting.get(number)?.()
      else this.losing.get(number)?.(reason)
    }
  }

  request(request: LockRequest, options: RequestOptions = {}): Pending {
    const number = ++requests
    const name = options.name ?? `request ${number} of process ${process.pid}`
    const lost = this.expectLoss(number)
    // Before the call: an agent in this thread tells at once.
    const told = new Promise<void>((resolve) => this.waiting.set(number, resolve))
    const granted = this.line.call('request', number, request, { ...options, name })
    const lease = granted.then((grant) => this.leaseOf(number, grant, lost))
    const ended = (how: string): never => {
      this.waiting.delete(number)
      throw new Error(`${JSON.stringify(request)} ${how} without waiting.`)
    }
    const over = granted.then(
      () => ended('was granted'),
      (error: unknown) => ended(`failed (${String(error)})`),
    )
    const waits = Promise.race([told, over])
    // Both may go unread by a test that has failed before; the failure is the news then.
    lease.catch(() => {})
    waits.catch(() => {})
    const pending = { client: this, name, lease, waits, settled: false, abort: (reason: string) => this.line.call('abort', number, reason) }
    const settle = () => {
      pending.settled = true
    }
    lease.then(settle, settle)
    return pending
  }

  async try(request: LockRequest, options: RequestOptions = {}): Promise<ClientLease | null> {
    const number = ++requests
    const lost = this.expectLoss(number)
    const granted = await this.line.call('try', number, request, options.name ?? `try ${number} of process ${process.pid}`)
    if (granted !== null) return this.leaseOf(number, granted, lost)
    this.losing.delete(number)
    return null
  }

  misuse(method: 'lock' | 'tryLock' | 'withLock', request: unknown, options?: unknown): Promise<void> {
    return this.line.call('misuse', method, request, options)
  }

  requestAborted(request: LockRequest, reason: string): Promise<void> {
    return this.line.call('requestAborted', request, reason)
  }

  answersAtOnce(write: string): Promise<boolean> {
    return this.line.call('answersAtOnce', write)
  }

  inspect(): Promise<Inspection> {
    return this.line.call('inspect')
  }

  counts(): Promise<{ held: number; waiting: number }> {
    return this.line.call('counts')
  }

  cpuMs(): Promise<number> {
    return this.line.call('cpuMs')
  }

  close(options: CloseOptions = {}): Promise<void> {
    return this.line.call('close', options)
  }

  private expectLoss(number: number): Promise<unknown> {
    return new Promise((resolve) => this.losing.set(number, resolve))
  }

  private leaseOf(number: number, { token, name }: Granted, lost: Promise<unknown>): ClientLease {
    return {
      token,
      name,
      lost,
      look: (): Promise<LeaseView> => this.line.call('look', number),
      release: () => this.line.call('release', number),
      downgrade: () => this.line.call('downgrade', number),
      upgrade: () => this.line.call('upgrade', number),
    }
  }
}
