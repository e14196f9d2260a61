// SPDX-License-Identifier: MIT
// Locks on one Redis server, by either client library: the plainest that there is, the peers, and Holdfast. Each peer is used as its own
// documentation says.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { LockSpace } from 'holdfast'
import { type NodeRedisClient, redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Mutex } from 'redis-semaphore'

export type Library = 'node-redis' | 'ioredis'

/** An exclusive lock. */
export interface RedisLock {
  readonly name: string
  readonly library: Library
  /** The promise's value gives it back. */
  take(path: string): Promise<() => Promise<unknown>>
}

interface NodeRedis extends NodeRedisClient {
  set(key: string, value: string, options: { condition: 'NX'; expiration: { type: 'PX'; value: number } }): Promise<unknown>
  publish(channel: string, message: string): Promise<number>
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

export interface Clients {
  readonly nodeRedis: NodeRedis
  readonly ioredis: Redis
  /** Resolves when nobody is connected any more. */
  close(): Promise<void>
}

// What has no types of its own, or too narrow ones, as far as it is used here.
interface Redlock {
  lock(resource: string, ttl: number): Promise<{ unlock(): Promise<void> }>
}
interface SimpleMutex {
  lock(client: unknown, name: string): Promise<() => Promise<void>>
}

const require = createRequire(import.meta.url)

/** For all that want one: the same as Holdfast's default. */
const LEASE_MS = 10_000
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

const CLOSED_WITHIN_MS = 1_000

async function connections(client: Redis): Promise<number> {
  return String(await client.client('LIST'))
    .trim()
    .split('\n').length
}

/** One client of each library. */
export async function connectBoth(port: number): Promise<Clients> {
  const nodeRedis = createClient({ socket: { host: '127.0.0.1', port } })
  // As other clients end a program that does not listen.
  nodeRedis.on('error', () => {})
  const ioredis = new Redis(port, '127.0.0.1')
  ioredis.on('error', () => {})
  await Promise.all([nodeRedis.connect(), once(ioredis, 'ready')])
  return {
    nodeRedis,
    ioredis,
    async close() {
      nodeRedis.destroy()
      // A peer closes what it has opened beside it a moment later, and would complain of a server that goes first.
      for (const end = Date.now() + CLOSED_WITHIN_MS; Date.now() < end && (await connections(ioredis)) > 1; );
      ioredis.disconnect()
    },
  }
}

/** A lock space on the server, through one of these clients, which stays open. */
export async function lockSpace(clients: Clients, library: Library, space: string): Promise<LockSpace> {
  const client = library === 'ioredis' ? clients.ioredis : clients.nodeRedis
  return new LockSpace(await redisBackend({ client, space, lease: LEASE_MS, checks: 'off' }))
}

/** `write()` and `release()` of a lock space, awaited. */
export function holdfast(space: LockSpace, library: Library): RedisLock {
  return {
    name: 'Holdfast',
    library,
    async take(path) {
      const lease = await space.write(path)
      return () => lease.release()
    },
  }
}

/** `SET NX PX`, and a script that deletes the key if it is still ours: the measure of all others. It cannot wait. */
export async function setnx({ nodeRedis, ioredis }: Clients): Promise<readonly RedisLock[]> {
  const sha = String(await ioredis.script('LOAD', RELEASE))
  const busy = (path: string): Error => new Error(`${path} is busy, and SET NX cannot wait.`)
  return [
    {
      name: 'SET NX',
      library: 'node-redis',
      async take(path) {
        const value = randomUUID()
        const answer = await nodeRedis.set(path, value, { condition: 'NX', expiration: { type: 'PX', value: LEASE_MS } })
        if (answer !== 'OK') throw busy(path)
        return () => nodeRedis.evalSha(sha, { keys: [path], arguments: [value] })
      },
    },
    {
      name: 'SET NX',
      library: 'ioredis',
      async take(path) {
        const value = randomUUID()
        if ((await ioredis.set(path, value, 'PX', LEASE_MS, 'NX')) !== 'OK') throw busy(path)
        return () => ioredis.evalsha(sha, 1, path, value)
      },
    },
  ]
}

/** Each knows one client library. Defaults, but that none gives up. */
export function redisPeers({ nodeRedis, ioredis }: Clients): readonly RedisLock[] {
  const Locks = require('redlock') as new (clients: readonly Redis[], options: { retryCount: number }) => Redlock
  const redlock = new Locks([ioredis], { retryCount: -1 })
  const { lock } = require('simple-redis-mutex') as SimpleMutex
  return [
    {
      name: 'redlock',
      library: 'ioredis',
      async take(path) {
        const held = await redlock.lock(path, LEASE_MS)
        return () => held.unlock()
      },
    },
    {
      name: 'redis-semaphore',
      library: 'ioredis',
      async take(path) {
        const mutex = new Mutex(ioredis, path, { acquireTimeout: Number.POSITIVE_INFINITY })
        await mutex.acquire()
        return () => mutex.release()
      },
    },
    { name: 'simple-redis-mutex', library: 'node-redis', take: (path) => lock(nodeRedis, path) },
  ]
}
