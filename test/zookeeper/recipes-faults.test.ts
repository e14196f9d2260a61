// SPDX-License-Identifier: MIT
// Locks that programs in Python and Java share, when something breaks: programs are killed, connections cut, sessions lost, servers away.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type ZooKeeperRecipes, type ZooKeeperRecipesOptions, zookeeperRecipes } from '../../src/backends/zookeeper/recipes/index.ts'
import { isPending } from '../support/pending.ts'
import { CUTS } from '../support/proxy.ts'
import { Curator, type CuratorClient } from './curator.ts'
import { Kazoo, type KazooClient } from './kazoo.ts'
import type { NeighbourLock } from './neighbour.ts'
import { type Operation, requestTo, zooKeeperProxy } from './proxy.ts'
import { freePorts, leash, startZooKeeper, type ZooKeeperServer } from './server.ts'

let server: ZooKeeperServer
let kazoo: Kazoo
let curator: Curator
let python: KazooClient
let java: CuratorClient

beforeAll(async () => {
  ;[server, kazoo, curator] = await Promise.all([startZooKeeper(), Kazoo.start(), Curator.start()])
  ;[python, java] = await Promise.all([kazoo.connect(server.address), curator.connect(server.address)])
})
afterAll(async () => {
  await Promise.all([kazoo?.kill(), curator?.kill()])
  await server?.stop()
})

const DIALECTS = ['kazoo', 'curator'] as const

/** Of those who are to die. */
const SHORT_SESSION_MS = 600

let paths = 0
const aPath = (): string => `/faults/path-${++paths}`

/** A library's write lock, of its client that stays. */
function their(dialect: (typeof DIALECTS)[number], path: string): Promise<NeighbourLock> {
  return dialect === 'kazoo' ? python.lock(path, { kind: 'WriteLock' }) : java.lock(path, { kind: 'WriteLock' })
}

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

/** Resolves when so many nodes are watched by those who come after them. */
async function watched(path: string, count: number): Promise<void> {
  const nodes = async (): Promise<number> => (await server.words('wchp')).split('\n').filter((line) => line.startsWith(`${path}/`)).length
  await expect.poll(nodes, { interval: 5, timeout: 10_000 }).toBe(count)
}

/** A program of ours that takes a lock, tells its node, and waits for `then`. */
const PROGRAM = `
const [module, options, path, then] = process.argv.slice(1)
const { zookeeperRecipes } = await import(module)
const lock = (await zookeeperRecipes(JSON.parse(options))).writeLock(path)
console.log((await lock.acquire()).node)
if (then === 'stay') setInterval(() => {}, 1_000)
if (then === 'wait') await lock.acquire()
`
/** Of the program with servers: what it waits for beyond that is the lock. */
const PATIENCE_MS = 1_000
const MODULE = new URL('../../dist/backends/zookeeper/recipes/index.js', import.meta.url).href

async function program(dialect: string, path: string, then: 'stay' | 'wait' | 'end'): Promise<ChildProcess> {
  const options = JSON.stringify({ servers: server.address, dialect, lease: SHORT_SESSION_MS, connectTimeout: PATIENCE_MS })
  const [command, ...args] = [...leash, process.execPath, '--input-type=module', '-e', PROGRAM, MODULE, options, path, then]
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const { value } = await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next()
  expect(value).toContain(path)
  return child
}

