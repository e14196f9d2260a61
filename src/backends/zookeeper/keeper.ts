// SPDX-License-Identifier: MIT
// Always a session: begun at the start, carried on by itself through lost connections, and begun anew, when somebody asks, after it was lost.
import { isLockError, LockError } from '../../core/errors.ts'
import { asLockError } from './failures.ts'
import type { PlaceSettings } from './options.ts'
import { ConnectionLost, SessionEnded } from './wire/errors.ts'
import { KeepAlive } from './wire/patience.ts'
import { ZooKeeperSession } from './wire/session.ts'

/** Who depends on the session. None of these may throw. */
export interface Dependents {
  suspended(): void
  resumed(session: ZooKeeperSession): void
  renewed(session: ZooKeeperSession): void
  /** Everything that it held is gone. */
  lost(session: ZooKeeperSession, reason: LockError): void
}

const DOZE_AFTER_MS = 20

export class SessionKeeper {
  /** The session, if there is one; it may be out of reach of its servers. */
  current: ZooKeeperSession | null = null
  private readonly settings: PlaceSettings
  private readonly prepare: (session: ZooKeeperSession) => Promise<void>
  private readonly dependents: Dependents
  private opening: Promise<ZooKeeperSession> | null = null
  private back: (() => void)[] = []
  private closed = false
  private holding = 0
  /** For as long as somebody waits, also between two sessions. */
  private readonly life = new KeepAlive()
  private dozing: NodeJS.Timeout | null = null

  /** @param prepare makes a new session ready for use, before anybody else has it. */
  constructor(settings: PlaceSettings, prepare: (session: ZooKeeperSession) => Promise<void>, dependents: Dependents) {
    this.settings = settings
    this.prepare = prepare
    this.dependents = dependents
  }

  /** Begins the first session. Rejects with a LockError. */
  async start(): Promise<void> {
    try {
      await this.session()
    } catch (error) {
      throw asLockError(error, this.place)
    }
  }

  get place(): string {
    return this.current?.place ?? this.settings.servers.map(({ host, port }) => `${host}:${port}`).join(',')
  }

  /** The session, or a new one. Rejects when none is to be had in time. */
  session(): Promise<ZooKeeperSession> {
    if (this.closed) return Promise.reject(new LockError('LOCK_CLOSED', 'The lock space is closed.'))
    if (this.current !== null) return Promise.resolve(this.current)
    this.opening ??= this.open().finally(() => {
      this.opening = null
    })
    return this.opening
  }

  /** Resolves when this session can be asked again, and also when it is over. */
  reachable(session: ZooKeeperSession): Promise<void> {
    if (session.connected || session.ended) return Promise.resolve()
    return new Promise((resolve) => this.back.push(resolve))
  }

  /** Asks until a server has answered. For what may be asked twice. Rejects as {@link ZooKeeperSession.request}, but not for a lost connection. */
  async insist<Answer>(session: ZooKeeperSession, ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        await this.reachable(session)
      }
    }
  }

  /** Somebody waits for the servers: the program stays alive until {@link drop}. */
  hold(): void {
    if (this.holding++ > 0) return
    this.life.set(true)
    this.current?.keepAlive(true)
  }

  drop(): void {
    this.holding--
    // Not at once: the next request is often close behind.
    if (this.holding === 0) this.dozing ??= setTimeout(this.doze, DOZE_AFTER_MS).unref()
  }

  async close(): Promise<void> {
    this.closed = true
    const late = await this.opening?.catch(() => null)
    const session = this.current ?? late
    this.current = null
    this.wake()
    await session?.close()
    this.life.end()
  }

  private async open(): Promise<ZooKeeperSession> {
    const until = performance.now() + this.settings.connectTimeoutMs
    this.hold()
    try {
      for (;;) {
        try {
          return await this.begin(until)
        } catch (error) {
          if (!(error instanceof SessionEnded)) throw error
          // The servers were so slow that it ran out at once: another one, as long as there is time.
          if (this.closed || performance.now() >= until) throw new ConnectionLost(error.message, { cause: error })
        }
      }
    } finally {
      this.drop()
    }
  }

  /** Rejects with SessionEnded when it was over before it was of use. */
  private async begin(until: number): Promise<ZooKeeperSession> {
    const { servers, leaseMs, auth } = this.settings
    let session: ZooKeeperSession | null = null
    let fail = (_why: SessionEnded): void => {}
    const over = new Promise<never>((_, reject) => {
      fail = reject
    })
    over.catch(() => {})
    const mine = <Result>(react: (known: ZooKeeperSession) => Result): Result | undefined =>
      session !== null && this.current === session ? react(session) : undefined
    session = await ZooKeeperSession.open(
      { servers, auth, timeoutMs: leaseMs, openWithinMs: Math.max(1, until - performance.now()) },
      {
        suspended: () => void mine(() => this.dependents.suspended()),
        resumed: () => {
          this.wake()
          mine((known) => this.dependents.resumed(known))
        },
        renewed: () => void mine((known) => this.dependents.renewed(known)),
        ended: (why) => {
          fail(why)
          this.wake()
          mine((known) => this.ended(known, why))
        },
      },
    )
    try {
      // What was asked for when it ended may be answered much later.
      await Promise.race([this.enter(session, until), over])
    } catch (error) {
      void session.close()
      throw error
    }
    if (this.closed) {
      await session.close()
      throw new LockError('LOCK_CLOSED', 'The lock space is closed.')
    }
    if (session.ended) throw new SessionEnded('it ended as soon as it had begun')
    this.current = session
    session.keepAlive(this.holding > 0)
    return session
  }

  /** All of it may be asked twice: a connection that breaks meanwhile is made up for, as long as there is time. */
  private async enter(session: ZooKeeperSession, until: number): Promise<void> {
    for (;;) {
      try {
        await this.prepare(session)
        return
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        const leftMs = until - performance.now()
        if (leftMs <= 0 || !(await this.reachableWithin(session, leftMs))) throw error
      }
    }
  }

  private async reachableWithin(session: ZooKeeperSession, ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([this.reachable(session), late])
    clearTimeout(timer)
    return session.connected
  }

  private ended(session: ZooKeeperSession, why: SessionEnded): void {
    this.current = null
    const reason = new LockError('LOCK_LOST', `The session at ZooKeeper is over, and its locks with it: ${why.message}.`, { cause: why })
    this.dependents.lost(session, reason)
  }

  private wake(): void {
    for (const tell of this.back.splice(0)) tell()
  }

  private readonly doze = (): void => {
    this.dozing = null
    if (this.holding > 0) return
    this.life.set(false)
    this.current?.keepAlive(false)
  }
}

/** What a request is told that has waited in vain for a server. */
export function unavailable(error: unknown, place: string, ms: number): LockError {
  if (isLockError(error)) return error
  const { message } = asLockError(error, place)
  return new LockError('LOCK_UNAVAILABLE', `No ZooKeeper server of ${place} has answered for ${ms} ms. ${message}`, { cause: error })
}
