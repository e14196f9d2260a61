// SPDX-License-Identifier: MIT
// What a lock space on ZooKeeper says when it cannot be had as it was asked for; its limits; and how it ends.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { type Lease, LockSpace } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { PERMISSIONS } from '../../src/backends/zookeeper/wire/operations.ts'
import { isPending } from '../support/pending.ts'
import { requestTo, zooKeeperProxy } from './proxy.ts'
import { digestOf, freePorts, startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, emptied, ephemerals, Operator, openSpace, standing } from './spaces.ts'

const WAITERS = 500
const SUPER = 'super:secret'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper({ superUser: SUPER, properties: { 'zookeeper.enforceQuota': 'true' } })
})
afterAll(() => server.stop())

test(`${WAITERS} requests of one process wait in line, and are let in in the order in which they came`, async () => {
  const root = aRoot()
  const locks = await openSpace(server.address, { root })
  const first = await locks.write('/a')
  const served: number[] = []
  const tokens: bigint[] = [first.token]
  const line = Array.from({ length: WAITERS }, async (_, place) => {
    const lease = await locks.write('/a')
    served.push(place)
    tokens.push(lease.token)
    await lease.release()
  })
  await first.release()
  await Promise.all(line)
  expect(served).toEqual([...served.keys()])
  expect(tokens.every((token, i) => i === 0 || token > tokens[i - 1]!)).toBe(true)
  await emptied(server, root)
})

test('Paths may be long, deep, and of any character, and are told apart', async () => {
  const root = aRoot()
  const [one, two] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const long = `/${'x'.repeat(4_000)}`
  const deep = `/${Array.from({ length: 128 }, (_, i) => i % 10).join('/')}`
  const paths = ['/é "quoted"/\n{brace}/🔒', '/%2F', '/a b', '/zookeeper', '/...', long, `${long}y`, deep, '/~', '/\u{10ffff}\u007f']
  const leases = []
  for (const path of paths) leases.push(await one.write(path, { timeout: 5_000 }))
  for (const path of paths) expect(await two.tryRead(path)).toBeNull()
  const holders = (await two.inspect()).holders.map(({ write }) => write[0])
  expect(new Set(holders)).toEqual(new Set(paths))
  for (const lease of leases) await lease.release()
  for (const key of ['', '.', '..', '%', 'a/b']) {
    const lease = await one.write({ key, ancestors: [] })
    expect(await two.tryRead({ key, ancestors: [] })).toBeNull()
    await lease.release()
  }
  await expect(one.write({ key: 'a\ud800', ancestors: [] })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  await emptied(server, root)
})

describe('A request for many paths', () => {
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `/many/${i}`)

  test('is taken whole, comes down, and is given back, close to what fits into one message', async () => {
    const root = aRoot()
    const [locks, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
    const paths = many(4_200)
    const lease = await locks.write(paths, { timeout: 20_000 })
    expect(await other.tryRead('/many/4199')).toBeNull()
    await lease.downgrade()
    await (await other.read('/many', { timeout: 20_000 })).release()
    expect((await other.inspect()).holders).toMatchObject([{ read: expect.objectContaining({ length: paths.length }), write: [] }])
    await lease.release()
    await emptied(server, root)
  })

  test('that does not fit into one message is refused, leaves nothing behind, and costs nobody anything', async () => {
    const root = aRoot()
    const locks = await openSpace(server.address, { root })
    const lease = await locks.write('/kept')
    await expect(locks.write(many(9_000))).rejects.toMatchObject({
      code: 'LOCK_UNSUPPORTED',
      message: expect.stringContaining('fewer paths'),
    })
    await (await locks.write('/many', { timeout: 5_000 })).release()
    expect(lease.state).toBe('held')
    await lease.release()
    await emptied(server, root)
  })
})

test('A process has no more locks than the servers can take back at once when it dies, and others when it has given some back', async () => {
  // Tickets with long names: the servers write all of them into one message when the session ends.
  const root = `/spaces/${'long-name-'.repeat(200)}`
  const [locks, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const leases: Lease[] = []
  let refusal: unknown
  for (let i = 0; refusal === undefined && i < 1_200; i++) {
    await locks.write(`/${i}`).then(
      (lease) => leases.push(lease),
      (error: unknown) => {
        refusal = error
      },
    )
  }
  expect(refusal).toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringMatching(/too many locks/) })
  const bytes = (await ephemerals(server, root)).reduce((sum, path) => sum + root.length + path.length, 0)
  expect(bytes).toBeGreaterThan(1_000_000)
  expect(bytes).toBeLessThan(1_900_000)
  await (await other.write('/elsewhere')).release()
  await leases.pop()!.release()
  leases.push(await locks.write('/again'))
  await Promise.all(leases.map((lease) => lease.release()))
  await (await locks.write(['/once', '/more'])).release()
  await emptied(server, root)
}, 60_000)

