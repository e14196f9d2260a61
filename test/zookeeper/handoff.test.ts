// SPDX-License-Identifier: MIT
// One leaves, one comes: nobody is woken for nothing, however many wait.
import type { Lease, LockSpace } from 'holdfast'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, emptied, openSpace, standing } from './spaces.ts'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

const WAITERS = 50
const SPACES = 5

/** How many watches the server has fired until now, of all kinds. */
async function fired(): Promise<number> {
  const metrics = await server.metrics()
  const kinds = ['deleted', 'changed', 'created', 'children'].map((kind) => metrics[`zk_sum_node_${kind}_watch_count`])
  expect(kinds[0]).toBeDefined()
  return kinds.reduce((sum, count) => sum + Number(count ?? 0), 0)
}

async function scene(): Promise<{ root: string; spaces: LockSpace[] }> {
  const root = aRoot()
  return { root, spaces: await Promise.all(Array.from({ length: SPACES }, () => openSpace(server.address, { root }))) }
}

test(`with ${WAITERS} writers in line a release fires at most two watches, and lets in the next one alone`, async () => {
  const { root, spaces } = await scene()
  let lease = await spaces[0]!.write('/a/b')
  const entered: Lease[] = []
  for (let i = 0; i < WAITERS; i++) {
    void spaces[i % SPACES]!.write('/a/b').then((next) => entered.push(next))
    await standing(server, root, 2 + i, '/a/b')
  }
  let most = 0
  for (let i = 0; i < WAITERS; i++) {
    // Everybody has looked, and waits: who asks now is answered after them.
    await Promise.all(spaces.map((locks) => locks.tryRead(`/elsewhere/${i}`).then((free) => free!.release())))
    const before = await fired()
    await lease.release()
    while (entered.length === i) await new Promise((resolve) => setImmediate(resolve))
    expect(entered).toHaveLength(i + 1)
    most = Math.max(most, (await fired()) - before)
    const next = entered[i]!
    expect(next.token).toBeGreaterThan(lease.token)
    lease = next
  }
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(2)
  await lease.release()
  await emptied(server, root)
})

test(`${WAITERS} readers behind a writer come in together, and the writer behind them when the last of them has left`, async () => {
  const { root, spaces } = await scene()
  const writer = await spaces[0]!.write('/a')
  const readers = Array.from({ length: WAITERS }, (_, i) => spaces[i % SPACES]!.read(`/a/${i % 7}`, { timeout: 10_000 }))
  // Of each process, one on the root, and one on what they share.
  await standing(server, root, 1 + SPACES, '/a')
  await Promise.all(spaces.map((locks) => locks.inspect()))
  let last = false
  const behind = spaces[1]!.write('/a', { timeout: 10_000 }).then((lease) => {
    last = true
    return lease
  })
  await standing(server, root, 2 + SPACES, '/a')
  await writer.release()
  const leases = await Promise.all(readers)
  for (const lease of leases) {
    expect(last).toBe(false)
    await lease.release()
  }
  await (await behind).release()
  await emptied(server, root)
})

test('a watch that nobody needs any more wakes nobody', async () => {
  const { root, spaces } = await scene()
  const [one, two] = spaces as [LockSpace, LockSpace]
  const lease = await one.write('/a')
  for (let i = 0; i < 10; i++) await expect(two.write('/a', { timeout: 1 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  const before = await fired()
  await lease.release()
  expect((await fired()) - before).toBeLessThanOrEqual(1)
  await emptied(server, root)
})
