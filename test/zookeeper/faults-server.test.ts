// SPDX-License-Identifier: MIT
// A server that stands still, one that comes back, and one that has forgotten everything: who holds what, and who knows it first.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lease } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, openSpace, standing } from './spaces.ts'

const LEASE_MS = 1_000

async function aServer(): Promise<ZooKeeperServer> {
  const server = await startZooKeeper()
  onTestFinished(() => server.stop())
  return server
}

/** What happens, in the order in which it happens. */
function chronicle(...leases: readonly Lease[]): string[] {
  const events: string[] = []
  for (const lease of leases) lease.signal.addEventListener('abort', () => events.push('lost'))
  return events
}

describe('A server that stands still', () => {
  test('for less than the session: leases are suspended, and held again, and those who wait are served in their order', async () => {
    const [server, root] = [await aServer(), aRoot()]
    const options = { root, lease: 4 * LEASE_MS }
    const [holder, other] = [await openSpace(server.address, options), await openSpace(server.address, options)]
    const lease = await holder.write('/a')
    const first = other.write('/a')
    await standing(server, root, 2, '/a')
    const second = holder.read('/a')
    await standing(server, root, 3, '/a')
    await server.pause()
    await becomes(lease, 'suspended')
    expect(lease.valid).toBe(true)
    server.resume()
    await becomes(lease, 'held')
    expect(await isPending(first)).toBe(true)
    await lease.release()
    const next = await first
    expect(await isPending(second)).toBe(true)
    await next.release()
    await (await second).release()
    await emptied(server, root)
  })

  test('for longer than the session: leases of all holders are lost, and those who wait are served when it goes on', async () => {
    const [server, root] = [await aServer(), aRoot()]
    const options = { root, lease: LEASE_MS }
    const [holder, other] = [await openSpace(server.address, options), await openSpace(server.address, options)]
    const leases = [await holder.write('/a'), await other.write('/b')]
    const waiting = [other.write('/a'), holder.write('/b')]
    const events = chronicle(...leases)
    await standing(server, root, 2, '/a')
    await standing(server, root, 2, '/b')
    await server.pause()
    for (const lease of leases) await becomes(lease, 'suspended')
    for (const lease of leases) await becomes(lease, 'lost')
    expect(events).toEqual(['lost', 'lost'])
    expect(await isPending(Promise.race(waiting))).toBe(true)
    server.resume()
    const next = await Promise.all(waiting)
    for (const [i, lease] of next.entries()) {
      expect(lease.token).toBeGreaterThan(leases[i]!.token)
      expect(lease.valid).toBe(true)
      await lease.release()
    }
    await emptied(server, root)
  })
})

describe('A server that was killed and started anew', () => {
  test('with its data: what is held stays held, what waits goes on waiting, in its order', async () => {
    const [server, root] = [await aServer(), aRoot()]
    const options = { root, lease: 15_000 }
    const [holder, other] = [await openSpace(server.address, options), await openSpace(server.address, options)]
    const [lease, weak] = [await holder.write('/a'), await holder.write('/b')]
    await weak.downgrade()
    const first = other.write('/a')
    await standing(server, root, 2, '/a')
    const second = holder.write('/a/b')
    await standing(server, root, 3, '/a')
    await server.kill()
    await becomes(lease, 'suspended')
    await server.restart()
    await becomes(lease, 'held')
    expect(await isPending(first)).toBe(true)
    await (await other.read('/b', { timeout: 5_000 })).release()
    await lease.release()
    const next = await first
    expect(next.token).toBeGreaterThan(lease.token)
    expect(await isPending(second)).toBe(true)
    await next.release()
    const last = await second
    await Promise.all([last.release(), weak.release()])
    await emptied(server, root)
  })

  // It turns away who has seen more than it knows: until their sessions are over by their own clocks.
  test('without its data: holders lose their leases before anybody who was there is let in', async () => {
    const [server, root] = [await aServer(), aRoot()]
    const options = { root, lease: 4 * LEASE_MS }
    const [holder, other] = [await openSpace(server.address, options), await openSpace(server.address, options)]
    const leases = [await holder.write('/a'), await holder.read('/b'), await other.read('/b')]
    const waiting = other.write('/a')
    const events = chronicle(...leases)
    await standing(server, root, 2, '/a')
    await server.kill()
    await rm(join(server.folder, 'data'), { recursive: true })
    await server.restart()
    const next = await waiting.then((lease) => {
      events.push('granted')
      return lease
    })
    expect(events).toEqual(['lost', 'lost', 'lost', 'granted'])
    for (const lease of leases) expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    // The release of what is lost disturbs nobody.
    await leases[0]!.release()
    expect(await holder.tryWrite('/a')).toBeNull()
    await next.release()
    await emptied(server, root)
  })
})
