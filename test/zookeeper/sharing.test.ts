// SPDX-License-Identifier: MIT
// Tickets that several requests of one process share: few of them on a hot ancestor, and nobody waits for ever because of them.
import type { Lease, LockSpace } from 'holdfast'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { requestTo, zooKeeperProxy } from './proxy.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, openSpace, standing } from './spaces.ts'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

const LEASES = 1_000

test(`${LEASES} leases of a process below one node have one ticket there, or one for reading and one for writing`, async () => {
  const root = aRoot()
  const [one, two] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
  const writers = await Promise.all(Array.from({ length: LEASES }, (_, i) => one.write(`/hot/${i}`)))
  expect(await standing(server, root, 1, '/')).toHaveLength(1)
  expect(await standing(server, root, 1, '/hot')).toHaveLength(1)
  const readers = await Promise.all(Array.from({ length: 100 }, (_, i) => [one.read(`/hot/r/${i}`), two.read(`/hot/r/${i}`)]).flat())
  expect(await standing(server, root, 3, '/')).toHaveLength(3)
  expect(await two.tryRead('/hot')).toBeNull()
  await Promise.all(writers.slice(1).map((lease) => lease.release()))
  expect(await two.tryRead('/hot')).toBeNull()
  await writers[0]!.release()
  await (await two.read('/hot', { timeout: 5_000 })).release()
  await Promise.all(readers.map((lease) => lease.release()))
  await emptied(server, root)
})

describe('A request whose process has a place above already, in front of somebody who waits', () => {
  // Whoever waits has queued behind that place, and stands before the request below it.
  test.each([
    ['all of it, to write in part', { read: '/', write: '/a' }],
    ['all of it', { write: '/' }],
    ['all of it, to read', { read: '/' }],
  ])('waits behind that one when it wants %s', async (_, wanted) => {
    const root = aRoot()
    const [one, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
    const first = await one.write('/x')
    const waiting = other.lock(wanted, { timeout: 10_000 })
    await standing(server, root, 2, '/')
    const next = one.write('/a/b', { timeout: 10_000 })
    // Its own place on the root.
    await standing(server, root, 3, '/')
    expect([await isPending(waiting), await isPending(next)]).toEqual([true, true])
    await first.release()
    const lease = await waiting
    expect(await isPending(next)).toBe(true)
    await lease.release()
    const last = await next
    expect(last.token).toBeGreaterThan(lease.token)
    await last.release()
    await emptied(server, root)
  })

  test('is found again though another shares what it made when it first tried, and leaves nothing behind', async () => {
    const root = aRoot()
    const proxy = await zooKeeperProxy(server.port)
    onTestFinished(() => proxy.close())
    const [one, other] = [await openSpace(proxy.port, { root }), await openSpace(server.address, { root })]
    const sides = Array.from({ length: 8 }, (_, i) => `/side${i}`)
    const below = (name: string): string[] => sides.map((side) => `${side}/${name}`)
    // So that their queues are there, and known to be.
    await one.withWrite(['/b/s/1', ...below('1'), ...below('2')], () => {})
    // So that their servers list them in different orders.
    for (const [i, side] of sides.entries()) for (let times = 0; times < i; times++) await one.withWrite(`${side}/1`, () => {})
    const first = await one.write('/b/s/0')
    const waiting = other.read('/b/s', { timeout: 10_000 })
    await standing(server, root, 2, '/b/s')
    // The other request comes before this one has seen who waits.
    proxy.hold(requestTo('multiRead', '%2Fb%2Fs%2F1'), () => standing(server, root, 1, '/side0'))
    // Asked for, given up because of who waits, and asked for again.
    let times = 0
    const own = requestTo('multi', '%2Fb%2Fs%2F1/X')
    const happened = proxy.cutAt((request) => own(request) && ++times === 3, 'after the request')
    const hasty = one.write(['/b/s/1', ...below('1')], { timeout: 10_000 })
    const sharing = one.write(below('2'), { timeout: 10_000 })
    await happened
    // What they share, and what was made the second time.
    await standing(server, root, 2, '/side0')
    const beside = await sharing
    await becomes(first, 'held')
    await first.release()
    await (await waiting).release()
    const late = await hasty
    await beside.release()
    for (const side of sides) expect(await other.tryRead(side)).toBeNull()
    await late.release()
    await emptied(server, root)
  })
})

describe('Readers of an ancestor that wait for several leases of one process', () => {
  async function scene(): Promise<{ root: string; one: LockSpace; leases: Lease[]; reader: Promise<Lease> }> {
    const root = aRoot()
    const [one, other] = [await openSpace(server.address, { root }), await openSpace(server.address, { root })]
    const leases = [await one.write('/h/1'), await one.write('/h/2'), await one.read('/h/3')]
    const reader = other.read('/h', { timeout: 10_000 })
    await standing(server, root, 3, '/h')
    return { root, one, leases, reader }
  }

  test.each([
    ['both come down to reading', ['downgrade', 'downgrade']],
    ['one comes down and one leaves', ['downgrade', 'release']],
    ['one leaves and one comes down', ['release', 'downgrade']],
    ['both leave', ['release', 'release']],
  ] as const)('come in when %s, and not before', async (_, [first, second]) => {
    const { root, one, leases, reader } = await scene()
    await leases[0]![first]()
    // It would be there by now, as the server does one thing after the other.
    await one.inspect()
    expect(await isPending(reader)).toBe(true)
    await leases[1]![second]()
    const lease = await reader
    expect(leases.map(({ state }) => state)).not.toContain('lost')
    // What wrote before has not left a door open.
    expect(await one.tryWrite('/h/4')).toBeNull()
    await Promise.all([lease, ...leases].map((each) => each.release()))
    await emptied(server, root)
  })

  test('keep out what the process asks for next, until they leave', async () => {
    const { root, one, leases, reader } = await scene()
    const next = one.write('/h/4', { timeout: 10_000 })
    await standing(server, root, 4, '/h')
    for (const lease of leases) await lease.release()
    const lease = await reader
    expect(await isPending(next)).toBe(true)
    await lease.release()
    await (await next).release()
    await emptied(server, root)
  })
})

test('Random requests of several processes that share hot ancestors never wait for each other in a circle', async () => {
  const root = aRoot()
  const seed = freshSeed()
  const next = generator(seed)
  const spaces = await Promise.all([0, 1, 2].map(() => openSpace(server.address, { root })))
  const below = (): string => `/${'ab'[next() % 2]}/${'cd'[next() % 2]}/${next() % 3}`
  const paths = (): string[] => {
    const kind = next() % 12
    if (kind === 0) return ['/']
    if (kind < 4) return [`/${'ab'[next() % 2]}`]
    if (kind < 7) return [`/${'ab'[next() % 2]}/${'cd'[next() % 2]}`]
    return [below(), below()]
  }
  let granted = 0
  const task = async (locks: LockSpace): Promise<void> => {
    for (let round = 0; round < scaled(40); round++) {
      const request = [{ read: paths() }, { write: paths() }, { read: paths(), write: paths() }][next() % 3]!
      const lease = await locks.lock(request, { timeout: 20_000 })
      granted++
      if (next() % 4 === 0) await lease.downgrade()
      if (next() % 2 === 0) await new Promise((resolve) => setTimeout(resolve, next() % 4))
      if (next() % 4 === 0) void lease.release()
      else await lease.release()
    }
  }
  await Promise.all([...spaces, ...spaces, ...spaces].map(task)).catch((error: unknown) => {
    throw new Error(`seed ${seed}, after ${granted} grants: ${String(error)}`, { cause: error })
  })
  await emptied(server, root)
})
