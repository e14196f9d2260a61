// SPDX-License-Identifier: MIT
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../../src/backends/zookeeper/wire/connection.ts'
import { ConnectionLost, SessionEnded } from '../../../src/backends/zookeeper/wire/errors.ts'
import {
  closeSession,
  create,
  exists,
  getChildren,
  getData,
  type Operation,
  remove,
  setData,
  sync,
} from '../../../src/backends/zookeeper/wire/operations.ts'
import type { ZooKeeperSession } from '../../../src/backends/zookeeper/wire/session.ts'
import { CUTS, type TcpProxy } from '../../support/proxy.ts'
import { requestTo, zooKeeperProxy } from '../proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from '../server.ts'
import { closeSessions, OPEN, Watched } from './sessions.ts'

let server: ZooKeeperServer
let proxy: TcpProxy
let other: ZooKeeperSession
let root: string
let roots = 0

beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())
beforeEach(async () => {
  proxy = await zooKeeperProxy(server.port)
  other = (await Watched.open(server)).session
  root = `/session-${++roots}`
  await other.request(create(root, 'persistent', OPEN))
})
afterEach(async () => {
  proxy.accept()
  proxy.thaw()
  await closeSessions()
  await proxy.close()
})

const AUTH = [{ scheme: 'digest', credentials: Buffer.from('ada:secret') }]
const throughProxy = (timeoutMs = 4_000, auth = AUTH): Promise<Watched> =>
  Watched.open({ host: server.host, port: proxy.port }, { timeoutMs, auth, openWithinMs: 3_000 })
const there = (path: string): Promise<boolean> =>
  other.request(exists(path)).then(
    () => true,
    () => false,
  )
/** Another session watches this path once it has resolved; `event` then resolves with what becomes of it. */
const watching = async (path: string): Promise<{ event: Promise<string> }> => {
  let tell: (type: string) => void = () => {}
  const event = new Promise<string>((resolve) => (tell = resolve))
  await other.request(getData(path, ({ type }) => tell(type)))
  return { event }
}
/** Parts of a connection or a session that nobody else may see. */
const inside = (whole: object): Record<string, unknown> => whole as Record<string, unknown>

