// SPDX-License-Identifier: MIT
// Redis: the engine for locks between hosts.
import type { Backend } from '../../core/backend.ts'
import type { LockError } from '../../core/errors.ts'
import { foreign } from './answers.ts'
import { RedisBackend } from './backend.ts'
import { checkServer, coldStart } from './checks.ts'
import { type Connection, connectionOf, type Endpoint } from './connection.ts'
import { asLockError, silent } from './failures.ts'
import { Link, within } from './link.ts'
import { loadClient, openClient } from './load-client.ts'
import { DEFAULT_LEASE_MS, joinPolicy, type Policy, type RedisOptions, type Settings, settingsOf, writePolicy } from './options.ts'
import { RedisPyLocks } from './plain-lock.ts'
import { OtherPolicy } from './session.ts'

export type { IoredisClient, NodeRedisClient, RedisClient } from './connection.ts'
export {
  type RedisPyLease,
  type RedisPyLock,
  type RedisPyLockOptions,
  type RedisPyLocks,
  type RedisPyPatience,
  redisPyLock,
} from './plain-lock.ts'
export type { RedisOptions }

/**
 * An engine for the processes of many hosts, arbitrated by a Redis server (6.2 or later, or Valkey), which a client of node-redis or ioredis
 * is connected to. The client stays the caller's to close.
 *
 * ```ts
 * const locks = new LockSpace(await redisBackend({ client: await createClient().connect() }))
 * ```
 *
 * @throws LockError `LOCK_UNAVAILABLE` where the server cannot be reached, `LOCK_DENIED` where it does not let us in, `LOCK_UNSUPPORTED` where
 * it cannot keep locks, `LOCK_INVALID` for wrong options, and for others than those with which the space was made.
 */
export async function redisBackend(options: RedisOptions): Promise<Backend> {
  const { client, subscriber, ...rest } = options
  const settings = settingsOf(rest)
  const opening = connectionOf(client, subscriber)
  return open(await inTime(opening, 'the server', settings), settings)
}

/** Where and how to connect, and the options of the space. */
export interface RedisPlace extends Omit<RedisOptions, 'client' | 'subscriber'> {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly tls?: boolean
  readonly username?: string
  readonly password?: string
  readonly db?: number
}

/**
 * As {@link redisBackend}, with a client of our own: of the package `redis` if that is installed, else of `ioredis`.
 *
 * @throws LockError as {@link redisBackend}; `LOCK_UNSUPPORTED` where neither is installed.
 */
export async function connectRedis(place: RedisPlace): Promise<Backend> {
  const { connection, settings } = await connectTo(place)
  return open(connection, settings)
}

/**
 * Plain locks that Python's redis-py respects, as {@link redisPyLock}, with a client of our own.
 *
 * @throws LockError as {@link connectRedis}
 */
export async function connectRedisPyLocks(place: RedisPlace): Promise<RedisPyLocks> {
  const { connection } = await connectTo(place)
  return new RedisPyLocks(connection)
}

async function connectTo(place: RedisPlace): Promise<{ connection: Connection; settings: Settings }> {
  const { host = 'localhost', port = 6379, path, tls = false, username, password, db, ...rest } = place
  const settings = settingsOf(rest)
  // Several heartbeats, also where the space has a longer lease than is known yet.
  const silenceMs = Math.max(1_000, Math.min(DEFAULT_LEASE_MS, settings.leaseMs ?? DEFAULT_LEASE_MS))
  const endpoint: Endpoint = { host, port, path, tls, username, password, db, connectTimeoutMs: settings.connectTimeoutMs, silenceMs }
  await loadClient()
  return { connection: await inTime(openClient(endpoint), path ?? `${host}:${port}`, settings), settings }
}

/** A connection that comes too late is closed. */
async function inTime(opening: Promise<Connection>, place: string, { connectTimeoutMs, hash }: Settings): Promise<Connection> {
  try {
    return await within(opening, connectTimeoutMs, () => silent(place, connectTimeoutMs))
  } catch (error) {
    opening.then(
      (late) => late.close(),
      () => {},
    )
    throw asLockError(error, place, hash)
  }
}

async function open(connection: Connection, settings: Settings): Promise<Backend> {
  const { hash, prefer, leaseMs, connectTimeoutMs } = settings
  const { place } = connection
  try {
    const late = (): LockError => silent(place, connectTimeoutMs)
    await within(checkServer(connection, settings), connectTimeoutMs, late)
    const first: Policy = { prefer: prefer ?? 'first-come', leaseMs: leaseMs ?? DEFAULT_LEASE_MS }
    return await begin(connection, settings, first)
  } catch (error) {
    connection.close()
    throw asLockError(error, place, hash)
  }
}

async function begin(connection: Connection, settings: Settings, policy: Policy): Promise<Backend> {
  const link = new Link(connection, settings.hash, policy.leaseMs)
  const grace = settings.coldStartGrace ? () => link.timely(coldStart(connection, settings.hash, policy.leaseMs)) : () => Promise.resolve(0)
  const backend = new RedisBackend(link, policy, settings, grace)
  try {
    await backend.start()
    return backend
  } catch (error) {
    backend.abandon()
    if (!(error instanceof OtherPolicy)) throw error
    // Made by somebody with a policy that may suit us.
    const theirs = joinPolicy(error.recorded, settings)
    // Or else this was ours, and is refused as another one.
    if (writePolicy(theirs) === writePolicy(policy)) throw foreign()
    return begin(connection, settings, theirs)
  }
}
