// SPDX-License-Identifier: MIT
// What becomes of leases and requests when the server goes away, comes back, or forgets.
import { LockSpace } from 'holdfast'
import { redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bootNow } from '../../src/native/clock.ts'
import { isPending } from '../support/pending.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, cutEverybodyElse, LIBRARIES, leftIn, openSpace, operator } from './spaces.ts'

const LEASE_MS = 1_000

async function aServer(args: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedis({ args })
  onTestFinished(() => server.stop())
  return server
}

describe.each(LIBRARIES)('With the client library %s', (library) => {
  test('a lease outlives a cut connection: it is suspended, and held again, and others are kept out', async () => {
    const server = await aServer()
    const space = aSpace()
    const [holder, other] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const lease = await holder.write('/a')
    const waiting = other.read('/a/b')
    const beside = await holder.read('/b')
    const harm = await operator(server.port)
    await harm.call('CLIENT', 'PAUSE', '100', 'ALL')
    await cutEverybodyElse(harm)
    await becomes(lease, 'suspended')
    expect(lease.valid).toBe(true)
    await becomes(lease, 'held')
    expect(await isPending(waiting)).toBe(true)
    await lease.release()
    const next = await waiting
    expect(next.token).toBeGreaterThan(lease.token)
    for (const one of [next, beside]) await one.release()
    expect(await leftIn(harm, space)).toEqual([])
  })

  test('a server that stands still for longer than the lease makes it suspended, then lost, and the next request begins anew', async () => {
    const server = await aServer()
    const space = aSpace()
    const locks = await openSpace(server.port, library, { space, lease: LEASE_MS })
    const lease = await locks.write('/a')
    const cell = new BigInt64Array(new SharedArrayBuffer(8))
    lease.mirror(cell)
    const [deadline] = cell
    const left = Number(deadline! - bootNow()) / 1e6
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(LEASE_MS * 0.95)
    process.kill(server.pid, 'SIGSTOP')
    await becomes(lease, 'suspended')
    expect(lease.valid).toBe(true)
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    await lost
    expect(lease.state).toBe('lost')
    expect(lease.valid).toBe(false)
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    expect(cell[0]).toBe(0n)
    process.kill(server.pid, 'SIGCONT')
    const next = await locks.write('/a')
    expect(next.token).toBeGreaterThan(lease.token)
    await lease.release()
    expect(next.state).toBe('held')
    await next.release()
    const look = await operator(server.port)
    await locks.close()
    expect(await leftIn(look, space)).toEqual([])
  })

  test('leases and waiting requests outlive a server that was started anew with its data', async () => {
    const server = await aServer(['--appendonly', 'yes', '--appendfsync', 'always'])
    const space = aSpace()
    const [holder, other] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const lease = await holder.write('/a')
    const waiting = other.write('/a')
    const look = await operator(server.port)
    while ((await look.zcard(`holdfast:{${space}}:queue`)) === 0);
    await server.restart()
    await becomes(lease, 'held')
    expect(await isPending(waiting)).toBe(true)
    await lease.release()
    await (await waiting).release()
    // What is given back before the session is open again goes to the server when it is.
    await expect.poll(() => leftIn(look, space)).toEqual([])
  })

  test('a server that was started anew without its data has lost the leases, and is asked again for what waits', async () => {
    const server = await aServer()
    const space = aSpace()
    const [holder, other] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const lease = await holder.write('/a')
    const waiting = other.write('/a')
    await server.restart()
    await becomes(lease, 'lost')
    const next = await waiting
    expect(next.token).toBeGreaterThan(lease.token)
    await next.release()
  })

  test('requests find their scripts again when the server was told to forget them', async () => {
    const server = await aServer()
    const locks = await openSpace(server.port, library, { space: aSpace() })
    const harm = await operator(server.port)
    await harm.script('FLUSH')
    const lease = await locks.write('/a')
    await harm.script('FLUSH')
    const waiting = locks.read('/a')
    await harm.script('FLUSH')
    await lease.downgrade()
    await (await waiting).release()
    await harm.script('FLUSH')
    await lease.release()
    expect((await locks.inspect()).holders).toEqual([])
  })
})