describe('Requests', () => {
  test('are answered in their order, and leave in one write for each turn of the event loop', async () => {
    const { session } = await throughProxy()
    const socket = inside(inside(session).connection as object).socket as object as { _write: unknown; _writev: unknown }
    let writes = 0
    for (const name of ['_write', '_writev'] as const) {
      const write = socket[name] as (...args: unknown[]) => unknown
      socket[name] = function (this: unknown, ...args: unknown[]): unknown {
        writes++
        return write.apply(this, args)
      }
    }
    const order: number[] = []
    const asked: Promise<unknown>[] = []
    for (let i = 0; i < 300; i++) {
      const which: Operation<unknown>[] = [create(`${root}/${i}`, 'ephemeral', OPEN), getChildren(root), sync('/'), exists(`${root}/none`)]
      const note = (): number => order.push(i)
      asked.push(session.request(which[i % 4]!).then(note, note))
      if (i === 100) await undefined
    }
    expect(writes).toBe(0)
    await new Promise((resolve) => process.nextTick(resolve))
    expect(writes).toBe(1)
    await Promise.all(asked)
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect(await session.request(getChildren(root))).toHaveLength(75)
  })

  test('go on when their numbers begin anew', async () => {
    const { session } = await throughProxy()
    const connection = inside(inside(session).connection as object)
    connection.xid = 2 ** 31 - 4
    for (let round = 0; round < 2; round++) {
      const asked = Array.from({ length: 5 }, (_, i) => session.request(create(`${root}/${round}-${i}-`, 'sequential', OPEN)))
      expect(await Promise.all(asked)).toEqual(asked.map((_, i) => `${root}/${round}-${i}-${`${round * 5 + i}`.padStart(10, '0')}`))
    }
    expect(connection.xid).toBeLessThan(20)
  })

  test.each(CUTS)('that a cut connection may have taken along reject, and the session keeps what it has: cut %s', async (cut) => {
    const watched = await throughProxy()
    const { session } = watched
    const { id } = session
    await session.request(create(`${root}/held`, 'ephemeral', OPEN))
    await session.request(create(`${root}/data`, 'persistent', OPEN))
    const steps: (readonly [Parameters<typeof requestTo>[0], Operation<unknown>, () => Promise<boolean>])[] = [
      ['create', create(`${root}/new`, 'ephemeral', OPEN), () => there(`${root}/new`)],
      ['setData', setData(`${root}/data`, Buffer.from('x')), async () => (await other.request(exists(`${root}/data`))).version === 1],
      ['delete', remove(`${root}/data`), async () => !(await there(`${root}/data`))],
      ['getChildren', getChildren(root), async () => true],
    ]
    for (const [name, operation, done] of steps) {
      const [happened, resumed] = [proxy.cutAt(requestTo(name, root), cut), watched.next('resumed')]
      await expect(session.request(operation)).rejects.toBeInstanceOf(ConnectionLost)
      await Promise.all([happened, resumed])
      const carriedOut = cut === 'after the request' || cut === 'inside the answer'
      expect(await done()).toBe(name === 'getChildren' || carriedOut)
      if (!carriedOut && name !== 'getChildren') await session.request(operation)
    }
    expect(session.id).toBe(id)
    expect((await other.request(exists(`${root}/held`))).ephemeralOwner).toBe(id)
    expect(watched.words).toEqual(steps.flatMap(() => ['suspended', 'resumed']))
  })

  test.each(CUTS)('follow once a connection is up again, whatever was cut of its first words: cut %s', async (cut) => {
    const watched = await throughProxy()
    const { session } = watched
    const { id } = session
    await session.request(create(`${root}/held`, 'ephemeral', OPEN))
    let heard = ''
    await session.request(getData(root, ({ type }) => (heard = type)))
    for (const first of ['connect', 'auth', 'setWatches'] as const) {
      const happened = proxy.cutAt(requestTo(first), cut)
      proxy.cut()
      await happened
      while (!session.connected) await watched.next('resumed')
      // One that had got as far as to be welcomed may be cut again: ask until there is an answer.
      for (let asked = false; !asked; ) {
        asked = await session.request(sync('/')).then(
          () => true,
          () => false,
        )
        if (!asked && !session.connected) await watched.next('resumed')
      }
    }
    expect(session.id).toBe(id)
    expect((await other.request(exists(`${root}/held`))).ephemeralOwner).toBe(id)
    await other.request(setData(root, Buffer.from('x')))
    await session.request(sync('/'))
    expect(heard).toBe('changed')
  })

  test.each(CUTS)('can be made of a session whose beginning was cut: %s', async (cut) => {
    for (const first of ['connect', 'auth'] as const) {
      const happened = proxy.cutAt(requestTo(first), cut)
      const [{ session, words }] = await Promise.all([throughProxy(), happened])
      await session.request(sync('/'))
      expect(words).toEqual([])
    }
  })
})

