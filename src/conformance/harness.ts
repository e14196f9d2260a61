// SPDX-License-Identifier: MIT
// What the promises are written with: a scene for each test, and the few questions that tests ask of it.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Preference, Supports } from '../core/backend.ts'
import { isLockError, type LockErrorCode } from '../core/errors.ts'
import type { Inspection } from '../core/inspection.ts'
import type { LockRequest } from '../lock-space.ts'
import type { Arena, Client, ClientLease, Pending, RequestOptions } from './client.ts'

/** Everything that `conformance()` was told, and the way to register a test. */
export interface Suite {
  readonly supports: Supports
  /** Clients can be killed. */
  readonly canKill: boolean
  /** Clients are processes: they can be stopped, and their processor time is their own. */
  readonly processes: boolean
  /** Two clients are two users of the engine. False where an engine cannot leave its thread, and all clients are one lock space. */
  readonly separate: boolean
  readonly preferences: readonly Preference[]
  /** `title` opens with the number of the promise, and is a sentence. */
  test(title: string, body: (scene: Scene) => Promise<void>, prefer?: Preference): void
}

/** How soon something counts as "at once" on a busy machine, in milliseconds. */
export const AT_ONCE_MS = 2_000

/** The stage of one test: a fresh lock space, and the patience with which things are awaited. */
export class Scene {
  readonly supports: Supports
  readonly patienceMs: number
  private readonly scale: number
  private readonly arena: Arena

  constructor(arena: Arena, supports: Supports, patienceMs: number, scale: number) {
    this.arena = arena
    this.supports = supports
    this.patienceMs = patienceMs
    this.scale = scale
  }

  client(): Promise<Client> {
    return this.within(this.arena.client(), 'a client is there')
  }

  clients<Count extends 2 | 3 | 4>(count: Count): Promise<Clients[Count]> {
    return Promise.all(Array.from({ length: count }, () => this.client())) as unknown as Promise<Clients[Count]>
  }

  /** How often something is repeated in this run. */
  scaled(times: number): number {
    return Math.max(1, Math.round(times * this.scale))
  }

  /** A promise that has to settle, sooner or later. */
  async within<Result>(promise: Promise<Result>, what: string, patienceMs: number = this.patienceMs): Promise<Result> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new assert.AssertionError({ message: `Not within ${patienceMs} ms: ${what}.` })), patienceMs)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Asks, and waits for the grant. */
  take(client: Client, request: LockRequest, options?: RequestOptions): Promise<ClientLease> {
    return this.granted(client.request(request, options), request)
  }

  granted(pending: Pending, request?: LockRequest): Promise<ClientLease> {
    return this.within(pending.lease, `${request === undefined ? pending.name : text(request)} is granted`)
  }

  /** Asks for what must be free now. Where a `try` may meet a moment of busy, waiting for a moment is allowed. */
  async takeFree(client: Client, request: LockRequest): Promise<ClientLease> {
    if (!this.supports.exactTry) return this.take(client, request)
    const lease = await this.within(client.try(request), `a try of ${text(request)} answers`)
    assert.ok(lease !== null, `${text(request)} is free, but a try was refused`)
    return lease
  }

  /** Asks for what must be free now, and gives it back. */
  async free(client: Client, ...wanted: readonly LockRequest[]): Promise<void> {
    for (const request of wanted) {
      const lease = await this.takeFree(client, request)
      await this.within(lease.release(), `${text(request)} is released`)
    }
  }

  /** Asks for what must be busy now. */
  async busy(client: Client, ...wanted: readonly LockRequest[]): Promise<void> {
    for (const request of wanted) {
      const lease = await this.within(client.try(request), `a try of ${text(request)} answers`)
      if (lease === null) continue
      await lease.release()
      assert.fail(`${text(request)} was granted beside a lease that excludes it`)
    }
  }

  /** Asks for what must be busy now, and answers when the request has its place in the line. */
  async queue(client: Client, request: LockRequest, options?: RequestOptions): Promise<Pending> {
    const pending = client.request(request, options)
    await this.within(pending.waits, `${text(request)} has to wait`)
    await this.until(`inspect() shows ${text(request)} among the waiters`, async () => {
      const { waiters } = await client.inspect()
      assert.ok(!pending.settled, `${text(request)} was granted, or failed, though it has to wait`)
      return waiters.some(({ name }) => name === pending.name)
    })
    return pending
  }

  /** Nothing has happened to these requests, after a round trip through the engine for each. */
  async stillWait(...waiting: readonly Pending[]): Promise<void> {
    for (const { client, name } of waiting) {
      const { waiters } = await this.inspect(client)
      assert.ok(
        waiters.some((waiter) => waiter.name === name),
        `"${name}" should still wait, and is not among the waiters`,
      )
    }
    assert.ok(!waiting.some(({ settled }) => settled), 'a request that has to wait has ended')
  }

  /** What the client sees. Asks again when somebody was too busy to answer it: that is what `silent` is for, and no fault. */
  async inspect(client: Client): Promise<Inspection> {
    let seen: Inspection | undefined
    await this.until('inspect() hears everybody', async () => {
      seen = await client.inspect()
      return seen.silent.length === 0
    })
    return seen!
  }

  /** For what an engine shows without telling: asks again until it is so. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const giveUpAt = performance.now() + this.patienceMs
    while (!(await this.within(isSo(), `an answer whether ${what}`))) {
      assert.ok(performance.now() < giveUpAt, `Not within ${this.patienceMs} ms: ${what}.`)
      await pause(1)
    }
  }

  /** Has to reject with this code, soon. */
  async fails(promise: Promise<unknown>, code: LockErrorCode, what: string): Promise<void> {
    const outcome = promise.then(
      () => assert.fail(`${what} should fail with ${code}, and did not`),
      (error: unknown) => assert.ok(isLockError(error, code), `${what} should fail with ${code}, not with ${String(error)}`),
    )
    await this.within(outcome, `${what} fails`)
  }
}

interface Clients {
  2: [Client, Client]
  3: [Client, Client, Client]
  4: [Client, Client, Client, Client]
}

export function text({ read, write }: LockRequest): string {
  const parts = [read && `read ${JSON.stringify(read)}`, write && `write ${JSON.stringify(write)}`]
  return parts.filter(Boolean).join(' and ')
}

/**
 * A pause for tests that show that something does not happen, where no event could tell. Long enough for what would go wrong (a timer
 * that overflows, a wake-up that goes to the wrong waiter), and bounded.
 */
export function aMoment(): Promise<void> {
  return pause(40)
}
