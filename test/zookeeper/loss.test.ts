// SPDX-License-Identifier: MIT
// A holder knows when it has lost, before anybody else is let in; and whoever lives on goes on in a new session.
import type { Lease } from 'holdfast'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bootNow } from '../../src/native/clock.ts'
import { isPending } from '../support/pending.ts'
import type { TcpProxy } from '../support/proxy.ts'
import { requestTo, zooKeeperProxy } from './proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, ephemerals, Operator, openSpace, standing } from './spaces.ts'

const LEASE_MS = 1_000

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

async function aProxy(): Promise<TcpProxy> {
  const proxy = await zooKeeperProxy(server.port)
  onTestFinished(() => proxy.close())
  return proxy
}

/** What happens, in the order in which it happens. */
function chronicle(...leases: readonly Lease[]): string[] {
  const events: string[] = []
  for (const lease of leases) lease.signal.addEventListener('abort', () => events.push('lost'))
  return events
}

describe('A holder whose connection is dead, though nobody says so,', () => {
  test('is suspended, then loses its leases, before the server lets anybody else in', async () => {
    const [root, proxy] = [aRoot(), await aProxy()]
    const holder = await openSpace(proxy.port, { root, lease: LEASE_MS })
    const other = await openSpace(server.address, { root, lease: LEASE_MS })
    const leases = [await holder.write('/a'), await holder.read('/b/c'), await holder.lock({ read: '/d', write: '/e' })]
    const cell = new BigInt64Array(new SharedArrayBuffer(8))
    leases[0]!.mirror(cell)
    expect(Number(cell[0]! - bootNow()) / 1e6).toBeLessThanOrEqual(LEASE_MS)
    const events = chronicle(...leases)
    const waiting = [other.write('/a'), other.write('/b'), other.write('/e')].map(async (asked) => {
      const next = await asked
      events.push('granted')
      expect(leases.map(({ valid }) => valid)).toEqual([false, false, false])
      return next
    })
    for (const key of ['/a', '/b', '/e']) await standing(server, root, 2, key)
    proxy.freeze()
    for (const lease of leases) await becomes(lease, 'suspended')
    expect(leases[0]!.valid).toBe(true)
    const next = await Promise.all(waiting)
    expect(events).toEqual(['lost', 'lost', 'lost', 'granted', 'granted', 'granted'])
    expect(leases.map(({ state }) => state)).toEqual(['lost', 'lost', 'lost'])
    expect(leases[0]!.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    expect(cell[0]).toBe(0n)
    for (const [i, lease] of next.entries()) expect(lease.token).toBeGreaterThan(leases[i]!.token)
    await Promise.all([...next, ...leases].map((lease) => lease.release()))
    proxy.thaw()
    await emptied(server, root)
  })

  test('holds them still when it is heard of again in time', async () => {
    const [root, proxy] = [aRoot(), await aProxy()]
    const holder = await openSpace(proxy.port, { root, lease: 4 * LEASE_MS })
    const other = await openSpace(server.address, { root, lease: LEASE_MS })
    const lease = await holder.write('/a')
    const waiting = other.read('/a')
    for (const hurt of [() => proxy.cut(), () => proxy.freeze()]) {
      hurt()
      await becomes(lease, 'suspended')
      expect(lease.valid).toBe(true)
      proxy.thaw()
      await becomes(lease, 'held')
    }
    expect(await isPending(waiting)).toBe(true)
    await lease.release()
    await (await waiting).release()
    await emptied(server, root)
  })
})

test('A process that was busy with something else for longer than its session sees at once that its lease is not valid', async () => {
  const root = aRoot()
  const locks = await openSpace(server.address, { root, lease: 300 })
  const lease = await locks.write('/a')
  const until = performance.now() + 500
  while (performance.now() < until);
  expect(lease.valid).toBe(false)
  await becomes(lease, 'lost')
  const next = await locks.write('/a', { timeout: 5_000 })
  expect(next.valid).toBe(true)
  expect(next.token).toBeGreaterThan(lease.token)
  await next.release()
  await emptied(server, root)
})

describe('After its session has expired, a process', () => {
  test('goes on in a new one by itself: new requests, those that wait, and those under way', async () => {
    const [root, proxy] = [aRoot(), await aProxy()]
    const one = await openSpace(proxy.port, { root, lease: LEASE_MS, connectTimeout: 10_000 })
    const other = await openSpace(server.address, { root })
    const [held, lost] = [await other.write('/a'), await one.write('/l')]
    const waiting = one.write('/a', { timeout: 20_000 })
    await standing(server, root, 2, '/a')
    const members = (await ephemerals(server, root)).filter((path) => path.startsWith('/members/'))
    proxy.freeze()
    const asked = one.write('/b', { timeout: 20_000 })
    await becomes(lost, 'lost')
    // The server has seen it too.
    await (await other.write('/l', { timeout: 5_000 })).release()
    expect(await isPending(waiting)).toBe(true)
    proxy.cut()
    proxy.thaw()
    await (await asked).release()
    await standing(server, root, 2, '/a')
    await held.release()
    const next = await waiting
    expect(next.valid).toBe(true)
    const now = (await ephemerals(server, root)).filter((path) => path.startsWith('/members/'))
    expect(now).toHaveLength(members.length)
    expect(now).not.toEqual(members)
    await next.release()
    await emptied(server, root)
  })

  test('disturbs nobody with the releases and downgrades of what it has lost', async () => {
    const [root, proxy] = [aRoot(), await aProxy()]
    const one = await openSpace(proxy.port, { root, lease: LEASE_MS })
    const other = await openSpace(server.address, { root })
    const [first, second] = [await one.write('/a'), await one.write('/b')]
    proxy.freeze()
    const released = first.release()
    await becomes(second, 'lost')
    await expect(second.downgrade()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await released
    const next = await Promise.all([other.write('/a', { timeout: 5_000 }), other.write('/b', { timeout: 5_000 })])
    proxy.cut()
    proxy.thaw()
    await second.release()
    expect(await one.tryRead('/a')).toBeNull()
    expect(await one.tryRead('/b')).toBeNull()
    expect(next.map(({ state }) => state)).toEqual(['held', 'held'])
    await Promise.all(next.map((lease) => lease.release()))
    await emptied(server, root)
  })
})

describe('A lease whose ticket somebody has removed', () => {
  test('is lost when the servers are asked next, and others of the process are not', async () => {
    const root = aRoot()
    const locks = await openSpace(server.address, { root, lease: LEASE_MS })
    const [gone, kept] = [await locks.write('/a/b'), await locks.write('/a/c')]
    const operator = await Operator.at(server.address)
    const [ticket] = await standing(server, root, 1, '/a/b')
    await operator.remove(`${root}${ticket}`)
    await becomes(gone, 'lost', 3 * LEASE_MS)
    expect(gone.signal.reason).toMatchObject({ code: 'LOCK_LOST', message: expect.stringContaining('removed') })
    expect(kept.state).toBe('held')
    const next = await locks.write('/a/b', { timeout: 5_000 })
    await Promise.all([next, kept].map((lease) => lease.release()))
    await emptied(server, root)
  })

  test('is lost with all that shared it, and the next request has a ticket of its own', async () => {
    const root = aRoot()
    const locks = await openSpace(server.address, { root, lease: LEASE_MS })
    const leases = [await locks.write('/a/b'), await locks.write('/a/c')]
    const other = await locks.read('/x')
    const operator = await Operator.at(server.address)
    const [ticket] = await standing(server, root, 1, '/a')
    await operator.remove(`${root}${ticket}`)
    const next = await locks.write('/a/d', { timeout: 5_000 })
    expect(await standing(server, root, 1, '/a')).not.toEqual([ticket])
    for (const lease of leases) await becomes(lease, 'lost', 3 * LEASE_MS)
    expect([other.state, next.state]).toEqual(['held', 'held'])
    await Promise.all([next, other].map((lease) => lease.release()))
    await emptied(server, root)
  })
})

test('A try that failed as no server was in reach gets nothing when there is one again', async () => {
  const [root, proxy] = [aRoot(), await aProxy()]
  const [one, other] = [await openSpace(proxy.port, { root, connectTimeout: 300 }), await openSpace(server.address, { root })]
  const lease = await other.write('/a')
  await lease.downgrade()
  const witness = await one.write('/w')
  // It looks at what stands before it, then takes its place, and looks again: there it is cut off.
  let times = 0
  const looks = requestTo('getData', '%2Fa/X')
  const cut = proxy.cutAt((request) => looks(request) && ++times === 2, 'before the request').then(() => proxy.refuse())
  await expect(one.tryRead('/a')).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
  await cut
  proxy.accept()
  await becomes(witness, 'held')
  await one.withRead('/b', () => {})
  expect(one.held).toBe(1)
  await Promise.all([lease.release(), witness.release()])
  await emptied(server, root)
})