describe.each(DIALECTS)('A lock shared with %s', (dialect) => {
  test('comes free when the other program is killed', async () => {
    const path = aPath()
    const other = await (dialect === 'kazoo' ? Kazoo.start() : Curator.start())
    onTestFinished(() => other.kill())
    const client = await other.connect(server.address, { sessionTimeoutMs: SHORT_SESSION_MS })
    const lock = await client.lock(path, { kind: 'WriteLock' })
    await lock.acquire()
    const recipes = await open({ dialect })
    const waiting = recipes.readLock(path).acquire({ timeout: 10_000 })
    await inLine(path, 2)
    await other.kill()
    expect((await waiting).valid).toBe(true)
    await inLine(path, 1)
  })

  test('comes free for the other program when ours is killed', async () => {
    const path = aPath()
    const child = await program(dialect, path, 'stay')
    const lock = await their(dialect, path)
    const waiting = lock.acquire({ timeoutMs: 10_000 })
    await inLine(path, 2)
    child.kill('SIGKILL')
    expect(await waiting).toBe(true)
    await lock.release()
  })

  test('is lost by our own clock before the other program can have it, and those of ours who wait ask again', async () => {
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const recipes = await open({ dialect, servers: `127.0.0.1:${proxy.port}`, lease: SHORT_SESSION_MS })
    const path = aPath()
    const lease = await recipes.writeLock(path).acquire()
    const lock = await their(dialect, path)
    const events: string[] = []
    lease.signal.addEventListener('abort', () => events.push('lost'))
    const they = lock.acquire({ timeoutMs: 10_000 }).then((got) => events.push(`given to them: ${got}`))
    await inLine(path, 2)
    const we = recipes.writeLock(path).acquire()
    await watched(path, 2)
    proxy.freeze()
    await they
    expect(events).toEqual(['lost', 'given to them: true'])
    expect([lease.state, lease.valid]).toEqual(['lost', false])
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', message: expect.stringContaining(path) })
    await lease.release()
    proxy.thaw()
    await inLine(path, 2)
    expect(await isPending(we)).toBe(true)
    await lock.release()
    const again = await we
    expect(again.valid).toBe(true)
    expect(again.token).toBeGreaterThan(lease.token)
    await again.release()
    await inLine(path, 0)
  })

  test('is taken once, and released, wherever the connection breaks', async () => {
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const recipes = await open({ dialect, servers: `127.0.0.1:${proxy.port}` })
    const operations: Operation[] = ['create', 'getChildren', 'getData', 'delete']
    for (const operation of operations) {
      for (const cut of CUTS) {
        const path = await python.create(aPath(), '', { parents: true })
        const lock = await their(dialect, path)
        if (operation === 'getData') await lock.acquire()
        const happened = proxy.cutAt(requestTo(operation, path), cut)
        const asked = recipes.writeLock(path).acquire()
        if (operation === 'getData') {
          await happened
          await inLine(path, 2)
          await lock.release()
        }
        const lease = await asked
        expect(lease.valid).toBe(true)
        expect((await python.get(lease.node))!.stat.czxid).toBe(lease.token)
        expect(await python.children(path)).toHaveLength(1)
        expect(await lock.acquire({ timeoutMs: 0 })).toBe(false)
        await lease.release()
        await happened
        expect(await python.children(path)).toEqual([])
      }
    }
  })

  test('leaves no node when a request is given up while the answer to it is lost', async () => {
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const recipes = await open({ dialect, servers: `127.0.0.1:${proxy.port}` })
    const path = aPath()
    await (await recipes.writeLock(path).acquire()).release()
    const abort = new AbortController()
    const happened = proxy.cutAt(requestTo('create', path), 'after the request')
    const asked = recipes.writeLock(path).acquire({ signal: abort.signal })
    void happened.then(() => abort.abort('enough'))
    await expect(asked).rejects.toBe('enough')
    await inLine(path, 0)
    expect(await (await their(dialect, path)).acquire({ timeoutMs: 0 })).toBe(true)
  })
})

