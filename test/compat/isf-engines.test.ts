// SPDX-License-Identifier: MIT
// Locks by name on each engine, and beside Python programs that lock as the seed's library does.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { LockingServer } from '../../src/compat/isf/configuration.ts'
import type { Locking } from '../../src/compat/isf/locking.ts'
import { folder } from '../config/several.ts'
import { type RedisServer, startRedis } from '../redis/server.ts'
import { operator } from '../redis/spaces.ts'
import { startZooKeeper, type ZooKeeperServer } from '../zookeeper/server.ts'
import { PythonUser, user } from './isf-users.ts'

type Engine = 'redis' | 'zookeeper' | 'file'
const ENGINES: readonly Engine[] = ['redis', 'zookeeper', 'file']

let redis: RedisServer
let zookeeper: ZooKeeperServer
const pythons = new Map<Engine, PythonUser>()

beforeAll(async () => {
  ;[redis, zookeeper] = await Promise.all([startRedis(), startZooKeeper()])
  const places: Record<Engine, string> = { redis: `${redis.port}`, zookeeper: zookeeper.address, file: '' }
  for (const engine of ENGINES) pythons.set(engine, await PythonUser.start(engine, places[engine]))
})
afterAll(async () => {
  for (const python of pythons.values()) python.kill()
  await Promise.all([redis?.stop(), zookeeper?.stop()])
})

let names = 0

describe.each(ENGINES)('On %s,', (engine) => {
  let home: string

  function servers(): readonly LockingServer[] {
    if (engine === 'redis') return [{ type: 'redis', config: { host: '127.0.0.1', port: redis.port } }]
    if (engine === 'zookeeper') return [{ type: 'zookeeper', config: { hosts: zookeeper.address } }]
    return [{ type: 'file', config: { directory: join(home, 'locks') } }]
  }

  async function users(count: number, python = false): Promise<Locking[]> {
    home = folder()
    return await Promise.all(Array.from({ length: count }, () => user(home, servers(), { python })))
  }

  /** A lock file is there before it is locked, as the library lets in at once whoever comes earlier. */
  function aName(): string {
    const name = `${home}/results-${++names}.db`
    writeFileSync(name, '')
    return name
  }

  test('a lock keeps everybody else out, readers share, and other names are free', async () => {
    const [one, other] = (await users(2)) as [Locking, Locking]
    const name = aName()
    const lock = one.lock(name, 'lock')
    expect(await lock.acquire()).toBe(true)
    for (const kind of ['lock', 'read', 'write'] as const) expect(await other.lock(name, kind).acquire({ blocking: false })).toBe(false)
    for (const free of [`${name}/below`, home, '..', 'x']) {
      const beside = other.lock(free, 'lock')
      expect(await beside.acquire({ blocking: false })).toBe(true)
      await beside.release()
    }
    const waiting = other.lock(name, 'write')
    const granted = waiting.acquire({ timeout: 10 })
    expect(await lock.release()).toBe(true)
    expect(await granted).toBe(true)
    expect(waiting.token).toBeTypeOf('bigint')
    await waiting.release()

    const readers = [one.lock(name, 'read'), other.lock(name, 'read')]
    for (const reader of readers) expect(await reader.acquire({ blocking: false })).toBe(true)
    expect(await one.lock(name, 'lock').acquire({ timeout: 0.05 })).toBe(false)
    for (const reader of readers) await reader.release()
    expect(await one.server()).toEqual(servers()[0])
  })

  describe('beside Python programs,', () => {
    const python = (): PythonUser => pythons.get(engine)!

    test('a lock keeps them out, and they have it when it is given back', async () => {
      const [one] = (await users(1, true)) as [Locking]
      const name = aName()
      const lock = one.lock(name, 'lock')
      await lock.acquire()
      expect(await python().take('lock', name)).toBe(false)
      expect(await python().take('write', name)).toBe(false)
      const theirs = python().wait('lock', name)
      await lock.release()
      expect(await theirs).toBe(true)
      await python().give(name)
    })

    test('a lock is kept out by them, and is had when they give it back', async () => {
      const [one] = (await users(1, true)) as [Locking]
      const name = aName()
      expect(await python().take('lock', name)).toBe(true)
      const lock = one.lock(name, 'lock')
      expect(await lock.acquire({ blocking: false })).toBe(false)
      expect(await lock.acquire({ timeout: 0.1 })).toBe(false)
      const granted = lock.acquire()
      await python().give(name)
      expect(await granted).toBe(true)
      await lock.release()
      expect(await python().take('lock', name)).toBe(true)
      await python().give(name)
    })

    test('a reader keeps their writers out, and their writers keep it out', async () => {
      const [one] = (await users(1, true)) as [Locking]
      const name = aName()
      const reader = one.lock(name, 'read')
      await reader.acquire()
      expect(await python().take('write', name)).toBe(false)
      await reader.release()
      expect(await python().take('write', name)).toBe(true)
      expect(await reader.acquire({ timeout: 0.1 })).toBe(false)
      await python().give(name)
    })

    test(`readers ${engine === 'redis' ? 'take turns, also ours' : engine === 'file' ? 'of ours share, theirs are alone' : 'share, ours and theirs'}`, async () => {
      const [one, other] = (await users(2, true)) as [Locking, Locking]
      const name = aName()
      const [mine, yours] = [one.lock(name, 'read'), other.lock(name, 'read')]
      await mine.acquire()
      expect(await yours.acquire({ blocking: false })).toBe(engine !== 'redis')
      expect(await python().take('read', name)).toBe(engine === 'zookeeper')
      if (engine === 'zookeeper') await python().give(name)
      await mine.release()
      await yours.release()
    })

    test('those who know Python programs, and those who do not, keep each other out', async () => {
      const [one] = (await users(1, true)) as [Locking]
      const other = await user(home, servers(), { python: false })
      const name = aName()
      const [lock, plain] = [one.lock(name, 'lock'), other.lock(name, 'lock')]
      await lock.acquire()
      expect(await plain.acquire({ blocking: false })).toBe(false)
      await lock.release()
      expect(await plain.acquire()).toBe(true)
      expect(await lock.acquire({ blocking: false })).toBe(false)
      // Whoever does not know them does not keep them out.
      expect(await python().take('lock', name)).toBe(true)
      await python().give(name)
      await plain.release()
    })

    test('an abort, or the end of the time, leaves nothing behind', async () => {
      const [one] = (await users(1, true)) as [Locking]
      const name = aName()
      await python().take('lock', name)
      const abort = new AbortController()
      const lock = one.lock(name, 'lock')
      const asked = lock.acquire({ signal: abort.signal })
      setImmediate(() => abort.abort('changed my mind'))
      await expect(asked).rejects.toBe('changed my mind')
      await python().give(name)
      expect(await python().take('lock', name)).toBe(true)
      await python().give(name)
      expect((await (await one.client())!.inspect()).holders).toEqual([])
    })
  })
})

