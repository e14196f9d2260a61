// SPDX-License-Identifier: MIT
// The clients that a user may hand in: each speaks to the server in its own way, and locks alike.
import { LockSpace } from 'holdfast'
import { type RedisClient, type RedisOptions, redisBackend } from 'holdfast/redis'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startCluster, type TestCluster } from './cluster-nodes.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, cutEverybodyElse, leftIn, operator } from './spaces.ts'

const quiet = (): void => {}

async function open(options: RedisOptions): Promise<LockSpace> {
  const locks = new LockSpace(await redisBackend({ checks: 'off', ...options }))
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

/** One holds, the other waits, and is told: whatever the way in which messages come. */
async function handsOver(one: LockSpace, other: LockSpace): Promise<void> {
  const lease = await one.write('/a/b')
  expect(await other.tryRead('/a')).toBeNull()
  const waiting = other.read('/a')
  const { waiters } = await seen(one, (all) => all.waiters.length === 1)
  expect(waiters[0]).toMatchObject({ read: ['/a'], waitsFor: [expect.any(String)] })
  const began = performance.now()
  await lease.release()
  const next = await waiting
  // A heartbeat would bring the news too, but late.
  expect(performance.now() - began).toBeLessThan(1_500)
  expect(next.token).toBeGreaterThan(lease.token)
  await next.release()
}

async function seen(locks: LockSpace, isSo: (all: Awaited<ReturnType<LockSpace['inspect']>>) => boolean) {
  for (;;) {
    const all = await locks.inspect()
    if (isSo(all)) return all
  }
}

describe('A client', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  const at = () => ({ host: '127.0.0.1', port: server.port })

  const KINDS: readonly (readonly [string, () => Promise<RedisClient>])[] = [
    ['of node-redis', () => connected(createClient({ socket: at() }))],
    ['of node-redis that speaks RESP2', () => connected(createClient({ socket: at(), RESP: 2 }))],
    [
      'of node-redis that answers buffers',
      async () => (await connected(createClient({ socket: at() }))).withTypeMapping({ 36: Buffer }) as never,
    ],
    ['of node-redis that knows its server by a URL', () => connected(createClient({ url: `redis://127.0.0.1:${server.port}` }))],
    ['of ioredis', async () => ended(new Redis(at()))],
    ['of ioredis that speaks RESP2', async () => ended(new Redis({ ...at(), protocol: 2 }))],
    ['of ioredis that is not connected yet', async () => ended(new Redis({ ...at(), lazyConnect: true }))],
    ['of ioredis that refuses commands while it is not connected', () => ready(ended(new Redis({ ...at(), enableOfflineQueue: false })))],
    ['of ioredis that answers numbers as strings', async () => ended(new Redis({ ...at(), stringNumbers: true }))],
    ['of ioredis that answers maps as objects', async () => ended(new Redis({ ...at(), replyMapping: 'resp3' }))],
  ]

  test.each(KINDS)('%s locks, and hears that it is its turn, also after its connection was cut', async (_, client) => {
    const space = aSpace()
    const one = await open({ client: await client(), space })
    const other = await open({ client: await client(), space })
    await handsOver(one, other)
    const lease = await one.write('/k')
    const harm = await operator(server.port)
    await harm.call('CLIENT', 'PAUSE', '50', 'ALL')
    await cutEverybodyElse(harm)
    await becomes(lease, 'suspended')
    await becomes(lease, 'held')
    await lease.release()
    await handsOver(one, other)
    await handsOver(other, one)
    expect(await leftIn(harm, space)).toEqual([])
  })

  test.each(KINDS.filter(([name]) => !name.includes(' that ')))(
    '%s serves many spaces with few listeners, and none when they are closed',
    async (_, make) => {
      const client = (await make()) as RedisClient & { listenerCount(event: string): number }
      const events = ['ready', 'reconnecting', 'close', 'end']
      const listeners = (): number[] => events.map((event) => client.listenerCount(event))
      const before = listeners()
      const spaces = await Promise.all(Array.from({ length: 12 }, () => open({ client, space: aSpace() })))
      for (const [i, count] of listeners().entries()) expect(count - before[i]!).toBeLessThan(2)
      await Promise.all(spaces.map((locks) => locks.close()))
      expect(listeners()).toEqual(before)
    },
  )

  test('of ioredis with a prefix for keys shares a space with others that name the prefix', async () => {
    const space = aSpace()
    const one = await open({ client: ended(new Redis({ ...at(), keyPrefix: 'mine:' })), space })
    const other = await open({ client: await connected(createClient({ socket: at() })), space, prefix: 'mine:holdfast' })
    await handsOver(one, other)
    await handsOver(other, one)
  })

  test('may have another beside it that receives the messages', async () => {
    const space = aSpace()
    const subscriber = ended(new Redis({ ...at(), protocol: 2 }))
    const one = await open({ client: ended(new Redis(at())), subscriber, space })
    const other = await open({ client: await connected(createClient({ socket: at() })), space })
    await handsOver(other, one)
    await one.close()
    expect(await subscriber.ping()).toBeTruthy()
    await expect(open({ client: await connected(createClient({ socket: at() })), subscriber, space })).rejects.toMatchObject({
      code: 'LOCK_INVALID',
    })
  })
})

describe('A cluster of three nodes', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster(3)
  })
  afterAll(() => cluster.stop())

  const root = () => ({ host: '127.0.0.1', port: cluster.nodes[0]!.port })
  const clients = {
    redis: () => connected(createCluster({ rootNodes: [{ socket: root() }] })),
    ioredis: async () => ended(new Cluster([root()])),
  }

  test.each(['redis', 'ioredis'] as const)('keeps each space on one of them, which %s finds', async (library) => {
    // So many that each node has one.
    for (let i = 0; i < 6; i++) {
      const space = aSpace()
      const one = await open({ client: await clients[library](), space, checks: 'warn' })
      const other = await open({ client: await clients[i % 2 === 0 ? 'redis' : 'ioredis'](), space })
      await handsOver(one, other)
      await handsOver(other, one)
      await one.close()
      await other.close()
    }
  })
})

async function connected<
  Client extends { on(event: 'error', listener: () => void): unknown; connect(): Promise<unknown>; destroy(): unknown },
>(client: Client): Promise<Client> {
  client.on('error', quiet)
  await client.connect()
  onTestFinished(() => void client.destroy())
  return client
}

function ended<Client extends Redis | Cluster>(client: Client): Client {
  client.on('error', quiet)
  onTestFinished(() => void client.disconnect())
  return client
}

async function ready(client: Redis): Promise<Redis> {
  await new Promise((done) => client.once('ready', done))
  return client
}
