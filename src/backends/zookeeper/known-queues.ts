// SPDX-License-Identifier: MIT
// Which queues are there, as far as this session knows. One that was empty for long goes by itself, so it may know too much.
import type { Entry } from './entry.ts'
import type { SessionKeeper } from './keeper.ts'
import { answered } from './wire/errors.ts'
import { exists } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

const MOST_KNOWN = 20_000

export class KnownQueues {
  private readonly session: ZooKeeperSession
  private readonly keeper: SessionKeeper
  private readonly known = new Set<string>()

  constructor(session: ZooKeeperSession, keeper: SessionKeeper) {
    this.session = session
    this.keeper = keeper
  }

  /** The queues that have to be made. */
  async missing(entry: Entry): Promise<Set<string>> {
    const unknown = entry.places.filter(({ queue }) => !this.known.has(queue))
    const missing = new Set<string>()
    await Promise.all(
      unknown.map(async ({ queue }) => {
        try {
          await this.keeper.insist(this.session, () => this.session.request(exists(queue)))
          this.add(queue)
        } catch (error) {
          if (!answered(error, 'NONODE')) throw error
          missing.add(queue)
        }
      }),
    )
    return missing
  }

  add(queue: string): void {
    if (this.known.size >= MOST_KNOWN) this.known.clear()
    this.known.add(queue)
  }

  forget(queues: Iterable<string>): void {
    for (const queue of queues) this.known.delete(queue)
  }
}
