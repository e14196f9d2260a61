// SPDX-License-Identifier: MIT
// Lock spaces on a server of the tests, by either client library, closed when the test is over.
import { once } from 'node:events'
import { type LeaseState, LockSpace } from 'holdfast'
import { type NodeRedisClient, type RedisOptions, redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { onTestFinished } from 'vitest'

export type Library = 'redis' | 'ioredis'
export const LIBRARIES: readonly Library[] = ['redis', 'ioredis']

export type Options = Omit<RedisOptions, 'client'>

let spaces = 0

/** The name of a space that no other test uses. */
export function aSpace(): string {
  return `test-${++spaces}`
}

/** A client with the settings that a user would have who sets none. */
export async function nodeRedis(port: number): Promise<NodeRedisClient> {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: 20 } })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => void client.destroy())
  return client
}

export async function ioredis(port: number): Promise<Redis> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 20 })
  client.on('error', () => {})
  await once(client, 'ready')
  onTestFinished(async () => {
    // One that is closed while it subscribes again, after a cut, leaves a promise behind that rejects and that nobody has.
    if (client.status === 'ready') await Promise.race([client.ping().catch(() => {}), new Promise((done) => setTimeout(done, 500))])
    client.disconnect()
  })
  return client
}

export async function clientOf(library: Library, port: number): Promise<RedisOptions['client']> {
  return library === 'redis' ? await nodeRedis(port) : await ioredis(port)
}

/** A lock space with a client of its own. */
export async function openSpace(port: number, library: Library, options: Options): Promise<LockSpace> {
  const locks = new LockSpace(await redisBackend({ checks: 'off', ...options, client: await clientOf(library, port) }))
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

/** A connection to look at the server with, or to do it harm. */
export async function operator(port: number): Promise<Redis> {
  return await ioredis(port)
}

/** Cuts the connections of everybody else. */
export async function cutEverybodyElse(by: Redis): Promise<void> {
  await by.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await by.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes')
}

/** What is left in a space, beside its sessions, its policy and its last stamp. */
export async function leftIn(by: Redis, space: string): Promise<readonly string[]> {
  const fields = (await by.hkeys(`holdfast:{${space}}`)).filter((field) => !/^[#@i]/.test(field))
  const sets = await Promise.all(['owned', 'queue', 'todo'].map((name) => by.zrange(`holdfast:{${space}}:${name}`, 0, '-1')))
  // An entry with \1 is a session's own.
  return [...fields, ...sets.flat().filter((entry) => !entry.includes('\x01'))]
}

/** Resolves when the lease is in this state; looks again as often as it can, as nothing tells. */
export async function becomes(lease: { readonly state: LeaseState }, state: LeaseState): Promise<void> {
  const giveUpAt = performance.now() + 10_000
  while (lease.state !== state) {
    if (performance.now() > giveUpAt) throw new Error(`The lease is ${lease.state}, and does not become ${state}.`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
