// SPDX-License-Identifier: MIT
// Compares now and then what the servers keep for this session with what it holds: a lease whose tickets somebody has removed is lost.
import { LockError } from '../../core/errors.ts'
import type { Layout } from './layout.ts'
import { getEphemerals, sync } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'
import type { ZooKeeperLease } from './zookeeper-lease.ts'

/** The answer grows with the leases: so many of them make it rarer. */
const LEASES_PER_SECOND = 2_000

export class Audit {
  private readonly layout: Layout
  private readonly leases: Iterable<ZooKeeperLease> & { readonly size?: number }
  private readonly lose: (lease: ZooKeeperLease, reason: LockError) => void
  private looking = false
  private again = 0
  private stopped = false

  constructor(layout: Layout, leases: Iterable<ZooKeeperLease>, lose: (lease: ZooKeeperLease, reason: LockError) => void) {
    this.layout = layout
    this.leases = leases
    this.lose = lose
  }

  /** Looks if it is time. */
  expect(session: ZooKeeperSession): void {
    if (performance.now() >= this.again) this.look(session)
  }

  look(session: ZooKeeperSession): void {
    if (this.looking || this.stopped) return
    const held = [...this.leases].filter((lease) => lease.queues.session === session)
    this.again = performance.now() + Math.max(session.timeoutMs, (held.length / LEASES_PER_SECOND) * 1_000)
    if (held.length === 0) return
    this.looking = true
    void this.compare(session, held)
      .catch(() => {})
      .finally(() => {
        this.looking = false
      })
  }

  stop(): void {
    this.stopped = true
  }

  private async compare(session: ZooKeeperSession, held: readonly ZooKeeperLease[]): Promise<void> {
    const [, paths] = await Promise.all([session.request(sync(this.layout.locks)), session.request(getEphemerals(`${this.layout.locks}/`))])
    const there = new Set(paths)
    for (const lease of held) {
      if (lease.state !== 'held' || lease.entry.tickets().every((path) => there.has(path))) continue
      this.lose(lease, new LockError('LOCK_LOST', 'Somebody removed the nodes of the lock from ZooKeeper.'))
    }
  }
}
