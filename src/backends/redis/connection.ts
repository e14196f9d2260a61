// SPDX-License-Identifier: MIT
// What the engine needs of a connection to Redis, whichever client library makes it, and what it needs of such a client. No types of the
// libraries are used: what is written here is all that is asked of them.
import { invalid } from '../../core/errors.ts'
import { ioredisConnection } from './ioredis.ts'
import { nodeRedisConnection } from './node-redis.ts'

/** A client of node-redis: of `createClient`, `createCluster` or `createSentinel`. Version 5 or later. */
export interface NodeRedisClient {
  // biome-ignore lint/suspicious/noExplicitAny: clients, clusters and sentinels take different arguments.
  sendCommand(...args: any[]): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: clusters and sentinels want one for strings and buffers.
  unsubscribe(channel: string, listener: any): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: the listeners of each event differ.
  on(event: string, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  off(event: string, listener: (...args: any[]) => void): unknown
  duplicate(): NodeRedisClient
  connect(): Promise<unknown>
  destroy(): unknown
  readonly isReady?: boolean
}

/** A client of ioredis: `Redis` (alone or with Sentinel) or `Cluster`. Version 5 or later. */
export interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: the listeners of each event differ.
  on(event: string, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  off(event: string, listener: (...args: any[]) => void): unknown
  duplicate(): IoredisClient
  connect(): Promise<unknown>
  disconnect(): void
  readonly status: string
}

/** A connected client of either library. */
export type RedisClient = NodeRedisClient | IoredisClient

/** Where a client of our own connects to. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** A socket of this machine, instead of host and port. */
  readonly path?: string | undefined
  readonly tls: boolean
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly db?: number | undefined
  /** How long connecting may take. */
  readonly connectTimeoutMs: number
  /** A connection on which the server has said nothing for so long is cut, and made anew. */
  readonly silenceMs: number
}

/** Commands go out, messages come in. */
export interface Connection {
  /** What the client itself puts before every key. */
  readonly keyPrefix: string
  /** Host and port, for messages. */
  readonly place: string
  /** After a failover it may go on at the former primary for long, without a word. */
  readonly staysBehind: boolean
  /** False when it is known that nothing can be sent now. */
  readonly up: boolean
  /** The connection is there (again), and what is subscribed to is subscribed to. Set by the user of the connection. */
  onUp: () => void
  /** It was cut. Set by the user of the connection. */
  onDown: () => void
  /**
   * Rejects with what the server answered, or with what the client says of the connection.
   *
   * @param key one of the command's keys: a cluster finds its node by it.
   */
  send(command: readonly string[], key: string): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Whether the program has to stay alive for the answers. */
  keepAlive(needed: boolean): void
  /** Closes what was made for us; what was handed in stays open. */
  close(): void
}

/**
 * A connection through a client that somebody else made.
 *
 * @param subscriber receives the messages. Default: the client itself where it speaks RESP3, else a duplicate of it.
 */
export function connectionOf(client: RedisClient, subscriber?: RedisClient): Promise<Connection> {
  if (isNodeRedis(client)) {
    if (subscriber !== undefined && !isNodeRedis(subscriber)) throw invalid('client and subscriber are of one library.')
    return nodeRedisConnection(client, subscriber, false)
  }
  if (isIoredis(client)) {
    if (subscriber !== undefined && !isIoredis(subscriber)) throw invalid('client and subscriber are of one library.')
    return ioredisConnection(client, subscriber, false)
  }
  throw invalid('client is a client of the package "redis" (createClient, createCluster, createSentinel) or "ioredis" (Redis, Cluster).')
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return has(client, 'sendCommand', 'subscribe', 'unsubscribe', 'duplicate', 'destroy')
}

function isIoredis(client: RedisClient): client is IoredisClient {
  return has(client, 'call', 'subscribe', 'unsubscribe', 'duplicate', 'disconnect')
}

function has(client: unknown, ...methods: readonly string[]): boolean {
  if (typeof client !== 'object' || client === null) return false
  return methods.every((name) => typeof (client as Record<string, unknown>)[name] === 'function')
}
