// SPDX-License-Identifier: MIT
// A lock that Python programs share: the recipe of redis-py's `redis.lock.Lock`. One key, whose name is the lock's; it holds a random value of
// its holder's, and expires. Nobody is told when it comes free, so whoever waits asks again and again, as redis-py does. No reading, no
// sub-trees, no tokens that rise: it stands beside the claims of a space, and knows nothing of them.
import { randomUUID } from 'node:crypto'
import { invalid, LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'
import { checkTimeout } from '../../options.ts'
import { type Connection, connectionOf, type RedisClient } from './connection.ts'
import { asLockError, repliedWith, silent } from './failures.ts'
import { within } from './link.ts'

export interface RedisPyLockOptions {
  /** A connected client of node-redis or ioredis. It stays the caller's to close. */
  readonly client: RedisClient
  /** The key, as Python names it. */
  readonly name: string
  /** Milliseconds after which the lock is lost, unless it is extended before. (Python counts in seconds.) */
  readonly timeout: number
}

export interface RedisPyPatience {
  /** Milliseconds of waiting; 0 for one try. Default: as long as it takes. */
  readonly timeout?: number | undefined
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
}

/** The same value asking twice is one request, as a client may send it again after a cut. */
const ACQUIRE = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`
const EXTEND = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`

const SHORTEST_MS = 100
const LONGEST_MS = 2 ** 31 - 1
/** Of the time-out; kept back, so that a lock is lost here before it is free there. */
const MARGIN = 0.05
const LEAST_MARGIN_MS = 20
/** A server that takes longer does not answer. */
const ANSWER_WITHIN_MS = 5_000
/** As often as redis-py. */
const ASK_EVERY_MS = 100

/**
 * A plain exclusive lock that Python's `redis.lock.Lock(client, name, timeout=…)` respects, and that respects it.
 *
 * ```ts
 * const lock = redisPyLock({ client, name: 'results.db', timeout: 30_000 })
 * await using lease = await lock.acquire({ timeout: 5_000 })
 * ```
 *
 * @throws LockError `LOCK_INVALID`
 */
export function redisPyLock(options: RedisPyLockOptions): RedisPyLock {
  const { client, name, timeout } = options
  check(name, timeout)
  // Nothing is subscribed to, so the client need not be duplicated for messages; and of its ups and downs we learn by asking.
  const connection = connectionOf(client, client).then((opened) => {
    opened.close()
    return opened
  })
  return new RedisPyLock(new Key(connection, name, timeout))
}

/** Such locks on a connection of their own. Made by `connectRedisPyLocks`. */
export class RedisPyLocks {
  private readonly connection: Connection

  /** @internal */
  constructor(connection: Connection) {
    this.connection = connection
    // Whoever waits has a timer that does it.
    connection.keepAlive(false)
  }

  /**
   * As {@link redisPyLock}.
   *
   * @throws LockError `LOCK_INVALID`
   */
  lock(name: string, timeout: number): RedisPyLock {
    check(name, timeout)
    return new RedisPyLock(new Key(Promise.resolve(this.connection), name, timeout))
  }

  /** Locks that are held are not given back any more: they expire. */
  close(): void {
    this.connection.close()
  }
}

function check(name: string, timeout: number): void {
  if (typeof name !== 'string' || name === '') throw invalid('name is the name of a key.')
  if (!(Number.isInteger(timeout) && timeout >= SHORTEST_MS && timeout <= LONGEST_MS)) {
    throw invalid(`timeout is a whole number of milliseconds, from ${SHORTEST_MS} to ${LONGEST_MS}, not ${String(timeout)}.`)
  }
}

/** Made by {@link redisPyLock}. */
export class RedisPyLock {
  private readonly key: Key

  /** @internal */
  constructor(key: Key) {
    this.key = key
  }

  get name(): string {
    return this.key.name
  }

  /**
   * Null when somebody has it.
   *
   * @throws LockError `LOCK_UNAVAILABLE`, `LOCK_DENIED`; `LOCK_UNSUPPORTED` where the key holds something else than a lock.
   */
  async tryAcquire(): Promise<RedisPyLease | null> {
    const { key } = this
    const value = randomUUID().replaceAll('-', '')
    const deadline = key.deadlineFromNow()
    let taken: boolean
    try {
      taken = await key.run(ACQUIRE, value)
    } catch (error) {
      // It may have been taken all the same.
      key.run(RELEASE, value).catch(() => {})
      throw error
    }
    if (!taken) return null
    if (bootNow() < deadline) return new RedisPyLease(key, value, deadline)
    key.run(RELEASE, value).catch(() => {})
    throw new LockError('LOCK_UNAVAILABLE', `The lock ${key.name} had expired when the server's answer came.`)
  }

  /**
   * Waits until it is free. There is no line: whoever asks first when it comes free has it.
   *
   * @throws LockError as {@link tryAcquire}; `LOCK_TIMEOUT` when the time is up. Rejects with the signal's reason when that aborts.
   */
  async acquire(patience: RedisPyPatience = {}): Promise<RedisPyLease> {
    const { timeout, signal } = patience
    if (timeout !== undefined) checkTimeout(timeout)
    const began = performance.now()
    for (;;) {
      signal?.throwIfAborted()
      const left = (): number => Math.max(0, (timeout ?? Number.POSITIVE_INFINITY) - (performance.now() - began))
      // One try is made however short the time is.
      const lease = await this.ask(timeout === 0 ? ANSWER_WITHIN_MS : left(), signal)
      if (lease !== null) return lease
      signal?.throwIfAborted()
      if (left() === 0) throw new LockError('LOCK_TIMEOUT', `The lock ${this.name} did not come free within ${timeout} ms.`)
      await pause(Math.min(left(), ASK_EVERY_MS * (0.5 + Math.random() / 2)), signal)
    }
  }

  /** Null also when the time is up or the signal aborts first: what comes later goes back. */
  private async ask(ms: number, signal: AbortSignal | undefined): Promise<RedisPyLease | null> {
    const answered = new AbortController()
    const asked = this.tryAcquire()
    try {
      const lease = await Promise.race([asked, pause(ms, signal, answered.signal)])
      if (lease === null || (lease !== undefined && !signal?.aborted)) return lease
    } finally {
      answered.abort()
    }
    asked.then(
      (late) => late?.release(),
      () => {},
    )
    return null
  }
}

/** What {@link RedisPyLock} gives. */
export class RedisPyLease implements AsyncDisposable {
  private readonly key: Key
  private readonly value: string
  /** In nanoseconds of CLOCK_BOOTTIME: before the server can give it away. */
  private deadline: bigint
  private status: 'held' | 'lost' | 'released' = 'held'
  private readonly abort = new AbortController()
  private timer: NodeJS.Timeout | null = null
  private end: Promise<void> | null = null

  /** @internal */
  constructor(key: Key, value: string, deadline: bigint) {
    this.key = key
    this.value = value
    this.deadline = deadline
    this.watch()
  }

  get name(): string {
    return this.key.name
  }

  get state(): 'held' | 'lost' | 'released' {
    return this.status
  }

  /** Checks the clock at once, for code that kept the event loop busy. */
  get valid(): boolean {
    return this.status === 'held' && bootNow() < this.deadline
  }

  /** Aborts when the lock is lost, before the server can give it to somebody else. Never on release. */
  get signal(): AbortSignal {
    return this.abort.signal
  }

  /**
   * It lasts for its whole time-out from now on.
   *
   * @throws LockError `LOCK_LOST`; as {@link RedisPyLock.tryAcquire} where the server does not answer: it lasts as long as before then.
   */
  async extend(): Promise<void> {
    if (this.status === 'held' && !this.valid) this.lose()
    const deadline = this.key.deadlineFromNow()
    if (this.status === 'held' && !(await this.key.run(EXTEND, this.value))) this.lose()
    if (this.status === 'released') throw new LockError('LOCK_LOST', `The lock ${this.name} was released.`)
    if (this.status === 'lost') throw this.abort.signal.reason
    if (deadline > this.deadline) this.deadline = deadline
    this.watch()
  }

  /** Gives it back, if it is still ours. Idempotent. Never rejects: what the server does not hear of expires. */
  release(): Promise<void> {
    if (this.status === 'held') {
      this.status = 'released'
      this.stop()
      this.end = this.key.run(RELEASE, this.value).then(
        () => {},
        () => {},
      )
    }
    return this.end ?? Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  private watch(): void {
    this.stop()
    const look = (): void => (bootNow() < this.deadline ? this.watch() : this.lose())
    this.timer = setTimeout(look, Math.max(1, Number((this.deadline - bootNow()) / 1_000_000n) + 1))
    this.timer.unref()
  }

  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private lose(): void {
    if (this.status !== 'held') return
    this.status = 'lost'
    this.stop()
    this.abort.abort(new LockError('LOCK_LOST', `The lock ${this.name} has expired, or was deleted: somebody else may have it.`))
  }
}

/** One key on a server. */
class Key {
  readonly name: string
  private readonly connection: Promise<Connection>
  private readonly timeoutMs: number

  constructor(connection: Promise<Connection>, name: string, timeoutMs: number) {
    this.connection = connection
    this.name = name
    this.timeoutMs = timeoutMs
  }

  /** Until when a lock is good that is asked for now. */
  deadlineFromNow(): bigint {
    const usableMs = Math.floor(this.timeoutMs - Math.max(LEAST_MARGIN_MS, this.timeoutMs * MARGIN))
    return bootNow() + BigInt(usableMs) * 1_000_000n
  }

  async run(script: string, value: string): Promise<boolean> {
    const connection = await this.connection
    try {
      const answer = connection.send(['EVAL', script, '1', this.name, value, String(this.timeoutMs)], this.name)
      return Number(await within(answer, ANSWER_WITHIN_MS, () => silent(connection.place, ANSWER_WITHIN_MS))) === 1
    } catch (error) {
      if (!repliedWith(error, 'WRONGTYPE')) throw asLockError(error, connection.place, this.name)
      throw new LockError('LOCK_UNSUPPORTED', `The key ${this.name} holds something else than a lock.`, { cause: error })
    }
  }
}

/** Resolves after the time, or when one of the signals aborts. */
function pause(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<undefined> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      for (const signal of signals) signal?.removeEventListener('abort', end)
      resolve(undefined)
    }
    const timer = setTimeout(end, Math.min(ms, LONGEST_MS))
    for (const signal of signals) signal?.addEventListener('abort', end)
  })
}
