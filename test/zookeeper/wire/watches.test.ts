// SPDX-License-Identifier: MIT
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  create,
  getChildren,
  getData,
  multi,
  type Operation,
  remove,
  setData,
  sync,
  type Watcher,
} from '../../../src/backends/zookeeper/wire/operations.ts'
import type { ZooKeeperSession } from '../../../src/backends/zookeeper/wire/session.ts'
import type { TcpProxy } from '../../support/proxy.ts'
import { zooKeeperProxy } from '../proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from '../server.ts'
import { closeSessions, OPEN, Watched } from './sessions.ts'

let server: ZooKeeperServer
let proxy: TcpProxy
let watched: Watched
let session: ZooKeeperSession
let other: ZooKeeperSession
let root: string
let roots = 0
let heard: string[]

beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())
beforeEach(async () => {
  proxy = await zooKeeperProxy(server.port)
  watched = await Watched.open({ host: server.host, port: proxy.port }, { timeoutMs: 20_000 })
  session = watched.session
  other = (await Watched.open(server, { timeoutMs: 20_000 })).session
  root = `/watches-${++roots}`
  heard = []
  await other.request(create(root, 'persistent', OPEN))
})
afterEach(async () => {
  await closeSessions()
  await proxy.close()
})

const DATA = Buffer.from('x')
/** Notes what it hears, without the root. */
const noting =
  (name: string): Watcher =>
  ({ type, path }) =>
    void heard.push(`${name}: ${type} ${path.slice(root.length)}`)

const make = (name: string): Promise<unknown> => other.request(create(`${root}/${name}`, 'persistent', OPEN))
const change = (name: string): Promise<unknown> => other.request(setData(`${root}/${name}`, DATA))
const drop = (name: string): Promise<unknown> => other.request(remove(`${root}/${name}`))
const onData = (name: string, watcher: Watcher): Promise<unknown> => session.request(getData(`${root}/${name}`, watcher))
const onChildren = (name: string, watcher: Watcher): Promise<unknown> => session.request(getChildren(`${root}${name}`, watcher))
/** What has happened until now has been heard of when it resolves. */
const caughtUp = (): Promise<unknown> => session.request(sync('/'))

async function reconnected(meanwhile: () => Promise<unknown>): Promise<void> {
  const resumed = watched.next('resumed')
  proxy.refuse()
  await meanwhile()
  proxy.accept()
  await resumed
  await caughtUp()
}