test('On Redis, beside Python programs, a lock lasts for as long as it is held, and is lost when somebody deletes its key', async () => {
  const home = folder()
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const one = await user(home, [{ type: 'redis', config: { host: '127.0.0.1', port: redis.port } }], { python: true })
  const look = await operator(redis.port)
  const lock = one.lock('long', 'lock')
  await lock.acquire()
  await look.pexpire('long', 1_000)
  vi.advanceTimersByTime(5_000)
  while ((await look.pttl('long')) < 20_000);
  expect(lock.acquired).toBe(true)
  await look.del('long')
  const lost = once(lock.signal!, 'abort')
  vi.advanceTimersByTime(5_000)
  await lost
  expect(lock.acquired).toBe(false)
  expect(lock.signal!.reason).toMatchObject({ code: 'LOCK_LOST' })
  expect(await lock.release()).toBe(false)
})

test('On ZooKeeper, names are understood as kazoo does, and refused as kazoo refuses them', async () => {
  const home = folder()
  const one = await user(home, [{ type: 'zookeeper', config: { hosts: `${zookeeper.address}/isf` } }], { python: true })
  const lock = one.lock('a//b/', 'lock')
  await lock.acquire()
  expect(await pythons.get('zookeeper')!.take('lock', '/isf/a/b')).toBe(false)
  await lock.release()
  for (const name of ['../a', '/', 'a\0']) await expect(one.lock(name, 'lock').acquire()).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  expect(await lock.acquire()).toBe(true)
  await lock.release()
})