/** Somebody else's server: what it does with a connection. */
async function strangers(greet: (socket: Socket) => void): Promise<number> {
  const listener = createServer((socket) => {
    socket.on('error', () => {})
    greet(socket)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  return (listener.address() as AddressInfo).port
}

describe('Where there is no ZooKeeper server, opening fails with LOCK_UNAVAILABLE in the time asked for:', () => {
  const connectTimeout = 400

  async function fails(servers: string): Promise<void> {
    const began = performance.now()
    await expect(zookeeperBackend({ servers, connectTimeout })).rejects.toMatchObject({
      code: 'LOCK_UNAVAILABLE',
      message: expect.stringContaining(servers.split(',')[0]!),
    })
    expect(performance.now() - began).toBeLessThan(connectTimeout + 1_000)
  }

  test('nobody listens', async () => {
    const ports = await freePorts(2)
    await fails(`127.0.0.1:${ports[0]}`)
    await fails(ports.map((port) => `127.0.0.1:${port}`).join(','))
  })

  test('somebody listens who says nothing', async () => fails(`127.0.0.1:${await strangers(() => {})}`))

  test('somebody hangs up', async () => fails(`127.0.0.1:${await strangers((socket) => socket.destroy())}`))

  test('somebody says something else', async () => {
    await fails(`127.0.0.1:${await strangers((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))}`)
    await fails(`127.0.0.1:${await strangers((socket) => socket.write(Buffer.alloc(64)))}`)
    await fails(`127.0.0.1:${await strangers((socket) => socket.write(Buffer.from('7fffffff', 'hex')))}`)
  })

  test('the host is none', async () => fails('no-such-host.invalid:2181'))

  test('and when one of several serves, it is found', async () => {
    const [port] = await freePorts(1)
    const silent = await strangers(() => {})
    const root = aRoot()
    const servers = `127.0.0.1:${port},127.0.0.1:${silent},${server.address}`
    const locks = await openSpace(servers, { root, connectTimeout: 4_000 })
    await locks.withWrite('/a', () => {})
  })
})

test('Without a server, requests fail when the time for connecting is over, or their own, and nobody waits to give something back', async () => {
  const own = await startZooKeeper()
  onTestFinished(() => own.stop())
  const root = aRoot()
  const locks = await openSpace(own.address, { root, connectTimeout: 400, lease: 20_000 })
  const [one, two, three] = [await locks.write('/a'), await locks.write('/b'), await locks.write('/c')]
  await own.kill()
  const began = performance.now()
  const asked = Promise.allSettled([locks.write('/d', { timeout: 50 }), locks.write('/a/b'), locks.tryWrite('/d'), locks.inspect()])
  const codes = (await asked).map((each) => (each.status === 'rejected' ? each.reason.code : 'granted'))
  expect(codes).toEqual(['LOCK_TIMEOUT', 'LOCK_UNAVAILABLE', 'LOCK_UNAVAILABLE', 'LOCK_UNAVAILABLE'])
  await one.release()
  const weakened = two.downgrade()
  expect(await isPending(weakened)).toBe(true)
  expect(performance.now() - began).toBeLessThan(2_000)
  expect([two.state, three.state]).toEqual(['suspended', 'suspended'])
  await own.restart()
  await weakened
  const other = await openSpace(own.address, { root })
  await (await other.write('/a', { timeout: 5_000 })).release()
  await (await other.read('/b', { timeout: 5_000 })).release()
  expect(await other.tryWrite('/b')).toBeNull()
  await own.kill()
  const closing = performance.now()
  await locks.close({ timeout: 0 })
  expect(performance.now() - closing).toBeLessThan(2_500)
})

describe('Permissions:', () => {
  const auth = [{ scheme: 'digest', credentials: 'ann:secret' }]
  const ann = { perms: PERMISSIONS.all, scheme: 'digest', id: digestOf('ann:secret') }

  test('who is somebody else, or nobody, is denied what belongs to the one who made it', async () => {
    const root = aRoot()
    const locks = await openSpace(server.address, { root, auth })
    await locks.withWrite('/a', () => {})
    for (const stranger of [{}, { auth: [{ scheme: 'digest', credentials: 'ann:wrong' }] }]) {
      await expect(openSpace(server.address, { root, ...stranger })).rejects.toMatchObject({
        code: 'LOCK_DENIED',
        message: expect.stringContaining('access list'),
      })
    }
    const again = await openSpace(server.address, { root, auth })
    await again.withRead('/a', () => {})
  })

  test('a scheme that the server does not know is denied', async () => {
    const strange = [{ scheme: 'tarot', credentials: 'x' }]
    await expect(openSpace(server.address, { root: aRoot(), auth: strange })).rejects.toMatchObject({ code: 'LOCK_DENIED' })
  })

  test('where only a sub-tree may be used, a space lies in it, and nowhere else', async () => {
    const operator = await Operator.at(server.address, SUPER)
    const closed = [{ perms: PERMISSIONS.all, scheme: 'digest', id: digestOf('root:root') }]
    await operator.make('/closed', '', closed)
    await operator.make('/closed/ann', '', [ann])
    for (const root of ['/closed/ann', '/closed/ann/deep/er']) {
      const locks = await openSpace(server.address, { root, auth })
      await locks.withWrite('/a/b', () => {})
      await locks.close()
    }
    for (const root of ['/closed', '/closed/bob']) {
      await expect(openSpace(server.address, { root, auth })).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    }
  })

  test('who may not look at what is in the way is told so, and leaves nothing behind', async () => {
    const root = aRoot()
    const one = await openSpace(server.address, { root })
    await one.withWrite('/a', () => {})
    const blind = [{ perms: PERMISSIONS.all - PERMISSIONS.read, scheme: 'world', id: 'anyone' }]
    const other = await openSpace(server.address, { root, acl: blind })
    const lease = await other.write('/a')
    await expect(one.write('/a', { timeout: 5_000 })).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    // Nor may it see who is there, in the queues that it makes itself.
    await expect(other.write('/b', { timeout: 5_000 })).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await standing(server, root, 2)
    await lease.release()
    await emptied(server, root)
  })

  test('access lists that make no sense are refused', async () => {
    await expect(openSpace(server.address, { root: aRoot(), acl: 'creator' })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    const nonsense = [{ perms: 31, scheme: 'digest', id: 'no-digest' }]
    await expect(openSpace(server.address, { root: aRoot(), acl: nonsense })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  })
})

describe('The place of a space', () => {
  test('may be below what belongs to others, and may be the root of all', async () => {
    const operator = await Operator.at(server.address)
    await operator.make('/foreign', 'of somebody else')
    const locks = await openSpace(server.address, { root: '/foreign/locks' })
    await locks.withWrite('/a', () => {})
    const all = await openSpace(server.address, { root: '/' })
    await all.withWrite('/a', () => {})
  })

  test('is refused where something else lies, or another version of it', async () => {
    const operator = await Operator.at(server.address)
    const [text, other, parts, ephemeral] = [aRoot(), aRoot(), aRoot(), aRoot()]
    for (const path of ['/spaces', text, other, parts]) await operator.make(path).catch(() => {})
    await operator.make(`${text}/space`, 'hello')
    await operator.make(`${other}/space`, JSON.stringify({ layout: 2, prefer: 'first-come' }))
    await operator.make(`${parts}/members`)
    for (const root of [text, other, parts]) {
      await expect(openSpace(server.address, { root })).rejects.toMatchObject({
        code: 'LOCK_INVALID',
        message: expect.stringContaining('another root'),
      })
    }
    const made = await operator.makeTicket(`${ephemeral}-`)
    await expect(openSpace(server.address, { root: `${made}/locks` })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  })

  test('may have a quota: what exceeds it is LOCK_UNAVAILABLE, and what is held stays held', async () => {
    const operator = await Operator.at(server.address)
    const locks = await openSpace(server.address, { root: '/narrow' })
    const lease = await locks.write('/held')
    const limit = '/zookeeper/quota/narrow/zookeeper_limits'
    await operator.make('/zookeeper/quota/narrow')
    await operator.make(limit, 'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2')
    await operator.make('/zookeeper/quota/narrow/zookeeper_stats', 'count=20,bytes=0')
    await expect(locks.write('/other')).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringContaining('quota') })
    expect(lease.state).toBe('held')
    await lease.release()
    await operator.write(limit, 'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1000')
    await (await locks.write('/other')).release()
    await emptied(server, '/narrow')
  })
})

describe('A space that is closed', () => {
  test('while requests wait refuses them, and leaves nothing behind', async () => {
    const root = aRoot()
    const [one, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
    const lease = await other.write('/a')
    const waiting = [one.write('/a'), one.read('/a/b'), one.lock({ read: '/a', write: '/c' })].map((asked) =>
      expect(asked).rejects.toMatchObject({ code: 'LOCK_CLOSED' }),
    )
    await standing(server, root, 4, '/a')
    const closed = one.close()
    await Promise.all([...waiting, closed])
    expect(await ephemerals(server, root)).toHaveLength(3)
    await lease.release()
  })

  test('with requests under way leaves nothing behind either', async () => {
    const root = aRoot()
    const one = await openSpace(server.address, { root })
    const asked = Promise.allSettled([one.write('/a/b'), one.tryWrite('/c'), one.read('/'), one.write('/a')])
    await one.close({ timeout: 0 })
    for (const answer of await asked) {
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'LOCK_CLOSED' })
      else expect(answer.value?.state).not.toBe('held')
    }
    expect(await ephemerals(server, root)).toEqual([])
  })
})

const PROGRAM_LEASE_MS = 1_000

describe('A program', () => {
  const home = resolve(import.meta.dirname, '../..')

  async function run(text: string, address = server.address): Promise<string> {
    const program = `import { LockSpace } from 'holdfast'
      import { zookeeperBackend } from 'holdfast/zookeeper'
      const locks = new LockSpace(await zookeeperBackend({ servers: '${address}', root: '${aRoot()}', lease: ${PROGRAM_LEASE_MS} }))
      ${text}`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: home,
      timeout: 10_000,
    })
    return stdout.trim()
  }

  test('ends when it has nothing else to do, though it never closed its space', async () => {
    expect(await run(`await locks.write('/a'); console.log('done')`)).toBe('done')
  })

  test('stays as long as a request of it waits', async () => {
    const text = `const lease = await locks.write('/a')
      setTimeout(() => lease.release(), 300).unref()
      await (await locks.write('/a')).release()
      console.log('granted')`
    expect(await run(text)).toBe('granted')
  })

  test('stays, and begins another session, when its first one runs out before the servers have answered', async () => {
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const passes = (part: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, part * PROGRAM_LEASE_MS))
    proxy.hold(requestTo('connect'), async () => {
      await passes(0.85)
      proxy.hold(requestTo('getData'), () => passes(0.3))
    })
    expect(await run(`await locks.write('/a'); console.log('done')`, `127.0.0.1:${proxy.port}`)).toBe('done')
  })
})