describe('A watch', () => {
  test('hears once of the next change of data, and not of the one after it', async () => {
    await make('a')
    await onData('a', noting('one'))
    await change('a')
    await change('a')
    await drop('a')
    await caughtUp()
    expect(heard).toEqual(['one: changed /a'])
  })

  test('for data does not hear of children, nor the other way round', async () => {
    await make('a')
    await onData('a', noting('data'))
    await onChildren('/a', noting('children'))
    await make('a/x')
    await caughtUp()
    expect(heard).toEqual(['children: children /a'])
    await change('a')
    await caughtUp()
    expect(heard).toEqual(['children: children /a', 'data: changed /a'])
  })

  test('hears that its node is gone, whatever it listens for', async () => {
    await make('a')
    await onData('a', noting('data'))
    await onChildren('/a', noting('children'))
    await drop('a')
    await caughtUp()
    expect(heard.sort()).toEqual(['children: deleted /a', 'data: deleted /a'])
  })

  test('is one of several on a node, and each hears once, also those that are given twice', async () => {
    await make('a')
    const twice = noting('twice')
    for (const watcher of [noting('one'), noting('two'), twice, twice]) await onData('a', watcher)
    await change('a')
    await change('a')
    await caughtUp()
    expect(heard).toEqual(['one: changed /a', 'two: changed /a', 'twice: changed /a'])
  })

  test('can be taken back, which leaves the others', async () => {
    await make('a')
    const [one, two] = [noting('one'), noting('two')]
    await onData('a', one)
    await onData('a', two)
    session.unwatch(`${root}/a`, { kind: 'data', watcher: one })
    session.unwatch(`${root}/a`, { kind: 'children', watcher: two })
    await change('a')
    await caughtUp()
    expect(heard).toEqual(['two: changed /a'])
    // Nobody is left there: nothing is to be taken back.
    session.unwatch(`${root}/a`, { kind: 'data', watcher: two })
  })

  test('can be set anew by whoever hears of it', async () => {
    await make('a')
    const counts: number[] = []
    const again: Watcher = () => {
      counts.push(counts.length)
      void onData('a', again)
    }
    await onData('a', again)
    for (let i = 0; i < 3; i++) {
      await change('a')
      await caughtUp()
      await caughtUp()
    }
    expect(counts).toEqual([0, 1, 2])
  })

  test('is not set by a question that was refused', async () => {
    await expect(onData('none', noting('none'))).rejects.toMatchObject({ code: 'NONODE' })
    await make('none')
    await change('none')
    await caughtUp()
    expect(heard).toEqual([])
  })

  test('hears of a change before the one who made it on the same session knows that it is made', async () => {
    await make('a')
    await onData('a', noting('watch'))
    const set = session.request(setData(`${root}/a`, DATA)).then(() => heard.push('set'))
    const got = session.request(getData(`${root}/a`)).then(() => heard.push('got'))
    await Promise.all([set, got])
    expect(heard).toEqual(['watch: changed /a', 'set', 'got'])
  })

  test('outlives its connection, and hears of what happened while there was none', async () => {
    const names = ['changed', 'gone', 'gone-and-back', 'grown', 'same']
    for (const name of names) await make(name)
    for (const name of names) {
      await onData(name, noting('data'))
      await onChildren(`/${name}`, noting('children'))
    }
    await reconnected(async () => {
      await change('changed')
      await drop('gone')
      await drop('gone-and-back')
      await make('gone-and-back')
      await make('grown/x')
    })
    expect(heard.sort()).toEqual([
      'children: children /gone-and-back',
      'children: children /grown',
      'children: deleted /gone',
      'data: changed /changed',
      'data: changed /gone-and-back',
      'data: deleted /gone',
    ])
    heard = []
    await change('same')
    await make('same/x')
    await caughtUp()
    expect(heard).toEqual(['data: changed /same', 'children: children /same'])
  })

  test('is not set anew after its question went down with the connection', async () => {
    await make('a')
    const lost = onData('a', noting('lost')).catch((error: Error) => error.name)
    const suspended = watched.next('resumed')
    proxy.cut()
    expect(await lost).toBe('ConnectionLost')
    await suspended
    await change('a')
    await caughtUp()
    expect(heard).toEqual([])
  })

  test('is one of thousands that are all set anew, in portions that a server reads', async () => {
    const COUNT = 4_000
    const parent = `${root}/${'long-name-'.repeat(60)}`
    await other.request(create(parent, 'persistent', OPEN))
    const path = (i: number): string => `${parent}/${i}`
    const inParts = async (operation: (i: number) => Operation<unknown>): Promise<void> => {
      for (let from = 0; from < COUNT; from += 1_000) {
        await other.request(multi(Array.from({ length: 1_000 }, (_, i) => operation(from + i))))
      }
    }
    await inParts((i) => create(path(i), 'persistent', OPEN))
    const fired = new Set<number>()
    const asked = Array.from({ length: COUNT }, (_, i) => {
      const watcher = (): void => void fired.add(i)
      return i % 2 === 0 ? session.request(getData(path(i), watcher)) : session.request(getChildren(path(i), watcher))
    })
    await Promise.all(asked)
    const meanwhile = Array.from({ length: 400 }, (_, i) => i * 7)
    await reconnected(() => other.request(multi(meanwhile.map((i) => remove(path(i))))))
    expect([...fired].sort((a, b) => a - b)).toEqual(meanwhile)
    // It counts those for data.
    expect(await server.words('wchs')).toContain(`Total watches:${COUNT / 2 - 200}`)
    await other.request(multi(meanwhile.map((i) => create(path(i), 'persistent', OPEN))))
    await inParts((i) => remove(path(i)))
    await caughtUp()
    expect(fired.size).toBe(COUNT)
  })
})
