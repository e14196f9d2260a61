// SPDX-License-Identifier: MIT
// Servers that forget, and servers that stand still: who holds what, and who knows it first.
import type { Lease } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { TcpProxy } from '../support/proxy.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, LIBRARIES, leftIn, openSpace, operator } from './spaces.ts'

const LEASE_MS = 1_000

async function aServer(args: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedis({ args })
  onTestFinished(() => server.stop())
  return server
}

async function aProxy(server: RedisServer): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(server.port)
  onTestFinished(() => proxy.close())
  return proxy
}

/** What happens to leases, in the order in which it happens. */
function chronicle(): { readonly events: string[]; watch(name: string, lease: Lease): void } {
  const events: string[] = []
  return {
    events,
    watch: (name, lease) => lease.signal.addEventListener('abort', () => events.push(`${name} is lost`)),
  }
}

describe.each(LIBRARIES)('With %s, a server that was started anew without its data', (library) => {
  test('tells holders that their leases are lost before it gives anything to those who waited there', async () => {
    const server = await aServer()
    const space = aSpace()
    const [holder, other] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const [one, two, shared] = [await holder.write('/a'), await holder.read('/b'), await other.read('/b')]
    const waiting = other.write('/a')
    await server.restart()
    for (const lease of [one, two, shared]) await becomes(lease, 'lost')
    expect(one.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    const next = await waiting
    expect(next.token).toBeGreaterThan(one.token)
    // The release of what is lost disturbs nobody.
    await one.release()
    expect(await holder.tryWrite('/a')).toBeNull()
    await next.release()
    expect(await leftIn(await operator(server.port), space)).toEqual([])
  })
})

describe.each(LIBRARIES)('With %s, a server that stands still', (library) => {
  test('for less than the lease: leases are suspended, and held again, and those who wait are served', async () => {
    const server = await aServer()
    const space = aSpace()
    const options = { space, lease: 1.5 * LEASE_MS }
    const [holder, other] = [await openSpace(server.port, library, options), await openSpace(server.port, library, options)]
    const lease = await holder.write('/a')
    const waiting = other.write('/a')
    process.kill(server.pid, 'SIGSTOP')
    await becomes(lease, 'suspended')
    expect(lease.valid).toBe(true)
    process.kill(server.pid, 'SIGCONT')
    await becomes(lease, 'held')
    expect(await isPending(waiting)).toBe(true)
    await lease.release()
    await (await waiting).release()
  })

  test('for longer than the lease: leases of all holders are suspended, then lost, and those who wait are served when it goes on', async () => {
    const server = await aServer()
    const space = aSpace()
    const options = { space, lease: LEASE_MS }
    const [holder, other] = [await openSpace(server.port, library, options), await openSpace(server.port, library, options)]
    const leases = [await holder.write('/a'), await other.write('/b')]
    const waiting = [other.write('/a'), holder.write('/b')]
    const { events, watch } = chronicle()
    process.kill(server.pid, 'SIGSTOP')
    for (const lease of leases) {
      await becomes(lease, 'suspended')
      watch('one', lease)
    }
    for (const lease of leases) await becomes(lease, 'lost')
    expect(events).toEqual(['one is lost', 'one is lost'])
    process.kill(server.pid, 'SIGCONT')
    const next = await Promise.all(waiting)
    expect(next.every(({ valid }) => valid)).toBe(true)
    for (const [i, lease] of next.entries()) {
      expect(lease.token).toBeGreaterThan(leases[i]!.token)
      await lease.release()
    }
    expect(await leftIn(await operator(server.port), space)).toEqual([])
  })
})

test('A server that was started anew without its data gives nothing to anybody, where that was asked for, before holders that cannot reach it have lost what they held', async () => {
  const server = await aServer()
  const proxy = await aProxy(server)
  const space = aSpace()
  const options = { space, lease: LEASE_MS, coldStartGrace: true }
  const holder = await openSpace(proxy.port, 'redis', { space, lease: LEASE_MS })
  const waiter = await openSpace(server.port, 'ioredis', options)
  const lease = await holder.write('/a')
  const { events, watch } = chronicle()
  watch('the lease', lease)
  const waiting = waiter.write('/a')
  proxy.refuse()
  await server.restart()
  const newcomer = await openSpace(server.port, 'redis', options)
  const both = [waiting, newcomer.write('/a')].map(async (asked) => {
    const next = await asked
    events.push('another begins')
    expect(lease.valid).toBe(false)
    await next.release()
  })
  await Promise.all(both)
  expect(events).toEqual(['the lease is lost', 'another begins', 'another begins'])
})
