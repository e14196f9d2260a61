// SPDX-License-Identifier: MIT
// A connection through ioredis.

import { isIP } from 'node:net'
import { listenTo } from './client-events.ts'
import type { Connection, Endpoint, IoredisClient } from './connection.ts'
import { reconnectAfterMs } from './reconnecting.ts'

/** What of a client's options matters here. */
interface Options {
  readonly keyPrefix?: string
  readonly protocol?: number
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly name?: string
  readonly sentinels?: readonly unknown[] | null
  readonly failoverDetector?: boolean
}

/** @param ours the client was made for us, and is closed with the connection. */
export async function ioredisConnection(client: IoredisClient, subscriber: IoredisClient | undefined, ours: boolean): Promise<Connection> {
  // A cluster has a connection of its own for messages.
  if (subscriber !== undefined || isCluster(client) || speaksResp3(client)) {
    return new IoredisConnection(client, subscriber ?? client, ours, false)
  }
  const duplicate = client.duplicate()
  // What goes wrong is learned from the commands.
  duplicate.on('error', () => {})
  if (duplicate.status === 'wait') await duplicate.connect()
  else if (duplicate.status !== 'ready') await new Promise<void>((resolve) => duplicate.on('ready', () => resolve()))
  return new IoredisConnection(client, duplicate, ours, true)
}

/** So that loading is not counted as connecting. Rejects where the package is not installed. */
export async function loadIoredis(): Promise<void> {
  await import('ioredis')
}

/** A new client, connected. Rejects with the reason, where the client only says that the connection is closed. */
export async function openIoredis(to: Endpoint): Promise<Connection> {
  const { Redis } = await import('ioredis')
  let connected = false
  let reason: unknown
  const { host, port, path, tls, username, password, db, connectTimeoutMs, silenceMs } = to
  const client = new Redis({
    ...(path === undefined ? { host, port } : { path }),
    ...(tls && { tls: isIP(host) === 0 ? { servername: host } : {} }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(db !== undefined && { db }),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    socketTimeout: silenceMs,
    retryStrategy: (tries: number) => (connected ? reconnectAfterMs(tries) : null),
  }) as unknown as IoredisClient
  client.on('error', (error: unknown) => {
    reason ??= error
  })
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw reason ?? error
  }
  connected = true
  return ioredisConnection(client, undefined, true)
}

/** The listeners of all connections through one client, by channel: so that the client has one listener of ours, however many spaces it serves. */
const channelsOf = new WeakMap<IoredisClient, Map<string, (message: string) => void>>()

function channels(client: IoredisClient): Map<string, (message: string) => void> {
  let known = channelsOf.get(client)
  if (known === undefined) {
    const listeners = new Map<string, (message: string) => void>()
    client.on('message', (channel: string, message: string) => listeners.get(channel)?.(message))
    channelsOf.set(client, listeners)
    known = listeners
  }
  return known
}

class IoredisConnection implements Connection {
  readonly keyPrefix: string
  readonly place: string
  readonly staysBehind: boolean
  onUp: () => void = () => {}
  onDown: () => void = () => {}
  private readonly client: IoredisClient
  private readonly subscriber: IoredisClient
  private readonly ours: boolean
  private readonly subscriberIsOurs: boolean
  private awake = true
  private readonly stops: (() => void)[] = []

  constructor(client: IoredisClient, subscriber: IoredisClient, ours: boolean, subscriberIsOurs: boolean) {
    this.client = client
    this.subscriber = subscriber
    this.ours = ours
    this.subscriberIsOurs = subscriberIsOurs
    const { keyPrefix = '', host = 'localhost', port = 6379, path, name, sentinels, failoverDetector = false } = optionsOf(client)
    this.keyPrefix = keyPrefix
    this.place = isCluster(client) ? 'the cluster' : (name ?? path ?? `${host}:${port}`)
    this.staysBehind = Boolean(sentinels?.length) && !failoverDetector
    for (const one of new Set([client, subscriber])) this.stops.push(listenTo(one, 'ready', () => this.ready()))
    for (const event of DOWN) this.stops.push(listenTo(client, event, () => this.onDown()))
  }

  get up(): boolean {
    const { status } = this.client
    return status === 'ready' || status === 'wait'
  }

  send(command: readonly string[]): Promise<unknown> {
    return this.client.call(...(command as [string, ...string[]]))
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    channels(this.subscriber).set(channel, listener)
    await this.subscriber.subscribe(channel)
  }

  async unsubscribe(channel: string): Promise<void> {
    channels(this.subscriber).delete(channel)
    await this.subscriber.unsubscribe(channel)
  }

  keepAlive(needed: boolean): void {
    if (!this.ours) return
    this.awake = needed
    const { stream } = this.client as { stream?: { ref?(): void; unref?(): void } }
    if (needed) stream?.ref?.()
    else stream?.unref?.()
  }

  close(): void {
    for (const stop of this.stops) stop()
    if (this.subscriberIsOurs) this.subscriber.disconnect()
    if (this.ours) this.client.disconnect()
  }

  private ready(): void {
    // Each connection has a socket of its own.
    this.keepAlive(this.awake)
    this.onUp()
  }
}

const DOWN = ['close', 'end'] as const

function isCluster(client: IoredisClient): boolean {
  return (client as { isCluster?: boolean }).isCluster === true
}

/** A client that speaks RESP2 can do nothing else while it is subscribed. */
function speaksResp3(client: IoredisClient): boolean {
  const asked = (client as { condition?: { protocol?: number } }).condition?.protocol
  return (asked ?? optionsOf(client).protocol) === 3
}

function optionsOf(client: IoredisClient): Options {
  return (client as { options?: Options }).options ?? {}
}
