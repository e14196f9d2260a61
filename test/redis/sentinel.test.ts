// SPDX-License-Identifier: MIT
// Locks behind Redis Sentinel: when the primary is replaced, a lease goes on there or is lost, and its holder knows which.
import { once } from 'node:events'
import { LockSpace } from 'holdfast'
import { type RedisOptions, redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { createSentinel } from 'redis'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { startWatchedPair, type WatchedPair } from './sentinel-nodes.ts'
import { aSpace, becomes, LIBRARIES, type Library } from './spaces.ts'

let pair: WatchedPair
beforeEach(async () => {
  pair = await startWatchedPair()
})
afterEach(() => pair.stop())

const LEASE_MS = 9_000

async function clientOf(library: Library, failoverDetector = true): Promise<RedisOptions['client']> {
  const { port, name } = pair
  const at = { host: '127.0.0.1', port }
  if (library === 'ioredis') {
    const client = new Redis({ sentinels: [at], name, failoverDetector })
    client.on('error', () => {})
    await once(client, 'ready')
    onTestFinished(() => void client.disconnect())
    return client
  }
  const client = createSentinel({ name, sentinelRootNodes: [at] })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(async () => void (await client.destroy()))
  return client
}

async function open(library: Library, space: string): Promise<LockSpace> {
  const locks = new LockSpace(await redisBackend({ client: await clientOf(library), space, lease: LEASE_MS, checks: 'off' }))
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

/** Resolves when this space locks where the observer does: until then, the one takes what the other holds. */
async function arrives(locks: LockSpace, observer: LockSpace): Promise<void> {
  for (;;) {
    const mine = await locks.write('/meet')
    const its = await observer.tryWrite('/meet')
    await Promise.all([mine.release(), its?.release()])
    if (its === null) return
    await new Promise((done) => setTimeout(done, 20))
  }
}

test.each(LIBRARIES)(
  'When the Sentinel has a replica take over, with %s, a lease that was replicated goes on, and so does the line for it; one that was not is lost, and says so',
  async (library) => {
    const space = aSpace()
    const [holder, other] = [await open(library, space), await open(library, space)]
    const kept = await holder.write('/kept')
    const waiting = other.write('/kept/below')
    while ((await holder.inspect()).waiters.length === 0);
    await pair.replicated()
    pair.cutReplication()
    const forgotten = await holder.write('/forgotten')
    await pair.failOver()
    const observer = await open('ioredis', space)
    expect((await observer.tryRead('/kept/below')) === null).toBe(true)
    const next = await observer.write('/forgotten')
    expect(next.token).toBeGreaterThan(forgotten.token)
    await Promise.all([arrives(holder, observer), arrives(other, observer)])
    await becomes(forgotten, 'lost')
    expect(forgotten.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    expect([next.valid, kept.valid, kept.state, kept.signal.aborted]).toEqual([true, true, 'held', false])
    expect(await isPending(waiting)).toBe(true)
    await kept.release()
    const after = await waiting
    expect(after.token).toBeGreaterThan(next.token)
    await Promise.all([after.release(), next.release()])
  },
)

test('A client of ioredis that does not listen for failovers is warned of, as it stays with the former primary while that lets it', async () => {
  const codes: unknown[] = []
  const note = (warning: Error & { code?: string }): void => void codes.push(warning.code)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const open = async (failoverDetector: boolean): Promise<LockSpace> => {
    const client = await clientOf('ioredis', failoverDetector)
    const locks = new LockSpace(await redisBackend({ client, space: 'behind' }))
    onTestFinished(() => locks.close({ timeout: 0 }))
    await new Promise((done) => setImmediate(done))
    return locks
  }
  await open(true)
  expect(codes).not.toContain('HOLDFAST_REDIS_FAILOVER')
  await open(false)
  expect(codes).toContain('HOLDFAST_REDIS_FAILOVER')
})