test.each([
  ['servers', ''],
  ['servers', []],
  ['servers', 'host:port'],
  ['servers', 'zookeeper://host:2181'],
  ['servers', 'host:99999'],
  ['servers', 7],
  ['root', 'relative'],
  ['root', '/ends/'],
  ['root', '/a//b'],
  ['root', '/a/../b'],
  ['root', '/a\0'],
  ['prefer', 'readers'],
  ['lease', 10],
  ['lease', 1.5],
  ['lease', 1e9],
  ['connectTimeout', 0],
  ['connectTimeout', '5'],
  ['acl', 'everybody'],
  ['acl', []],
  ['acl', [{ perms: 99, scheme: 'world', id: 'anyone' }]],
  ['auth', [{ scheme: 'digest' }]],
])('The option %s cannot be %j', async (name, value) => {
  await expect(zookeeperBackend({ servers: server.address, [name]: value } as never)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
})

test('A lease granted while its space is still open is seen by another client', async () => {
  const root = aRoot()
  const locks = new LockSpace(await zookeeperBackend({ servers: server.address, root }))
  const lease = await locks.write('/a')
  const other = await openSpace(server.address, { root })
  const waiting = other.write('/a', { timeout: 5_000 })
  expect(await isPending(waiting)).toBe(true)
  await lease.release()
  await (await waiting).release()
  await locks.close()
})
