// SPDX-License-Identifier: MIT
// A connection through node-redis (the package "redis").

import { isIP } from 'node:net'
import { listenTo } from './client-events.ts'
import type { Connection, Endpoint, NodeRedisClient } from './connection.ts'
import { reconnectAfterMs } from './reconnecting.ts'

/**
 * Strings stay strings, whatever the client's owner has set; and no time limit of the client's, which would make a timer for every command: the
 * engine has its own.
 */
const AS_STRINGS = { typeMapping: {}, timeout: undefined }

type Kind = 'client' | 'cluster' | 'sentinel'

/** What of a client's options matters here; only a plain client shows them. */
interface Options {
  readonly RESP?: number
  readonly socket?: { readonly host?: string; readonly port?: number; readonly path?: string }
}

/** @param ours the client was made for us, and is closed with the connection. */
export async function nodeRedisConnection(
  client: NodeRedisClient,
  subscriber: NodeRedisClient | undefined,
  ours: boolean,
): Promise<Connection> {
  const kind = kindOf(client)
  const { RESP = 3 } = optionsOf(client)
  if (subscriber !== undefined || kind !== 'client' || RESP === 3)
    return new NodeRedisConnection(client, kind, subscriber ?? client, ours, false)
  const duplicate = client.duplicate()
  // What goes wrong is learned from the commands; without a listener it would end the process.
  duplicate.on('error', () => {})
  await duplicate.connect()
  return new NodeRedisConnection(client, kind, duplicate, ours, true)
}

/** So that loading is not counted as connecting. Rejects where the package is not installed. */
export async function loadNodeRedis(): Promise<void> {
  await import('redis')
}

/** A new client, connected. Rejects as the client does. */
export async function openNodeRedis(to: Endpoint): Promise<Connection> {
  const { createClient } = await import('redis')
  let connected = false
  const { host, port, path, tls, username, password, db, connectTimeoutMs, silenceMs } = to
  const place =
    path === undefined ? { host, port, ...(tls && { tls: true as const, ...(isIP(host) === 0 && { servername: host }) }) } : { path }
  const client = createClient({
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(db !== undefined && { database: db }),
    disableOfflineQueue: true,
    socket: {
      ...place,
      connectTimeout: connectTimeoutMs,
      socketTimeout: silenceMs,
      reconnectStrategy: (retries: number) => (connected ? reconnectAfterMs(retries) : false),
    },
  }) as unknown as NodeRedisClient
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    client.destroy()
    throw error
  }
  connected = true
  return nodeRedisConnection(client, undefined, true)
}

class NodeRedisConnection implements Connection {
  readonly keyPrefix = ''
  readonly place: string
  readonly staysBehind = false
  onUp: () => void = () => {}
  onDown: () => void = () => {}
  private readonly client: NodeRedisClient
  private readonly kind: Kind
  private readonly subscriber: NodeRedisClient
  private readonly ours: boolean
  private readonly subscriberIsOurs: boolean
  private readonly listeners = new Map<string, (message: string) => void>()
  private readonly stops: (() => void)[] = []

  constructor(client: NodeRedisClient, kind: Kind, subscriber: NodeRedisClient, ours: boolean, subscriberIsOurs: boolean) {
    this.client = client
    this.kind = kind
    this.subscriber = subscriber
    this.ours = ours
    this.subscriberIsOurs = subscriberIsOurs
    const { host = 'localhost', port = 6379, path } = optionsOf(client).socket ?? {}
    this.place = kind === 'client' ? (path ?? `${host}:${port}`) : `the ${kind}`
    for (const one of new Set([client, subscriber])) this.stops.push(listenTo(one, 'ready', () => this.onUp()))
    for (const event of DOWN) this.stops.push(listenTo(client, event, () => this.onDown()))
  }

  get up(): boolean {
    return this.client.isReady ?? true
  }

  send(command: readonly string[], key: string): Promise<unknown> {
    if (this.kind === 'client') return this.client.sendCommand(command, AS_STRINGS)
    if (this.kind === 'cluster') return this.client.sendCommand(key, false, command, AS_STRINGS)
    return this.client.sendCommand(false, command, AS_STRINGS)
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    this.listeners.set(channel, listener)
    await this.subscriber.subscribe(channel, listener)
  }

  async unsubscribe(channel: string): Promise<void> {
    const listener = this.listeners.get(channel)
    this.listeners.delete(channel)
    if (listener !== undefined) await this.subscriber.unsubscribe(channel, listener)
  }

  keepAlive(needed: boolean): void {
    if (!this.ours) return
    const client = this.client as NodeRedisClient & { ref?(): void; unref?(): void }
    if (needed) client.ref?.()
    else client.unref?.()
  }

  close(): void {
    for (const stop of this.stops) stop()
    if (this.subscriberIsOurs) this.subscriber.destroy()
    if (this.ours) this.client.destroy()
  }
}

const DOWN = ['reconnecting', 'end'] as const

function kindOf(client: NodeRedisClient): Kind {
  if ('getSlotRandomNode' in client || 'getSlotMaster' in client) return 'cluster'
  return 'getSentinelNode' in client || 'acquire' in client ? 'sentinel' : 'client'
}

function optionsOf(client: NodeRedisClient): Options {
  return (client as { options?: Options }).options ?? {}
}
