// SPDX-License-Identifier: MIT
// What the suite works with: clients that share one lock space, wherever they live. Everything is asynchronous and can be sent as a
// message, so that a client can be a lock space in this thread or an agent in another thread or process.
import type { Preference, Supports } from '../core/backend.ts'
import type { Inspection } from '../core/inspection.ts'
import type { LeaseJson, LeaseState } from '../core/lease.ts'
import type { CloseOptions, LockRequest } from '../lock-space.ts'

/** How the lock space of an arena has to be opened. */
export interface ArenaOptions {
  readonly prefer: Preference
}

/** A lock space of its own, that nobody else uses, and the clients that share it. */
export interface Arena {
  /** One more client. When all of them were closed, the next one opens the same space again. */
  client(): Promise<Client>
  /** Closes the clients that are left, and removes what the engine kept of the space. */
  close(): Promise<void>
}

/** What a client says about itself. */
export interface ClientFacts {
  readonly backend: string
  readonly supports: Supports
  readonly prefer: Preference
  readonly pid: number
  /** Number of the worker thread; 0 is the main thread. */
  readonly thread: number
}

export interface RequestOptions {
  /** Milliseconds of waiting. */
  readonly timeout?: number | undefined
  /** Shown by `inspect()`. Every request gets a name of its own when none is given. */
  readonly name?: string | undefined
}

/** One user of the lock space. */
export interface Client {
  readonly facts: ClientFacts
  /** Asks for sub-trees, and waits for them as long as it takes unless the options say otherwise. */
  request(request: LockRequest, options?: RequestOptions): Pending
  /** Asks for sub-trees, and answers null when somebody is in the way. */
  try(request: LockRequest, options?: RequestOptions): Promise<ClientLease | null>
  /** Hands anything at all to a method of the lock space; a lease that it gives is released. Rejects as the method does. */
  misuse(method: 'lock' | 'tryLock' | 'withLock', request: unknown, options?: unknown): Promise<void>
  /** A request whose signal has aborted before it is made. */
  requestAborted(request: LockRequest, reason: string): Promise<void>
  /** Asks the backend for one path to write, and releases it: true when its `tryAcquire` answered without a promise. */
  answersAtOnce(write: string): Promise<boolean>
  inspect(): Promise<Inspection>
  /** Leases held and requests waiting, as the lock space counts them. */
  counts(): Promise<{ readonly held: number; readonly waiting: number }>
  close(options?: CloseOptions): Promise<void>
  /** Processor time that the client's process has used, in milliseconds. */
  cpuMs(): Promise<number>
  /** Ends the client's thread or process without any chance to clean up; resolves when it is gone. */
  kill?(): Promise<void>
  /** Stops the client's process (SIGSTOP). */
  stop?(): void
  /** Lets it run again (SIGCONT). */
  resume?(): void
}

/** A request under way. */
export interface Pending {
  readonly client: Client
  /** Under which `inspect()` shows it. */
  readonly name: string
  /** Resolves with the grant; rejects as the request does. */
  readonly lease: Promise<ClientLease>
  /** Resolves when the backend says that the request has to wait; rejects when it ended without waiting. */
  readonly waits: Promise<void>
  /** True when `lease` has settled. */
  readonly settled: boolean
  abort(reason: string): Promise<void>
}

/** A lease, as seen from the suite. */
export interface ClientLease {
  readonly token: bigint
  readonly name: string
  /** Resolves with the reason when the lease's signal fires. */
  readonly lost: Promise<unknown>
  look(): Promise<LeaseView>
  release(): Promise<void>
  downgrade(): Promise<void>
  upgrade(): Promise<void>
}

export interface LeaseView {
  readonly state: LeaseState
  readonly valid: boolean
  /** What `JSON.stringify` makes of it, parsed again. */
  readonly json: LeaseJson
}
