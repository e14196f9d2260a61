// SPDX-License-Identifier: MIT
// What inspect() shows of a space on Redis.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { LockSpace } from 'holdfast'
import { redisBackend } from 'holdfast/redis'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, clientOf, openSpace } from './spaces.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const MANY = 1_200

test(`${MANY} leases of two processes are all shown, page by page, and a quick look shows the first page`, async () => {
  const space = aSpace()
  const [one, two] = [await openSpace(server.port, 'redis', { space }), await openSpace(server.port, 'ioredis', { space })]
  const leases = await Promise.all(Array.from({ length: MANY }, (_, i) => (i % 2 === 0 ? one : two).read(`/many/${i}`)))
  const { holders } = await one.inspect()
  expect(new Set(holders.map(({ read }) => read[0])).size).toBe(MANY)
  expect(new Set(holders.map(({ id }) => id)).size).toBe(MANY)
  expect(holders.map(({ token }) => BigInt(token!))).toEqual(leases.map(({ token }) => token).sort((a, b) => (a < b ? -1 : 1)))
  const looking = await redisBackend({ client: await clientOf('redis', server.port), space, checks: 'off' })
  const quick = await looking.inspect({ quick: true })
  expect(quick.holders.length).toBeGreaterThan(0)
  expect(quick.holders.length).toBeLessThan(MANY)
  await looking.close()
  await Promise.all(leases.map((lease) => lease.release()))
  expect((await two.inspect()).holders).toEqual([])
})

test('A task that waits for itself is found out, as a request is shown under the id that its process knows', async () => {
  const client = await clientOf('redis', server.port)
  const locks = new LockSpace(await redisBackend({ client, space: aSpace(), checks: 'off' }), { detectReentrancy: true })
  onTestFinished(() => locks.close({ timeout: 0 }))
  await locks.withWrite('/a', async () => {
    await expect(locks.read('/a/b')).rejects.toMatchObject({ code: 'LOCK_REENTRANT' })
  })
})

test('The error of a request that has timed out names who stood in its way, on whatever host', async () => {
  const space = aSpace()
  const [holder, other] = [await openSpace(server.port, 'redis', { space }), await openSpace(server.port, 'ioredis', { space })]
  const lease = await holder.write('/a', { name: 'the long one' })
  const error = await other.read('/a/b', { timeout: 30 }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'the long one', owner: { pid: process.pid } }] })
  expect(await other.blockers({ read: '/a' })).toMatchObject([{ write: ['/a'], token: String(lease.token) }])
  await lease.release()
})

/** A process that holds `/held` and waits for `/busy`; killed at the end. */
async function aHolder(space: string): Promise<number> {
  const program = `
    import { connect } from 'holdfast'
    const locks = await connect('redis://127.0.0.1:${server.port}?space=${space}')
    await locks.write('/held')
    console.log('holds')
    await locks.write('/busy')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: resolve(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child.pid!
}

test('A holder whose process stands still shows as suspended until its lease runs out, and as held when it goes on in time', async () => {
  const space = aSpace()
  const locks = await openSpace(server.port, 'redis', { space, lease: 4_000 })
  const busy = await locks.write('/busy')
  const pid = await aHolder(space)
  const states = async (): Promise<string[]> => {
    const { holders, waiters } = await locks.inspect()
    return [...holders, ...waiters].map(({ owner, write, state }) => `${owner.pid === pid ? 'it' : 'this'} ${write} ${state}`).sort()
  }
  const becomes = async (...wanted: string[]): Promise<void> => {
    for (let seen: string[]; ; ) {
      seen = await states()
      if (seen.join() === wanted.join()) return
      expect(seen.join()).toMatch(/^it/)
      await new Promise((done) => setTimeout(done, 10))
    }
  }
  await becomes('it /busy waiting', 'it /held held', 'this /busy held')
  process.kill(pid, 'SIGSTOP')
  await becomes('it /busy waiting', 'it /held suspended', 'this /busy held')
  process.kill(pid, 'SIGCONT')
  await becomes('it /busy waiting', 'it /held held', 'this /busy held')
  await busy.release()
})

test('since is when it was granted, by the clock of the server', async () => {
  const locks = await openSpace(server.port, 'redis', { space: aSpace() })
  const before = Date.now()
  const lease = await locks.write('/a')
  const [holder] = (await locks.inspect()).holders
  expect(Date.parse(holder!.since)).toBeGreaterThanOrEqual(before - 1)
  expect(Date.parse(holder!.since)).toBeLessThanOrEqual(Date.now())
  expect(Math.abs(lease.since - Date.parse(holder!.since))).toBeLessThan(1)
  await lease.release()
})
