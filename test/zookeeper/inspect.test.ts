// SPDX-License-Identifier: MIT
// What inspect() shows of a space on ZooKeeper.
import { LockSpace } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, emptied, Operator, openSpace, standing } from './spaces.ts'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

const MANY = 1_200

test(`${MANY} leases of two processes are all shown, those with shared places too, in the order of their tokens`, async () => {
  const root = aRoot()
  const [one, two] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const leases = await Promise.all(Array.from({ length: MANY }, (_, i) => (i % 2 === 0 ? one : two).read(`/many/${i}`)))
  const { holders, waiters } = await one.inspect()
  expect(waiters).toEqual([])
  expect(new Set(holders.map(({ read }) => read[0])).size).toBe(MANY)
  expect(new Set(holders.map(({ id }) => id)).size).toBe(MANY)
  expect(holders.map(({ token }) => BigInt(token!))).toEqual(leases.map(({ token }) => token).sort((a, b) => (a < b ? -1 : 1)))
  expect(holders[0]!.claims.map(({ mode }) => mode)).toEqual(['IS', 'IS', 'S'])
  const looking = await zookeeperBackend({ servers: server.address, root })
  onTestFinished(() => looking.close())
  const began = performance.now()
  const quick = await looking.inspect({ quick: true })
  expect(performance.now() - began).toBeLessThan(2_000)
  expect(quick.holders.length).toBeLessThanOrEqual(MANY)
  await Promise.all(leases.map((lease) => lease.release()))
  expect(await two.inspect()).toMatchObject({ holders: [], waiters: [], silent: [] })
})

test('Who waits is shown with those that it waits for, and who came down to reading with what is left', async () => {
  const root = aRoot()
  const [one, two] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const lease = await one.lock({ read: '/a', write: '/b' }, { name: 'first' })
  const waiting = two.write('/a/x', { name: 'second' })
  await standing(server, root, 2, '/a')
  const behind = one.read('/', { name: 'third' })
  await standing(server, root, 3, '/')
  const seen = await two.inspect()
  const ids = new Map([...seen.holders, ...seen.waiters].map(({ id, name }) => [name, id]))
  expect(seen.holders).toMatchObject([{ name: 'first', state: 'held', read: ['/a'], write: ['/b'], token: String(lease.token) }])
  expect(seen.waiters).toMatchObject([
    { name: 'second', state: 'waiting', token: null, waitsFor: [ids.get('first')], owner: { pid: process.pid } },
    { name: 'third', state: 'waiting', waitsFor: [ids.get('first'), ids.get('second')] },
  ])
  expect(JSON.parse(JSON.stringify(seen))).toEqual(seen)
  await lease.downgrade()
  expect((await two.inspect()).holders).toMatchObject([{ name: 'first', read: ['/a', '/b'], write: [], token: String(lease.token) }])
  await lease.release()
  await (await waiting).release()
  await (await behind).release()
})

test('A task that waits for itself is found out, as a request is shown under the id that its process knows', async () => {
  const locks = new LockSpace(await zookeeperBackend({ servers: server.address, root: aRoot() }), { detectReentrancy: true })
  onTestFinished(() => locks.close({ timeout: 0 }))
  await locks.withWrite('/a', async () => {
    await expect(locks.read('/a/b')).rejects.toMatchObject({ code: 'LOCK_REENTRANT' })
  })
})

test('The error of a request that has timed out names who stood in its way, on whatever host', async () => {
  const root = aRoot()
  const [holder, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const lease = await holder.write('/a', { name: 'the long one' })
  const error = await other.read('/a/b', { timeout: 30 }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'the long one', owner: { pid: process.pid } }] })
  expect(await other.blockers({ read: '/a' })).toMatchObject([{ write: ['/a'], token: String(lease.token) }])
  await lease.release()
})

test('What others have put among the tickets is neither shown nor waited for', async () => {
  const root = aRoot()
  const locks = await openSpace(server.address, { root })
  const lease = await locks.write('/a/b', { name: 'ours' })
  const operator = await Operator.at(server.address)
  const queue = `${root}/locks/%2Fa`
  for (const name of ['lock-0000000001', 'X', 'Q+1-1-0000000000', '_c_7-__WRIT__0000000001', 'X-1-1-7']) {
    await operator.make(`${queue}/${name}`, '{"id": 1')
  }
  await operator.make(`${root}/locks/nobody-s`)
  await operator.make(`${root}/members/nobody-s`, '[')
  await operator.make(`${root}/waiting/nobody-s`, 'null')
  const others = await operator.makeTicket(`${queue}/IX+123-4-`, '{"id": "x", "since": "yesterday", "read": [], "write": [], "above": []}')
  expect((await locks.inspect()).holders.map(({ name }) => name)).toEqual(['ours'])
  await (await locks.write('/a/c', { timeout: 5_000 })).release()
  // A ticket is a ticket, whatever its data are.
  expect(await locks.tryWrite('/a')).toBeNull()
  await lease.release()
  expect(await locks.tryWrite('/a')).toBeNull()
  const waiting = locks.write('/a', { timeout: 5_000 })
  await operator.remove(others)
  await (await waiting).release()
  await emptied(server, root)
})
