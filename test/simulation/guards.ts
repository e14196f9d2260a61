// SPDX-License-Identifier: MIT
// Rules by which the engine keeps its promises, each to be taken away alone: from the model of the server, or from around the engine's own code, which
// stays as it is.
import type fc from 'fast-check'
import { audit } from '../../src/backends/redis/audit.ts'
import type { RedisBackend } from '../../src/backends/redis/backend.ts'
import type { RedisLease } from '../../src/backends/redis/redis-lease.ts'
import type { Session } from '../../src/backends/redis/session.ts'
import { someOrder } from './orders.ts'
import { bootNow } from './platform.ts'
import { amnesia, keptData, LEASE_MS, reconnects, type Schedule } from './schedule.ts'
import type { ScriptFlaws } from './scripts-model.ts'

export interface Guard {
  /** The rule that is broken. */
  readonly name: string
  /** Where that matters. */
  readonly schedules: fc.Arbitrary<Schedule>
  readonly inServer?: ScriptFlaws
  readonly inClient?: (backend: RedisBackend) => void
}

/** What of the engine's inside is reached for. */
interface Insides {
  readonly keeper: { readonly current: Session | null; watchDeadline(): void; gone(session: Session, epoch: string): void }
  readonly asking_: Parameters<typeof audit>[2] & { askAgain: unknown }
  readonly link: Parameters<typeof audit>[0]
  readonly leases: Iterable<RedisLease>
  readonly returns: { discard(session: Session, id: string): unknown }
  renewed(): void
  settle(session: Session, fresh: boolean): Promise<void>
  discard(session: Session, id: string): Promise<void> | undefined
  lose(lease: RedisLease, reason: unknown): void
}

const USABLE_NS = BigInt(LEASE_MS * 0.95) * 1_000_000n
const MARGIN_NS = BigInt(LEASE_MS * 0.05) * 1_000_000n

/** What the engine does with each renewal, with another deadline. */
function deadline(another: (session: Session) => bigint): (backend: RedisBackend) => void {
  return (backend) => {
    const insides = backend as unknown as Insides
    const renewed = insides.renewed.bind(insides)
    insides.renewed = () => {
      const { current } = insides.keeper
      if (current !== null) current.deadline = another(current)
      renewed()
    }
  }
}

/** What the engine does after a reconnect, but that it may take other leases for its own, or leave something out. */
function settling(leasesOf: (all: Iterable<RedisLease>) => Iterable<RedisLease>, discards: boolean): (backend: RedisBackend) => void {
  return (backend) => {
    const insides = backend as unknown as Insides
    insides.settle = async (session, fresh) => {
      if (fresh) return
      const { alive, unknown, lost } = await audit(insides.link, session, insides.asking_, leasesOf(insides.leases))
      if (!alive) return insides.keeper.gone(session, session.epoch)
      if (discards) for (const id of unknown) void insides.returns.discard(session, id)
      for (const lease of lost) insides.lose(lease, new Error('The server does not know of it.'))
    }
  }
}

export const GUARDS: readonly Guard[] = [
  {
    name: 'a deadline is counted from before the heartbeat was sent',
    schedules: someOrder,
    inClient: deadline(() => bootNow() + USABLE_NS),
  },
  {
    name: 'a deadline leaves a margin for clocks',
    schedules: someOrder,
    inClient: deadline((session) => session.deadline + MARGIN_NS),
  },
  {
    name: 'a timer rings at the deadline',
    schedules: someOrder,
    inClient: (backend) => {
      ;(backend as unknown as Insides).keeper.watchDeadline = () => {}
    },
  },
  { name: 'a session lives at the server for its whole lease', schedules: someOrder, inServer: { lifetime: 0.9 } },
  { name: 'what was sent in an earlier epoch is refused', schedules: keptData, inServer: { epochs: true } },
  {
    name: 'a heartbeat compares ids: it tells what was granted, should the message be lost',
    schedules: keptData,
    inServer: { news: true },
  },
  {
    name: 'the books are compared after a reconnect',
    schedules: keptData,
    inClient: (backend) => {
      ;(backend as unknown as Insides).settle = () => Promise.resolve()
    },
  },
  {
    name: 'what only the server has after a reconnect goes back',
    schedules: keptData,
    inClient: settling((all) => all, false),
  },
  {
    name: 'what is granted while the books are compared is known',
    schedules: reconnects,
    inClient: settling((all) => [...all], true),
  },
  {
    name: 'a grant that comes after its request was given up goes back',
    schedules: keptData,
    inClient: (backend) => {
      ;(backend as unknown as Insides).discard = () => undefined
    },
  },
  {
    name: 'a request that the server does not know is asked again',
    schedules: amnesia,
    inClient: (backend) => {
      ;(backend as unknown as Insides).asking_.askAgain = () => {}
    },
  },
]
