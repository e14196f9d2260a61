// SPDX-License-Identifier: MIT
// What the other tests stand on: real servers that start, fail and come back when told to, and neighbours whose locks exclude each other.
import { access } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { CUTS } from '../support/proxy.ts'
import { Curator, type CuratorClient, hasCurator } from './curator.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './ensemble.ts'
import { hasKazoo, Kazoo, type KazooClient } from './kazoo.ts'
import { requestTo, zooKeeperProxy } from './proxy.ts'
import { startZooKeeper, type ZooKeeperOptions, type ZooKeeperServer } from './server.ts'

let kazoo: Kazoo

beforeAll(async () => {
  kazoo = await Kazoo.start()
})
afterAll(() => kazoo.kill())

async function aServer(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const server = await startZooKeeper(options)
  onTestFinished(() => server.stop())
  return server
}

/** Its session ends with the test. */
async function aClient(hosts: string, sessionTimeoutMs: number = 10_000): Promise<KazooClient> {
  const client = await kazoo.connect(hosts, { sessionTimeoutMs })
  onTestFinished(() => client.close())
  return client
}

describe('A server of the tests', () => {
  test('answers words, tells what it counts, and leaves nothing behind when it stops', async () => {
    const server = await startZooKeeper()
    expect(await server.words('ruok')).toBe('imok')
    expect(await server.role()).toBe('standalone')
    expect((await server.metrics()).zk_znode_count).toBe('5')
    expect([server.running, server.address]).toEqual([true, `127.0.0.1:${server.port}`])
    await server.stop()
    await server.stop()
    expect(server.running).toBe(false)
    await expect(server.words('ruok')).rejects.toThrow('ECONNREFUSED')
    await expect(access(server.folder)).rejects.toThrow('ENOENT')
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  test('keeps its data and its port when it is killed and started again, with other options if told so', async () => {
    const server = await aServer()
    const client = await aClient(server.address)
    await client.create('/kept', 'safe')
    const { pid, port } = server
    await server.kill()
    await client.reaches('suspended')
    await server.restart({ superUser: 'root:secret', sessionTimeouts: { min: 3_000 } })
    expect(server.pid).not.toBe(pid)
    expect(server.port).toBe(port)
    expect(await server.words('conf')).toContain('minSessionTimeout=3000\n')
    await client.reaches('connected')
    // kazoo pauses for longer each time that it finds nobody, on a busy machine for longer than its session lasts.
    expect((await client.get('/kept'))?.data).toBe('safe')
  })

  test('says why it did not start', async () => {
    const server = await aServer()
    await expect(startZooKeeper({ port: server.port })).rejects.toThrow('Address already in use')
    await expect(startZooKeeper({ config: { tickTime: 'soon' } })).rejects.toThrow('ZooKeeper ended')
  })

  test('answers nobody while it is paused, and goes on where it was', async () => {
    const server = await aServer()
    const client = await aClient(server.address)
    await server.pause()
    expect(server.running).toBe(false)
    await expect(server.words('ruok', 50)).rejects.toThrow('did not answer')
    const late = client.create('/late')
    expect(await isPending(late)).toBe(true)
    server.resume()
    expect(await late).toBe('/late')
  })

  test('lets sessions of less than a second expire', async () => {
    const server = await aServer({ tickTime: 50, sessionTimeouts: { min: 100 } })
    const other = await Kazoo.start()
    onTestFinished(() => other.kill())
    const doomed = await other.connect(server.address, { sessionTimeoutMs: 600 })
    await doomed.create('/alive', '', { ephemeral: true })
    const client = await aClient(server.address)
    expect((await client.get('/alive'))?.stat.ephemeralOwner).toBe(doomed.session)
    other.pause()
    const since = performance.now()
    while ((await client.get('/alive')) !== null) expect(performance.now() - since).toBeLessThan(5_000)
    expect(performance.now() - since).toBeGreaterThan(300)
    other.resume()
    await doomed.reaches('lost')
  })

  test('removes empty containers as soon as it is told to', async () => {
    const server = await aServer({ containers: { checkEveryMs: 50 } })
    const client = await aClient(server.address)
    // Curator makes its locks' directories containers.
    const curator = await Curator.start()
    onTestFinished(() => curator.kill())
    const lock = await (await curator.connect(server.address)).lock('/container')
    await lock.acquire()
    expect(await client.children('/container')).toHaveLength(1)
    await lock.release()
    const since = performance.now()
    while ((await client.get('/container')) !== null) expect(performance.now() - since).toBeLessThan(5_000)
  })

  test('knows its super user, whom no ACL keeps out', async () => {
    const server = await aServer({ superUser: 'root:secret' })
    const anybody = await aClient(server.address)
    await anybody.create('/private', 'x', { acl: [{ scheme: 'digest', id: 'ada:whatever', permissions: 'rwcda' }] })
    await expect(anybody.get('/private')).rejects.toMatchObject({ name: 'NoAuthError' })
    const root = await kazoo.connect(server.address, { auth: 'root:secret' })
    expect((await root.get('/private'))?.data).toBe('x')
    expect(await root.acls('/private')).toEqual([{ scheme: 'digest', id: 'ada:whatever', permissions: 'cdrwa' }])
    await root.close()
  })
})

describe('A proxy before a server', () => {
  let server: ZooKeeperServer

  beforeAll(async () => {
    server = await startZooKeeper()
  })
  afterAll(() => server.stop())

  test.each(CUTS)('cuts at one operation among many that are on their way: %s', async (cut) => {
    const [proxy, look] = [await zooKeeperProxy(server.port), await aClient(server.address)]
    onTestFinished(() => proxy.close())
    const client = await aClient(`127.0.0.1:${proxy.port}`)
    const [a, b, c] = ['/a', '/b', '/c'].map((name) => `/${cut.replaceAll(' ', '-')}${name}`) as [string, string, string]
    for (const path of [a, b, c]) await look.create(path, '', { parents: true })
    const happened = proxy.cutAt(requestTo('setData', b), cut)
    const lock = await client.lock(a)
    const [first, second] = await Promise.allSettled([client.set(a, 'x'), client.set(b, 'x'), lock.acquire(), client.set(c, 'x')])
    await happened
    expect(second.status).toBe('rejected')
    await client.reaches('connected')
    expect([proxy.cuts, proxy.connections]).toEqual([1, 1])
    expect((await look.get(b))?.data).toBe(cut.endsWith('the answer') || cut === 'after the request' ? 'x' : '')
    if (first.status === 'fulfilled') expect((await look.get(a))?.data).toBe('x')
  })
})

describe('An ensemble of the tests', () => {
  let ensemble: ZooKeeperEnsemble

  beforeAll(async () => {
    ensemble = await startEnsemble(3, { observers: 1 })
  })
  afterAll(() => ensemble.stop())

  test('has one leader, followers that know the same, and an observer', async () => {
    const roles = await Promise.all(ensemble.servers.map((server) => server.role()))
    expect(roles.slice().sort()).toEqual(['follower', 'follower', 'leader', 'observer'])
    expect(roles[3]).toBe('observer')
    expect(await ensemble.followers()).toHaveLength(2)
    const [here, there] = [await aClient(ensemble.servers[0]!.address), await aClient(ensemble.observers[0]!.address)]
    await there.create('/told', 'everybody')
    expect((await here.get('/told'))?.data).toBe('everybody')
  })

  test.each(['killed', 'paused'])('elects another leader when the first was %s, and takes the first back as a follower', async (what) => {
    const first = await ensemble.leader()
    const client = await aClient(ensemble.addresses, 20_000)
    await client.create(`/before-${what}`)
    if (what === 'killed') await first.kill()
    else await first.pause()
    const second = await ensemble.leader()
    expect(second).not.toBe(first)
    await ensemble.ready()
    await client.reaches('connected')
    expect(await client.get(`/before-${what}`)).not.toBeNull()
    if (what === 'killed') await first.restart()
    else first.resume()
    await ensemble.ready()
    expect(await ensemble.leader()).toBe(second)
    expect(await first.role()).toBe('follower')
    expect(await client.states()).not.toContain('lost')
  })

  test('serves nobody when most of it is gone, and everybody when they are back', async () => {
    const gone = await ensemble.followers()
    const [leader, observer] = [await ensemble.leader(), ensemble.observers[0]!]
    await Promise.all(gone.map((server) => server.kill()))
    while ((await leader.role()) !== null || (await observer.role()) !== null) await new Promise((resolve) => setTimeout(resolve, 20))
    await Promise.all(gone.map((server) => server.restart()))
    await ensemble.ready()
    expect(await Promise.all(ensemble.servers.map((server) => server.role()))).not.toContain(null)
  })
})

describe.skipIf(!hasKazoo || !hasCurator)('Neighbours', () => {
  let server: ZooKeeperServer
  let curator: Curator
  let pythonClient: KazooClient
  let javaClient: CuratorClient

  beforeAll(async () => {
    ;[server, curator] = await Promise.all([startZooKeeper(), Curator.start()])
    ;[pythonClient, javaClient] = [await kazoo.connect(server.address), await curator.connect(server.address)]
  })
  afterAll(() => Promise.all([pythonClient.close(), curator.kill(), server.stop()]))

  test.each([
    ['kazoo', 'Lock', () => pythonClient.lock('/kazoo/plain')],
    ['kazoo', 'WriteLock', () => pythonClient.lock('/kazoo/shared', { kind: 'WriteLock' })],
    ['kazoo', 'Semaphore', () => pythonClient.lock('/kazoo/semaphore', { kind: 'Semaphore' })],
    ['Curator', 'InterProcessMutex', () => javaClient.lock('/curator/plain')],
    ['Curator', 'WriteLock', () => javaClient.lock('/curator/shared', { kind: 'WriteLock' })],
    ['Curator', 'InterProcessSemaphoreMutex', () => javaClient.lock('/curator/semaphore', { kind: 'InterProcessSemaphoreMutex' })],
  ])("of %s exclude each other by their %s, and the next one waits until it's released", async (_, __, aLock) => {
    const [first, second] = [await aLock(), await aLock()]
    expect(await first.acquire()).toBe(true)
    expect(await second.acquire({ timeoutMs: 0 })).toBe(false)
    expect(await second.acquire({ timeoutMs: 50 })).toBe(false)
    const waiting = second.acquire({ timeoutMs: 10_000 })
    expect(await isPending(waiting)).toBe(true)
    await first.release()
    expect(await waiting).toBe(true)
    await second.release()
  })

  test('of one kind read together, and keep writers out', async () => {
    for (const client of [pythonClient, javaClient]) {
      const path = `/together/${client === javaClient}`
      const readers = [await client.lock(path, { kind: 'ReadLock' }), await client.lock(path, { kind: 'ReadLock' })]
      const writer = await client.lock(path, { kind: 'WriteLock' })
      for (const reader of readers) expect(await reader.acquire({ timeoutMs: 5_000 })).toBe(true)
      expect(await writer.acquire({ timeoutMs: 0 })).toBe(false)
      for (const reader of readers) await reader.release()
      expect(await writer.acquire({ timeoutMs: 5_000 })).toBe(true)
      await writer.release()
    }
  })

  test('give up waiting when told to, and show who waits', async () => {
    const [first, second] = [
      await pythonClient.lock('/queue', { identifier: 'ada' }),
      await pythonClient.lock('/queue', { identifier: 'bob' }),
    ]
    await first.acquire()
    const waiting = second.acquire()
    while ((await first.contenders()).length < 2) expect(await isPending(waiting)).toBe(true)
    expect(await first.contenders()).toEqual(['ada', 'bob'])
    await Promise.all([expect(waiting).rejects.toMatchObject({ name: 'CancelledError' }), second.cancel()])
    await first.release()
  })

  test('free their locks when their session ends, and with their life', async () => {
    const lives = [await Kazoo.start(), await Curator.start()]
    for (const neighbour of lives) {
      const path = `/life/${neighbour instanceof Curator}`
      const client = await neighbour.connect(server.address, { sessionTimeoutMs: 400 })
      const follower = await (neighbour instanceof Curator ? javaClient : pythonClient).lock(path)
      const held = await client.lock(path)
      await held.acquire()
      await client.close()
      expect(await follower.acquire({ timeoutMs: 5_000 })).toBe(true)
      await follower.release()
      const again = await (await neighbour.connect(server.address, { sessionTimeoutMs: 400 })).lock(path)
      await again.acquire()
      await neighbour.kill()
      expect(await follower.acquire({ timeoutMs: 5_000 })).toBe(true)
      await expect(held.release()).rejects.toThrow('has ended')
      await follower.release()
    }
  })
})
