// SPDX-License-Identifier: MIT
// After a reconnect neither the server nor we may have what the other does not know: page by page, what the server has for the session is
// compared with what we believe.
import { LockError } from '../../core/errors.ts'
import { foreign, listOf, wholeOf } from './answers.ts'
import type { Asking } from './asking.ts'
import type { Link } from './link.ts'
import type { RedisLease } from './redis-lease.ts'
import type { Session } from './session.ts'

const PAGE = 500

/** What the comparison found that is not a request's. */
export interface Findings {
  /** The server has them, and nobody here wants them. */
  readonly unknown: readonly string[]
  /** We held them, and the server knows nothing of it. */
  readonly lost: readonly RedisLease[]
  /** False when the server says that the session is over. */
  readonly alive: boolean
}

/** Requests are told what the server has of them, or are asked again. */
export async function audit(link: Link, session: Session, asking: Asking, leases: Iterable<RedisLease>): Promise<Findings> {
  const held = new Map<string, RedisLease>()
  for (const lease of leases) if (lease.session === session) held.set(lease.id, lease)
  const presumed = new Set(asking.presumed())
  const strange: string[] = []
  for (let after = ''; ; ) {
    const answer = listOf(await link.ask('audit', session.id, session.epoch, link.leaseUs, after, String(PAGE)))
    const state = wholeOf(answer[0])
    if (state === -1 || state === -2) return { unknown: [], lost: [], alive: false }
    if (state !== 1 || answer.length % 2 === 0) throw foreign()
    for (let i = 1; i + 1 < answer.length; i += 2) {
      after = String(answer[i])
      const request = asking.find(after)
      if (request !== undefined) {
        presumed.delete(request)
        asking.known(request, String(answer[i + 1]))
      } else if (!held.delete(after)) strange.push(after)
    }
    if (answer.length < 2 * PAGE + 1) break
  }
  // What was granted while the books were compared is listed there, and was no lease of ours when we began.
  const granted = new Set(Array.from(leases, ({ id }) => id))
  const unknown = strange.filter((id) => !granted.has(id))
  for (const request of presumed) if (request.state !== 'unsent') asking.askAgain(request)
  return { unknown, lost: [...held.values()].filter(({ state }) => state === 'held' || state === 'suspended'), alive: true }
}

export function forgotten(): LockError {
  return new LockError('LOCK_LOST', 'The server does not know of the lock any more: it was started anew, or has lost its last writes.')
}
