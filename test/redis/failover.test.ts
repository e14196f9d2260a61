// SPDX-License-Identifier: MIT
// A replica that is behind becomes the primary: two can hold one lock then, and the fencing token decides, or nobody gets one that is not replicated.
import { isLockError } from 'holdfast'
import type { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { TcpProxy } from '../support/proxy.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, openSpace, operator } from './spaces.ts'

const LEASE_MS = 1_000

interface Pair {
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly operator: Redis
  /** Between the two. */
  readonly wire: TcpProxy
  /** The replica takes over. */
  promote(): Promise<void>
}

async function aPair(args: readonly string[] = []): Promise<Pair> {
  const primary = await startRedis({ args: ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0', ...args] })
  onTestFinished(() => primary.stop())
  const wire = await TcpProxy.to(primary.port)
  onTestFinished(() => wire.close())
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(wire.port)] })
  onTestFinished(() => replica.stop())
  const [above, below] = [await operator(primary.port), await operator(replica.port)]
  while (!/master_link_status:up/.test(await below.info('replication')));
  while (!/state=online/.test(await above.info('replication')));
  const promote = async (): Promise<void> => {
    await below.call('REPLICAOF', 'NO', 'ONE')
  }
  return { primary, replica, operator: above, wire, promote }
}

/** Resolves when the replica has all that was written before. */
async function replicated(primary: Redis): Promise<void> {
  // The server waits for what this connection itself has written.
  await primary.set('barrier', '')
  expect(await primary.wait(1, 5_000)).toBe(1)
}

/** A resource that refuses whoever comes with a smaller token than it has seen. */
class Store {
  private highest = 0n

  write(token: bigint): boolean {
    if (token < this.highest) return false
    this.highest = token
    return true
  }
}

test('What was replicated is held after a failover too, and tokens go on rising', async () => {
  const { primary, replica, operator, promote } = await aPair()
  const space = aSpace()
  const locks = await openSpace(primary.port, 'redis', { space })
  const lease = await locks.write('/a')
  await replicated(operator)
  await promote()
  const there = await openSpace(replica.port, 'ioredis', { space })
  expect((await there.tryWrite('/a')) === null).toBe(true)
  const beside = await there.write('/b')
  expect(beside.token).toBeGreaterThan(lease.token)
})

test('What was granted while replication was cut can be granted again after a failover: the token of the later one is larger, and decides', async () => {
  const { primary, replica, operator, wire, promote } = await aPair()
  const space = aSpace()
  const before = await openSpace(primary.port, 'redis', { space, lease: LEASE_MS })
  await before.withWrite('/a', () => {})
  await replicated(operator)
  wire.refuse()
  const first = await before.write('/a')
  await promote()
  const after = await openSpace(replica.port, 'ioredis', { space, lease: LEASE_MS })
  const second = await after.write('/a')
  expect([first.valid, second.valid]).toEqual([true, true])
  const store = new Store()
  expect(store.write(first.token)).toBe(true)
  expect(store.write(second.token)).toBe(true)
  expect(store.write(first.token)).toBe(false)
  // The old primary goes, and with it, within its lease, what it gave.
  await primary.kill()
  await becomes(first, 'lost')
  expect(second.valid).toBe(true)
})

test('With min-replicas-to-write, nothing is granted while replication is cut, and leases from before are lost in time', async () => {
  const { primary, replica, operator, wire, promote } = await aPair(['--min-replicas-to-write', '1', '--min-replicas-max-lag', '1'])
  const space = aSpace()
  const locks = await openSpace(primary.port, 'redis', { space, lease: LEASE_MS, connectTimeout: 600 })
  const lease = await locks.write('/a')
  await replicated(operator)
  wire.refuse()
  while (!/connected_slaves:0/.test(await operator.info('replication')));
  const refused = await locks.write('/b').catch((error: unknown) => error)
  expect(isLockError(refused, 'LOCK_UNAVAILABLE')).toBe(true)
  expect(String(refused)).toContain('min-replicas-to-write')
  await promote()
  const there = await openSpace(replica.port, 'ioredis', { space, lease: LEASE_MS })
  const next = await there.write('/a')
  expect(lease.valid).toBe(false)
  expect(next.token).toBeGreaterThan(lease.token)
  await (await there.write('/b')).release()
})
