// SPDX-License-Identifier: MIT
// Sessions of a test: what was told of them, and when; ended at the end of the test, whatever became of it.
import { ConnectionLost, type SessionEnded } from '../../../src/backends/zookeeper/wire/errors.ts'
import { type Acl, PERMISSIONS } from '../../../src/backends/zookeeper/wire/operations.ts'
import { type Address, type SessionOptions, ZooKeeperSession } from '../../../src/backends/zookeeper/wire/session.ts'
import { bootNow } from '../../../src/native/clock.ts'

export const OPEN: readonly Acl[] = [{ perms: PERMISSIONS.all, scheme: 'world', id: 'anyone' }]

export interface Told {
  readonly what: 'suspended' | 'resumed' | 'renewed' | 'ended'
  /** Nanoseconds of CLOCK_BOOTTIME. */
  readonly at: bigint
}

export class Watched {
  readonly session: ZooKeeperSession
  /** Without the renewals. */
  readonly story: Told[]
  readonly renewals: Told[]
  private readonly waiting: Map<string, ((why: unknown) => void)[]>

  private constructor(session: ZooKeeperSession, story: Told[], renewals: Told[], waiting: Map<string, ((why: unknown) => void)[]>) {
    this.session = session
    this.story = story
    this.renewals = renewals
    this.waiting = waiting
  }

  static async open(servers: readonly Address[] | Address, options: Partial<SessionOptions> = {}): Promise<Watched> {
    const story: Told[] = []
    const renewals: Told[] = []
    const waiting = new Map<string, ((why: unknown) => void)[]>()
    const hear = (what: Told['what'], why?: unknown): void => {
      const told = { what, at: bootNow() }
      if (what === 'renewed') renewals.push(told)
      else story.push(told)
      const heard = waiting.get(what) ?? []
      waiting.delete(what)
      for (const tell of heard) tell(why)
    }
    const session = await ZooKeeperSession.open(
      {
        servers: ([] as Address[]).concat(servers).map(({ host, port }) => ({ host, port })),
        timeoutMs: 4_000,
        auth: [],
        openWithinMs: 5_000,
        ...options,
      },
      {
        suspended: (why) => hear('suspended', why),
        resumed: () => hear('resumed'),
        renewed: () => hear('renewed'),
        ended: (why) => hear('ended', why),
      },
    )
    const watched = new Watched(session, story, renewals, waiting)
    open.add(watched)
    return watched
  }

  get words(): string[] {
    return this.story.map(({ what }) => what)
  }

  get endedAt(): bigint | null {
    return this.story.find(({ what }) => what === 'ended')?.at ?? null
  }

  /** Resolves the next time that this is told. */
  next(what: 'suspended'): Promise<ConnectionLost>
  next(what: 'ended'): Promise<SessionEnded>
  next(what: 'resumed' | 'renewed'): Promise<void>
  next(what: Told['what']): Promise<unknown> {
    return new Promise((resolve) => this.waiting.set(what, [...(this.waiting.get(what) ?? []), resolve]))
  }

  /** Resolves when it is over, now if it is. */
  async ended(): Promise<void> {
    if (!this.session.ended) await this.next('ended')
  }
}

const open = new Set<Watched>()

/** For `afterEach`. */
export async function closeSessions(): Promise<void> {
  const closing = [...open].map(({ session }) => session.close())
  open.clear()
  await Promise.all(closing)
}

/** Asks again for as long as the connection is lost meanwhile. */
export async function insist<Answer>(ask: () => Promise<Answer>, forMs = 10_000): Promise<Answer> {
  for (const end = performance.now() + forMs; ; ) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ConnectionLost) || performance.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

export function ms(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e6
}
