// SPDX-License-Identifier: MIT
// Locks that programs in Python and Java share: what is peculiar to one library, who is let in, and what is refused.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type ZooKeeperRecipes, type ZooKeeperRecipesOptions, zookeeperRecipes } from '../../src/backends/zookeeper/recipes/index.ts'
import { Recipe } from '../../src/backends/zookeeper/recipes/recipe.ts'
import { isPending } from '../support/pending.ts'
import { Kazoo, type KazooClient } from './kazoo.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'

let server: ZooKeeperServer
let kazoo: Kazoo
let python: KazooClient

beforeAll(async () => {
  ;[server, kazoo] = await Promise.all([startZooKeeper({ containers: { checkEveryMs: 50 } }), Kazoo.start()])
  python = await kazoo.connect(server.address)
})
afterAll(async () => {
  await kazoo?.kill()
  await server?.stop()
})

let paths = 0
const aPath = (): string => `/bounds/path-${++paths}`

async function open(options: Partial<ZooKeeperRecipesOptions> = {}): Promise<ZooKeeperRecipes> {
  const recipes = await zookeeperRecipes({ servers: server.address, dialect: 'kazoo', ...options })
  onTestFinished(() => recipes.close())
  return recipes
}

/** Resolves when so many nodes are in line. */
async function inLine(path: string, count: number): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    if ((await python.children(path)).length === count) return
  }
  throw new Error(`There are ${await python.children(path)} in line, and not ${count}.`)
}

describe('A reader of kazoo', () => {
  test('that stands between two writers gets in when the second gives up: kazoo 2.8.0 waits for both', async () => {
    const path = aPath()
    const recipes = await open()
    const first = await recipes.writeLock(path).acquire()
    const reader = await python.lock(path, { kind: 'ReadLock' })
    const reading = reader.acquire()
    await inLine(path, 2)
    const abort = new AbortController()
    const second = recipes.writeLock(path).acquire({ signal: abort.signal })
    await inLine(path, 3)
    await first.release()
    await inLine(path, 2)
    abort.abort('enough')
    await expect(second).rejects.toBe('enough')
    expect(await reading).toBe(true)
    await reader.release()
  })

  test('of ours in its place gets in before the second writer', async () => {
    const path = aPath()
    const first = await python.lock(path, { kind: 'WriteLock' })
    await first.acquire()
    const recipes = await open()
    const reading = recipes.readLock(path).acquire()
    await inLine(path, 2)
    const second = await python.lock(path, { kind: 'WriteLock' })
    const writing = second.acquire()
    await inLine(path, 3)
    await first.release()
    const lease = await reading
    expect(await isPending(writing)).toBe(true)
    await lease.release()
    expect(await writing).toBe(true)
    await second.release()
  })
})

test('Directories that were left empty go with Curator, and stay with kazoo', async () => {
  for (const dialect of ['kazoo', 'curator'] as const) {
    const recipes = await open({ dialect })
    await (await recipes.lock(`/empty/${dialect}/a/b`).acquire()).release()
  }
  await expect.poll(() => python.children('/empty'), { interval: 20, timeout: 10_000 }).toEqual(['kazoo'])
  expect(await python.children('/empty/kazoo/a/b')).toEqual([])
})

test('The numbers of a directory are not used to their end, where the server gives all the same', () => {
  const recipe = new Recipe('kazoo', 'write')
  const last = ['0000000000', '2147418111', '2147418112', '2147483647', '-2147483648'].map((number) => recipe.isLast(`x__lock__${number}`))
  expect(last).toEqual([false, false, true, true, true])
})

test('Patterns for other systems’ nodes are as kazoo’s', async () => {
  const path = aPath()
  const extraPatterns = ['-lock-', 'go_']
  const [recipes, plain] = [await open({ extraLockPatterns: extraPatterns }), await open()]
  const lock = await python.lock(path, { extraPatterns })
  for (const name of ['_c_0-lock-', 'go_']) {
    const foreign = await python.create(`${path}/${name}`, '', { ephemeral: true, sequential: true, parents: true })
    expect(await lock.acquire({ timeoutMs: 0 })).toBe(false)
    expect(await recipes.lock(path).tryAcquire()).toBeNull()
    expect(await recipes.readLock(path).tryAcquire()).toBeNull()
    const lease = await plain.lock(path).tryAcquire()
    expect(lease).not.toBeNull()
    await lease!.release()
    const waiting = recipes.lock(path).acquire()
    await inLine(path, 2)
    await python.delete(foreign)
    await (await waiting).release()
  }
})

describe('Locks shared with others', () => {
  test('belong to those with the same credentials where the access list says so, and others are denied', async () => {
    const auth = [{ scheme: 'digest', credentials: 'anna:secret' }]
    const [anna, everybody] = [await open({ auth, acl: 'creator' }), await open()]
    const path = aPath()
    const lease = await anna.writeLock(path).acquire()
    const known = await kazoo.connect(server.address, { auth: 'anna:secret' })
    onTestFinished(() => known.close())
    expect((await known.acls(lease.node)).map(({ scheme }) => scheme)).toEqual(['digest'])
    const usual = await (await open({ auth })).lock(aPath()).acquire()
    expect((await python.acls(usual.node)).map(({ scheme }) => scheme)).toEqual(['world'])
    const lock = await known.lock(path, { kind: 'WriteLock' })
    expect(await lock.acquire({ timeoutMs: 0 })).toBe(false)
    await expect(everybody.writeLock(path).acquire()).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await expect(everybody.writeLock(path).tryAcquire()).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await expect(everybody.writeLock(path).contenders()).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await lease.release()
    expect(await lock.acquire()).toBe(true)
    await lock.release()
    expect(await known.children(path)).toEqual([])
    await expect(open({ auth: [{ scheme: 'nobody', credentials: 'x' }] })).rejects.toMatchObject({ code: 'LOCK_DENIED' })
  })

  test('of which the others may make nodes but not list them leave none behind', async () => {
    const path = aPath()
    await python.create(path, '', {
      parents: true,
      acl: [
        { scheme: 'world', id: 'anyone', permissions: 'cd' },
        { scheme: 'digest', id: 'x:y', permissions: 'r' },
      ],
    })
    const recipes = await open()
    const before = await server.metrics()
    await expect(recipes.lock(path).acquire()).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    expect((await server.metrics()).zk_ephemerals_count).toBe(before.zk_ephemerals_count)
  })

  test('are refused for what is no path, no dialect and no option, before anything is sent', async () => {
    const recipes = await open()
    for (const path of ['', '/', 'relative', '/a/', '/a//b', '/a/../b', '/a\0b', undefined, 7]) {
      for (const kind of ['lock', 'readLock', 'writeLock'] as const) {
        expect(() => recipes[kind](path as string)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
      }
    }
    const lock = recipes.lock(aPath())
    for (const bad of [{ timeout: -1 }, { timeout: Number.NaN }, { signal: {} }, null]) {
      await expect(lock.acquire(bad as object)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    }
    const wrong = [
      { dialect: 'python' },
      { servers: '' },
      { identifier: 7 },
      { identifier: 'x'.repeat(200_000) },
      { extraLockPatterns: 'x' },
      { extraLockPatterns: ['('] },
      { dialect: 'curator', extraLockPatterns: ['x'] },
    ]
    for (const one of wrong) {
      const opening = zookeeperRecipes({ servers: server.address, dialect: 'kazoo', ...(one as object) })
      await expect(opening).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    }
    expect(await python.get(lock.path)).toBeNull()
  })
})