describe('A session', () => {
  test('is told that its credentials are refused', async () => {
    const refused = throughProxy(4_000, [{ scheme: 'nonsense', credentials: Buffer.from('x') }])
    await expect(refused).rejects.toMatchObject({ name: 'ZooKeeperError', code: 'AUTHFAILED' })
  })

  test('is told when the servers have ended it', async () => {
    const watched = await throughProxy(20_000)
    const { session } = watched
    await session.request(create(`${root}/held`, 'ephemeral', OPEN))
    const { credentials, timeoutMs } = inside(session) as { credentials: { id: bigint; password: Buffer }; timeoutMs: number }
    const since = performance.now()
    const why = watched.next('ended')
    proxy.refuse()
    // Somebody who knows its password takes it over, and ends it.
    const place = { host: server.host, port: server.port }
    const thief = await Connection.open({ ...place, session: credentials, lastZxid: 0n, timeoutMs, withinMs: 1_000 })
    thief.listen({ proved: () => {}, changed: () => {}, lost: () => {} })
    await thief.request(closeSession())
    thief.close()
    proxy.accept()
    expect(await why).toMatchObject({ name: 'SessionEnded', message: 'the server does not know the session any more' })
    expect(performance.now() - since).toBeLessThan(3_000)
    expect(watched.words.at(-1)).toBe('ended')
    await expect(session.request(sync('/'))).rejects.toBeInstanceOf(SessionEnded)
    expect(await there(`${root}/held`)).toBe(false)
  })

  test('is not begun by a server that knows less than it has seen', async () => {
    const place = {
      host: server.host,
      port: server.port,
      session: { id: 0n, password: Buffer.alloc(16) },
      timeoutMs: 1_000,
      withinMs: 1_000,
    }
    await expect(Connection.open({ ...place, lastZxid: 2n ** 40n })).rejects.toThrow(/hung up|ECONNRESET/)
    const connection = await Connection.open({ ...place, lastZxid: 1n })
    connection.close()
  })

  test('that is closed leaves nothing behind, at once', async () => {
    const watched = await throughProxy(60_000)
    await watched.session.request(create(`${root}/held`, 'ephemeral', OPEN))
    const { event } = await watching(`${root}/held`)
    const under = watched.session.request(sync('/'))
    const since = performance.now()
    await watched.session.close()
    expect(await event).toBe('deleted')
    expect(performance.now() - since).toBeLessThan(1_000)
    await under
    expect(watched.words).toEqual(['ended'])
    await watched.session.close()
    await expect.poll(() => proxy.connections).toBe(0)
  })

  test('that is closed while no server is in reach is over at once, and goes when its time is out', async () => {
    const watched = await throughProxy(600)
    await watched.session.request(create(`${root}/held`, 'ephemeral', OPEN))
    const { event } = await watching(`${root}/held`)
    const suspended = watched.next('suspended')
    proxy.refuse()
    await suspended
    const since = performance.now()
    await watched.session.close()
    expect(performance.now() - since).toBeLessThan(300)
    expect(watched.words).toEqual(['suspended', 'ended'])
    expect(await event).toBe('deleted')
  })

  test('that is closed while it is being taken up again is ended there', async () => {
    const watched = await throughProxy(60_000)
    await watched.session.request(create(`${root}/held`, 'ephemeral', OPEN))
    const { event } = await watching(`${root}/held`)
    let letGo: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      proxy.hold(requestTo('connect'), () => {
        resolve()
        return new Promise<void>((release) => (letGo = release))
      })
    })
    proxy.cut()
    await held
    const [closed, since] = [watched.session.close(), performance.now()]
    letGo()
    await closed
    expect(performance.now() - since).toBeLessThan(1_000)
    expect(await event).toBe('deleted')
    expect(watched.words).toEqual(['suspended', 'ended'])
  })

  test('that is closed while a server hangs is closed in time', async () => {
    const watched = await throughProxy(800)
    proxy.freeze()
    const since = performance.now()
    await watched.session.close()
    expect(performance.now() - since).toBeLessThan(500)
  })

  test('keeps nothing of the connections that it had', async () => {
    const watched = await throughProxy(60_000)
    const { session } = watched
    const count = (): Record<string, number> => {
      const all: Record<string, number> = {}
      for (const name of process.getActiveResourcesInfo()) all[name] = (all[name] ?? 0) + 1
      return all
    }
    const again = async (): Promise<void> => {
      const resumed = watched.next('resumed')
      proxy.cut()
      await resumed
      await session.request(getData(root, () => {}))
    }
    for (let i = 0; i < 10; i++) await again()
    const before = count()
    for (let i = 0; i < 200; i++) await again()
    // Sockets that were just closed may take a moment.
    const grown = (): string[] => Object.entries(count()).flatMap(([name, now]) => (now > (before[name] ?? 0) ? [name] : []))
    await expect.poll(grown).toEqual([])
    expect(proxy.connections).toBe(1)
    const socket = inside(inside(session).connection as object).socket as NodeJS.EventEmitter
    for (const name of socket.eventNames()) expect(socket.listenerCount(name)).toBeLessThanOrEqual(2)
    await session.close()
    await expect.poll(() => count().TCPSocketWrap ?? 0).toBeLessThan(before.TCPSocketWrap!)
    expect(grown()).toEqual([])
  })
})