describe.each(LIBRARIES)('Many requests to a server that does not know a script, by %s,', (library) => {
  test('send it once, and are served in their order', async () => {
    const server = await aServer()
    const locks = await openSpace(server.port, library, { space: aSpace() })
    const harm = await operator(server.port)
    const first = await locks.write('/a')
    await harm.script('FLUSH')
    await harm.config('RESETSTAT')
    const line = Promise.all(Array.from({ length: 300 }, () => locks.read('/a')))
    line.catch(() => {})
    while ((await locks.inspect()).waiters.length < 300);
    const calls = /cmdstat_eval:calls=(\d+)/.exec(await harm.info('commandstats'))?.[1]
    // One for these, one to inspect, and one for a heartbeat that may come in between.
    expect(Number(calls)).toBeLessThan(4)
    await first.release()
    const tokens: bigint[] = []
    for (const lease of await line) {
      tokens.push(lease.token)
      await lease.release()
    }
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)))
  })
})

test('A request whose answer is lost with the connection is granted all the same, once', async () => {
  const server = await aServer()
  const space = aSpace()
  const locks = await openSpace(server.port, 'ioredis', { space })
  const look = await operator(server.port)
  await locks.withWrite('/', () => {})
  for (let round = 0; round < 5; round++) {
    process.kill(server.pid, 'SIGSTOP')
    const [asked, tried, held] = [locks.write('/a'), locks.tryWrite('/b'), locks.read('/c')]
    // The commands are with the system, which hands them over though nobody will read the answers.
    await new Promise((resolve) => setTimeout(resolve, 5))
    cut(locks)
    process.kill(server.pid, 'SIGCONT')
    const leases = await Promise.all([asked, tried, held])
    for (const lease of leases) await becomes(lease!, 'held')
    expect(await look.hkeys(`holdfast:{${space}}`).then((fields) => fields.filter((field) => field.startsWith('r')))).toHaveLength(3)
    await Promise.all(leases.map((lease) => lease?.release()))
    expect(await leftIn(look, space)).toEqual([])
  }
})

test.each(['comes late', 'is lost with the connection'])(
  'A request that is given up, and whose answer %s, leaves nothing behind',
  async (how) => {
    const server = await aServer()
    const space = aSpace()
    // One that does not send its commands again by itself.
    const settings = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, retryStrategy: () => 20 }
    const client = new Redis(server.port, '127.0.0.1', settings)
    client.on('error', () => {})
    onTestFinished(() => void client.disconnect())
    const locks = new LockSpace(await redisBackend({ client, space, checks: 'off' }))
    onTestFinished(() => locks.close({ timeout: 0 }))
    // So that the server knows the scripts.
    await locks.withWrite('/', () => {})
    process.kill(server.pid, 'SIGSTOP')
    const [asked, tried] = [locks.write('/a', { timeout: 60 }), locks.read('/b', { timeout: 60 })]
    const failed = Promise.allSettled([asked, tried])
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await expect(asked).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    if (how !== 'comes late') cut(locks)
    process.kill(server.pid, 'SIGCONT')
    const lease = await locks.write('/')
    await lease.release()
    expect(await leftIn(await operator(server.port), space)).toEqual([])
  },
)

