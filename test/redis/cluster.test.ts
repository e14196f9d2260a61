// SPDX-License-Identifier: MIT
// Locks on a Redis Cluster of real nodes: each space is on one of them, and goes on when its slot is moved, or its node is away for a while.
import { type Backend, LockSpace } from 'holdfast'
import { conformance, localClients } from 'holdfast/conformance'
import { type RedisOptions, redisBackend } from 'holdfast/redis'
import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { patience, scale } from '../support/scale.ts'
import { scattered, startCluster, type TestCluster } from './cluster-nodes.ts'
import { becomes, LIBRARIES, type Library, type Options } from './spaces.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startCluster(3, ['--appendonly', 'yes', '--appendfsync', 'always'])
})
afterAll(() => cluster.stop())

async function clientOf(library: Library): Promise<{ readonly client: RedisOptions['client']; end(): void }> {
  const { port } = cluster.nodes[0]!
  if (library === 'ioredis') {
    const client = new Cluster([{ host: '127.0.0.1', port }], { clusterRetryStrategy: () => 50 })
    client.on('error', () => {})
    return { client, end: () => client.disconnect() }
  }
  const client = createCluster({ rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { socket: { reconnectStrategy: 20 } } })
  client.on('error', () => {})
  await client.connect()
  return { client, end: () => client.destroy() }
}

/** A backend with a client of its own. */
async function openBackend(library: Library, options: Options): Promise<Backend> {
  const { client, end } = await clientOf(library)
  const backend = await redisBackend({ checks: 'off', ...options, client })
  const close = backend.close.bind(backend)
  backend.close = async () => {
    await close()
    end()
  }
  return backend
}

let spaces = 0
const aSpace = (): string => scattered(++spaces)

async function open(library: Library, options: Options): Promise<LockSpace> {
  const locks = new LockSpace(await openBackend(library, options))
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

describe.each(LIBRARIES)('On a cluster, with %s,', (library) => {
  test('many spaces are spread over the nodes, and are locked through one client, each by itself', async () => {
    const { client, end } = await clientOf(library)
    onTestFinished(end)
    const names = Array.from({ length: 24 }, aSpace)
    const open = async (space: string): Promise<LockSpace> => new LockSpace(await redisBackend({ client, space, checks: 'off' }))
    const all = await Promise.all(names.map(async (space) => [await open(space), await open(space)] as const))
    expect(new Set(await Promise.all(names.map(cluster.nodeOf)))).toEqual(new Set([0, 1, 2]))
    const held = await Promise.all(all.map(([one]) => one.write('/a')))
    const waiting = all.map(([, other]) => other.write('/a'))
    for (const [, other] of all) expect((await other.tryRead('/a')) === null).toBe(true)
    for (const asked of waiting) expect(await isPending(asked)).toBe(true)
    // A heartbeat would bring the news too, but late.
    const began = performance.now()
    await Promise.all(held.map((lease) => lease.release()))
    const next = await Promise.all(waiting)
    expect(performance.now() - began).toBeLessThan(1_500)
    for (const [i, lease] of next.entries()) expect(lease.token).toBeGreaterThan(held[i]!.token)
    await Promise.all(next.map((lease) => lease.release()))
    await Promise.all(all.flat().map((locks) => locks.close()))
  })

  test('a space whose slot is moved to another node takes its locks and its line along', async () => {
    const space = aSpace()
    const [holder, other] = [await open(library, { space, lease: 3_000 }), await open(library, { space, lease: 3_000 })]
    const lease = await holder.write('/a')
    const waiting = other.write('/a')
    for (const to of [1, 2, 0]) {
      if ((await cluster.nodeOf(space)) === to) continue
      await cluster.move(space, to)
      const beside = await holder.write('/b')
      expect(lease.state).toBe('held')
      await beside.release()
      expect((await other.tryRead('/a')) === null).toBe(true)
    }
    expect(await isPending(waiting)).toBe(true)
    await lease.release()
    const next = await waiting
    expect(next.token).toBeGreaterThan(lease.token)
    await next.release()
  })
})

// node-redis may take longer than a lease to find a node of a cluster again; docs/redis.md says so.
test('A node of a cluster that is away for a while suspends what is locked there through ioredis, and nothing else', async () => {
  const [here, there] = await onDifferentNodes()
  const options = { lease: 9_000 }
  const [stays, goes, waits] = [
    await open('ioredis', { space: here, ...options }),
    await open('ioredis', { space: there, ...options }),
    await open('ioredis', { space: there, ...options }),
  ]
  const [kept, lease] = [await stays.write('/a'), await goes.write('/a')]
  const waiting = waits.write('/a')
  while ((await goes.inspect()).waiters.length === 0);
  const node = cluster.nodes[await cluster.nodeOf(there)]!
  await node.kill()
  await becomes(lease, 'suspended')
  expect([kept.state, kept.valid, lease.valid]).toEqual(['held', true, true])
  await stays.withWrite('/b', () => {})
  await node.restart()
  await becomes(lease, 'held')
  expect(await isPending(waiting)).toBe(true)
  await lease.release()
  await (await waiting).release()
  await kept.release()
})

/** Two new spaces; the second is not on the first node, from which clients learn of the others. */
async function onDifferentNodes(): Promise<readonly [string, string]> {
  for (;;) {
    const [one, other] = [aSpace(), aSpace()]
    const [here, there] = [await cluster.nodeOf(one), await cluster.nodeOf(other)]
    if (here !== there && there !== 0) return [one, other]
  }
}

/** Clients of both libraries, side by side. */
let opened = 0

describe('A cluster', () => {
  conformance({
    name: 'redis on a cluster',
    test: (title, body) => test(title, body, patience(30_000)),
    supports: {
      scope: 'network',
      immediate: false,
      order: 'strict',
      exactTry: true,
      deadHolder: 'after-lease',
      loss: true,
      durableTokens: true,
    },
    clients: 'tasks',
    open: ({ prefer }) => {
      const space = aSpace()
      return localClients(() => openBackend(LIBRARIES[++opened % LIBRARIES.length]!, { space, prefer, lease: 10_000 }))
    },
    scale,
    patience: patience(10_000),
  })
})
