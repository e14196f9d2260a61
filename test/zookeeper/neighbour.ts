// SPDX-License-Identifier: MIT
// What the tests ask of another system's locks, whatever its language: clients, each with a session, and plain locks on paths.
import type { Driver } from './driver.ts'

/** `lost` is a session that expired. */
export type NeighbourState = 'connected' | 'suspended' | 'lost'

export interface ConnectOptions {
  /** Asked for; 10,000 when left out. The server has its own bounds, and a granularity of one tick. */
  readonly sessionTimeoutMs?: number
  /** `user:password`, for the scheme `digest`. */
  readonly auth?: string
}

export interface AcquireOptions {
  /** Without it, as long as it takes. 0: one try. */
  readonly timeoutMs?: number
}

/** A process of another system. Its operations on one lock are done in order, by one thread; those on different locks at the same time. */
export abstract class Neighbour {
  protected readonly driver: Driver

  protected constructor(driver: Driver) {
    this.driver = driver
  }

  get pid(): number {
    return this.driver.pid
  }

  /** SIGKILL: its locks stay until its sessions expire. */
  kill(): Promise<void> {
    return this.driver.kill()
  }

  /** SIGSTOP. */
  pause(): void {
    this.driver.signal('SIGSTOP')
  }

  resume(): void {
    this.driver.signal('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  protected async session(hosts: string, options: ConnectOptions): Promise<SessionAnswer> {
    const { sessionTimeoutMs = 10_000, auth = null } = options
    return this.driver.ask('connect', { hosts, sessionTimeoutMs, auth })
  }
}

export interface SessionAnswer {
  /** The driver's number for the client. */
  readonly client: number
  /** Hexadecimal. */
  readonly session: string
}

export class NeighbourClient {
  /** Of the session that it got first. */
  readonly session: bigint
  protected readonly driver: Driver
  protected readonly client: number

  constructor(driver: Driver, { client, session }: SessionAnswer) {
    this.driver = driver
    this.client = client
    this.session = BigInt(`0x${session}`)
  }

  /** All that it has been in, from `connected` to the one that it is in now. */
  states(): Promise<NeighbourState[]> {
    return this.ask('states')
  }

  /** Resolves when it is in this state. A lost session is soon followed by a new one: look at `states` for that. */
  async reaches(state: NeighbourState): Promise<void> {
    await this.ask('reaches', { state })
  }

  /** Ends its session, and with it its locks. */
  async close(): Promise<void> {
    await this.ask('close')
  }

  protected ask<Answer>(operation: string, words: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    return this.driver.ask(operation, { ...words, client: this.client })
  }
}

export class NeighbourLock {
  readonly path: string
  protected readonly driver: Driver
  protected readonly lock: number

  constructor(driver: Driver, lock: number, path: string) {
    this.driver = driver
    this.lock = lock
    this.path = path
  }

  /** True when it was acquired; false when it was not within the time. */
  acquire(options: AcquireOptions = {}): Promise<boolean> {
    return this.driver.ask('acquire', { lock: this.lock, timeoutMs: options.timeoutMs ?? null })
  }

  async release(): Promise<void> {
    await this.driver.ask('release', { lock: this.lock })
  }
}