describe('Locks shared with others', () => {
  test('are suspended while no server is in reach, held when one is, and found lost when their node was removed', async () => {
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const recipes = await open({ servers: `127.0.0.1:${proxy.port}`, connectTimeout: 500 })
    const lease = await recipes.lock(aPath()).acquire()
    const removed = await recipes.lock(aPath()).acquire()
    proxy.refuse()
    await expect.poll(() => [lease.state, lease.valid], { interval: 5, timeout: 5_000 }).toEqual(['suspended', true])
    const impatient = recipes.lock(aPath()).acquire({ timeout: 50 })
    await expect(impatient).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await expect(recipes.lock(aPath()).acquire()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    await expect(recipes.lock(aPath()).contenders()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    await python.delete(removed.node)
    const lost = once(removed.signal, 'abort')
    proxy.accept()
    await lost
    expect([lease.state, removed.state, removed.valid]).toEqual(['held', 'lost', false])
    await lease.release()
    expect([lease.state, lease.valid, lease.signal.aborted]).toEqual(['released', false, false])
    expect(await python.get(lease.node)).toBeNull()
  })

  test('are waited for in the last place when somebody removed the node that waited', async () => {
    const path = aPath()
    const recipes = await open()
    const held = await recipes.writeLock(path).acquire()
    const [first, second] = [recipes.writeLock(path).acquire(), recipes.writeLock(path).acquire()]
    await inLine(path, 3)
    const [, next] = await recipes.writeLock(path).contenders()
    await python.delete(`${path}/${next!.node}`)
    await held.release()
    const lease = await second
    await inLine(path, 2)
    expect(await isPending(first)).toBe(true)
    await lease.release()
    await (await first).release()
    await inLine(path, 0)
  })

  test('are refused as unavailable in the time given where no server answers, also after the first session was lost', async () => {
    const [port] = await freePorts(1)
    const nobody = open({ servers: `127.0.0.1:${port}`, connectTimeout: 100 })
    await expect(nobody).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', cause: expect.anything() })
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const recipes = await open({ servers: `127.0.0.1:${proxy.port}`, lease: SHORT_SESSION_MS, connectTimeout: 300 })
    const lease = await recipes.lock(aPath()).acquire()
    const waiting = recipes.lock(lease.path).acquire()
    await watched(lease.path, 1)
    proxy.refuse()
    await once(lease.signal, 'abort')
    const began = performance.now()
    await expect(recipes.lock(lease.path).acquire()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    await expect(recipes.lock(lease.path).tryAcquire()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(2_000)
    // Who had a place in the line is more patient.
    expect(await isPending(waiting)).toBe(true)
    proxy.accept()
    await (await waiting).release()
  })

  test('are not given by an answer that is read too late', async () => {
    const recipes = await open({ lease: SHORT_SESSION_MS })
    const path = await python.create(aPath(), '', { parents: true })
    const asked = recipes.lock(path).acquire()
    await new Promise(setImmediate)
    for (const end = performance.now() + SHORT_SESSION_MS; performance.now() < end; );
    const lease = await asked
    expect([lease.valid, lease.state]).toEqual([true, 'held'])
    await lease.release()
    expect(await python.children(lease.path)).toEqual([])
  })

  test('are lost when they are closed, and those who wait are refused', async () => {
    const path = aPath()
    const recipes = await open()
    const lease = await recipes.writeLock(path).acquire()
    const waiting = recipes.writeLock(path).acquire()
    await inLine(path, 2)
    const refused = expect(waiting).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
    await recipes.close()
    await refused
    expect([lease.state, lease.signal.aborted]).toEqual(['lost', true])
    expect(await python.children(path)).toEqual([])
    await recipes.close()
    await expect(recipes.lock(path).acquire()).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
    await expect(recipes.lock(path).tryAcquire()).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
    await expect(recipes.lock(path).contenders()).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
  })

  test('do not keep a program alive, and waiting for one does', async () => {
    const path = aPath()
    const holder = await program('kazoo', path, 'end')
    if (holder.exitCode === null) await once(holder, 'exit')
    expect(holder.exitCode).toBe(0)
    const waiter = await program('kazoo', path, 'wait')
    await inLine(path, 2)
    for (const end = performance.now() + 1.3 * PATIENCE_MS; performance.now() < end; ) await python.children(path)
    expect(waiter.exitCode).toBeNull()
  })
})
