// SPDX-License-Identifier: MIT
// What goes back to the server: leases that are released or weakened, and requests that nobody wants any more. What the server could not be
// told is told again when it can be reached, as long as the session lasts.
import { asLockError, isRefusal } from './failures.ts'
import type { Link } from './link.ts'
import type { RedisLease } from './redis-lease.ts'
import type { Encoded } from './requests.ts'
import type { Session, SessionKeeper } from './session.ts'
import { MORE, type Tidying } from './tidying.ts'

interface Weakening {
  readonly modes: string
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class Returns {
  private readonly link: Link
  private readonly keeper: SessionKeeper
  private readonly tidying: Tidying
  /** Releases whose answer is outstanding. By id. */
  private readonly underWay = new Map<string, () => void>()
  /** To be released when there is a connection. */
  private readonly later = new Set<string>()
  private readonly weakenings = new Map<RedisLease, Weakening>()

  constructor(link: Link, keeper: SessionKeeper, tidying: Tidying) {
    this.link = link
    this.keeper = keeper
    this.tidying = tidying
  }

  /** Resolves when the server has answered; nothing to wait for where it cannot be reached. */
  release(lease: RedisLease, { modes, fields }: Encoded): Promise<void> | undefined {
    const { id, session, waited } = lease
    this.weakenings.get(lease)?.resolve()
    this.weakenings.delete(lease)
    if (waited && this.keeper.open) this.link.clearTheWay()
    return this.give(session, id, [session.id, id, this.link.leaseUs, modes, `r${id}`, ...fields])
  }

  /** Takes back what an id may hold or wait for: how it was asked for need not be known. Resolves like {@link release}. */
  discard(session: Session, id: string): Promise<void> | undefined {
    return this.give(session, id, [session.id, id, this.link.leaseUs, '', `r${id}`])
  }

  /** Resolves when the server has it; rejects when the lease is lost meanwhile. */
  weaken(lease: RedisLease, { modes }: Encoded): Promise<void> {
    return new Promise((resolve, reject) => {
      const weakening = { modes, resolve, reject }
      this.weakenings.set(lease, weakening)
      if (this.keeper.open) this.sendWeakening(lease, weakening)
    })
  }

  /** The server can be told again. */
  resumed(session: Session): void {
    for (const [lease, weakening] of this.weakenings) this.sendWeakening(lease, weakening)
    this.retry(session)
  }

  retry(session: Session): void {
    if (this.later.size === 0 || !this.keeper.open) return
    const ids = [...this.later]
    this.later.clear()
    for (const id of ids) void this.discard(session, id)
  }

  /** Nobody has to wait for an answer that may never come. */
  suspended(): void {
    for (const [id, resolve] of this.underWay) {
      this.later.add(id)
      resolve()
    }
    this.underWay.clear()
  }

  /** The server lets go of all of it. */
  sessionLost(reason: unknown): void {
    this.suspended()
    this.later.clear()
    for (const { reject } of this.weakenings.values()) reject(reason)
    this.weakenings.clear()
  }

  private give(session: Session, id: string, args: readonly string[]): Promise<void> | undefined {
    if (session !== this.keeper.current) return undefined
    if (!this.keeper.open) {
      this.later.add(id)
      return undefined
    }
    return new Promise((resolve) => {
      this.underWay.set(id, resolve)
      this.link.run('release', ...args).then(
        (answer) => {
          this.underWay.delete(id)
          if (Number(answer) === MORE) this.tidying.begin()
          resolve()
        },
        (error: unknown) => {
          this.failed(session, id, error)
          resolve()
        },
      )
    })
  }

  private sendWeakening(lease: RedisLease, weakening: Weakening): void {
    const { id, session } = lease
    this.link.run('downgrade', session.id, id, this.link.leaseUs, weakening.modes).then(
      (answer) => {
        if (this.weakenings.get(lease) === weakening) this.weakenings.delete(lease)
        if (Number(answer) === MORE) this.tidying.begin()
        weakening.resolve()
      },
      (error: unknown) => {
        if (!isRefusal(error)) return this.cut(session)
        this.weakenings.delete(lease)
        weakening.reject(asLockError(error, this.link.connection.place, this.link.hash))
      },
    )
  }

  private failed(session: Session, id: string, error: unknown): void {
    // Otherwise it was taken over by `later` when the connection went.
    this.underWay.delete(id)
    if (session !== this.keeper.current) return
    this.later.add(id)
    if (!isRefusal(error)) this.cut(session)
  }

  private cut(session: Session): void {
    if (session === this.keeper.current) this.keeper.cut()
  }
}