test('A lease that the server has forgotten, though not its session, is lost when they speak again', async () => {
  const server = await aServer()
  const space = aSpace()
  const locks = await openSpace(server.port, 'ioredis', { space })
  const [kept, forgotten] = [await locks.write('/kept'), await locks.write('/forgotten')]
  const look = await operator(server.port)
  const { id } = forgotten as unknown as { id: string }
  const entries = await look.zrange(`holdfast:{${space}}:owned`, 0, '-1')
  expect(await look.zrem(`holdfast:{${space}}:owned`, entries.find((entry) => entry.endsWith(`\0${id}`))!)).toBe(1)
  cut(locks)
  await becomes(forgotten, 'lost')
  expect(forgotten.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
  await becomes(kept, 'held')
  await kept.release()
})

test('A new request fails with LOCK_UNAVAILABLE when the server cannot be reached for the connect time-out, or earlier when it says so', async () => {
  const server = await aServer()
  const locks = await openSpace(server.port, 'redis', { space: aSpace(), connectTimeout: 400 })
  await server.kill()
  const began = performance.now()
  const [patient, impatient, tried] = [locks.write('/a'), locks.write('/a', { timeout: 50 }), locks.tryWrite('/a')]
  tried.catch(() => {})
  patient.catch(() => {})
  await expect(impatient).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  await expect(patient).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringContaining(`127.0.0.1:${server.port}`) })
  await expect(tried).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
  expect(performance.now() - began).toBeLessThan(2_000)
  await expect(locks.inspect()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
})

test('A release while the server cannot be reached resolves at once, and is made up for', async () => {
  const server = await aServer(['--appendonly', 'yes', '--appendfsync', 'always'])
  const space = aSpace()
  const locks = await openSpace(server.port, 'redis', { space })
  const [one, two] = [await locks.write('/a'), await locks.write('/b')]
  await server.kill()
  await becomes(one, 'suspended')
  await one.release()
  const weakened = two.downgrade()
  expect(await isPending(weakened)).toBe(true)
  await server.restart()
  await weakened
  const look = await operator(server.port)
  await (await locks.read('/b')).release()
  await (await locks.write('/a')).release()
  await two.release()
  expect(await leftIn(look, space)).toEqual([])
})

test('A process that stood still for longer than the lease sees at once that its lease is not valid', async () => {
  const server = await aServer()
  const space = aSpace()
  const locks = await openSpace(server.port, 'redis', { space, lease: 300 })
  const lease = await locks.write('/a')
  const until = performance.now() + 400
  while (performance.now() < until);
  expect(lease.valid).toBe(false)
  await becomes(lease, 'lost')
  const next = await locks.write('/a')
  expect(next.valid).toBe(true)
  await next.release()
})

test('What a session holds that is not heard of any more goes to whoever waits as soon as it expires, though nobody else comes', async () => {
  const server = await aServer()
  const space = aSpace()
  const dying = await openSpace(server.port, 'ioredis', { space, lease: 2_400 })
  const lease = await dying.write('/a')
  // The heartbeats of the two are half a beat apart, or that of the one who waits would bring the news in time.
  await new Promise((done) => setTimeout(done, 400))
  const waiting = (await openSpace(server.port, 'redis', { space })).write('/a')
  const look = await operator(server.port)
  // It cannot send another heartbeat, and is not told so.
  const { client } = connectionOf(dying) as { client: Redis }
  client.options.retryStrategy = null
  client.disconnect()
  const [, expiryUs] = await look.zrange(`holdfast:{${space}}:sessions`, 0, '0', 'WITHSCORES')
  const next = await waiting
  expect(next.token).toBeGreaterThan(lease.token)
  const late = Date.now() - Number(expiryUs) / 1_000
  expect(late).toBeGreaterThan(-5)
  expect(late).toBeLessThan(250)
  expect(lease.valid).toBe(false)
  await next.release()
})

test('A server that is started anew gives nothing before a lease has passed, where that was asked for', async () => {
  const server = await aServer()
  const began = performance.now()
  await server.restart()
  const locks = await openSpace(server.port, 'redis', { space: aSpace(), lease: LEASE_MS, coldStartGrace: true })
  await locks.withWrite('/a', () => {})
  expect(performance.now() - began).toBeGreaterThan(LEASE_MS)
})

interface Inside {
  readonly client: { readonly stream: { destroy(): void } }
}

/** The connection under a lock space: some faults cannot be had from outside. */
function connectionOf(locks: object): Inside {
  return (locks as { engine: { link: { connection: Inside } } }).engine.link.connection
}

function cut(locks: object): void {
  connectionOf(locks).client.stream.destroy()
}
