// SPDX-License-Identifier: MIT
// The promises as a suite of tests, for everybody who writes a backend.
import type { Preference, Supports } from '../core/backend.ts'
import { atomicity } from './atomicity.ts'
import type { Arena, ArenaOptions } from './client.ts'
import { closing } from './closing.ts'
import { exclusion } from './exclusion.ts'
import { Scene, type Suite } from './harness.ts'
import { input } from './input.ts'
import { inspection } from './inspection.ts'
import { lease } from './lease.ts'
import { loss } from './loss.ts'
import { manifest } from './manifest.ts'
import { order } from './order.ts'
import { preference } from './preference.ts'
import { tokens } from './tokens.ts'
import { torture } from './torture.ts'
import { waiting } from './waiting.ts'

export type {
  Arena,
  ArenaOptions,
  Client,
  ClientFacts,
  ClientLease,
  LeaseView,
  Pending,
  RequestOptions,
} from './client.ts'
export { localClients } from './local-client.ts'
export { processClients } from './process-client.ts'
export { threadClients } from './thread-client.ts'

/** Registers a test with a runner: `test` of node:test, of vitest, of mocha. It fails when `body` rejects. */
export type TestFunction = (title: string, body: () => Promise<void>) => unknown

export interface ConformanceOptions {
  /** What is tested, as a phrase that opens every title: `redis, across processes`. */
  readonly name: string
  readonly test: TestFunction
  /** What the backend says that it supports. It decides which tests there are, and is itself tested. */
  readonly supports: Supports
  /** Opens a lock space that nobody else uses, preferring what the options say. Called once for each test. */
  readonly open: (options: ArenaOptions) => Arena | Promise<Arena>
  /** Where the clients of the arena live. Threads and processes can be killed, processes can be stopped. Default `tasks`. */
  readonly clients?: 'tasks' | 'threads' | 'processes' | undefined
  /** The preferences that the backend knows. Default: both. */
  readonly preferences?: readonly Preference[] | undefined
  /** Multiplies the rounds of the random tests. Default 1: a run takes seconds. */
  readonly scale?: number | undefined
  /**
   * How long a thing that must happen may take, in milliseconds, before the test fails. More than the time after which the engine lets
   * go of a dead holder, and less than the time that the runner gives a test. Default 10 s.
   */
  readonly patience?: number | undefined
}

/**
 * Registers the tests of every promise that a backend can show.
 *
 * ```ts
 * conformance({
 *   name: 'memory',
 *   test,
 *   supports: memoryBackend().supports,
 *   open: ({ prefer }) => localClients(() => memoryBackend({ prefer })),
 * })
 * ```
 */
export function conformance(options: ConformanceOptions): void {
  const { name, test, supports, open, clients = 'tasks', preferences = ['first-come', 'writers'], scale = 1, patience = 10_000 } = options
  const suite: Suite = {
    supports,
    canKill: clients !== 'tasks',
    processes: clients === 'processes',
    separate: supports.scope !== 'thread',
    preferences,
    test(title, body, prefer = preferences[0] ?? 'first-come') {
      test(`${name}: ${title}`, async () => {
        const arena = await open({ prefer })
        const scene = new Scene(arena, supports, patience, scale)
        try {
          await body(scene)
        } catch (error) {
          // What went wrong first is the news, whatever the closing of a broken space says.
          await scene.within(arena.close(), 'the arena is closed').catch(() => {})
          throw error
        }
        await scene.within(arena.close(), 'the arena is closed')
      })
    },
  }
  for (const promise of PROMISES) promise(suite)
}

const PROMISES: readonly ((suite: Suite) => void)[] = [
  manifest,
  exclusion,
  atomicity,
  order,
  preference,
  torture,
  loss,
  tokens,
  lease,
  waiting,
  inspection,
  closing,
  input,
]
