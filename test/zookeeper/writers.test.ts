// SPDX-License-Identifier: MIT
// Spaces in which writers go first: readers stand aside, and come in together when no writer is to be seen.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isPending } from '../support/pending.ts'
import { TcpProxy } from '../support/proxy.ts'
import { generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'
import { aRoot, becomes, emptied, ephemerals, openSpace, standing } from './spaces.ts'

let server: ZooKeeperServer
beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())

const prefer = 'writers'

/** Resolves when so many readers stand aside. */
async function aside(root: string, count: number): Promise<void> {
  const giveUpAt = performance.now() + 10_000
  while ((await ephemerals(server, root)).filter((path) => path.startsWith('/waiting/')).length !== count) {
    if (performance.now() > giveUpAt) throw new Error(`There are not ${count} readers that stand aside.`)
  }
}

describe('Where writers go first', () => {
  test('a reader is let in beside a writer that has come down to reading, and leaves the servers in peace', async () => {
    const root = aRoot()
    const [one, other] = [await openSpace(server.address, { root, prefer }), await openSpace(server.address, { root })]
    const lease = await one.write('/a')
    const before = other.read('/a/b', { timeout: 5_000 })
    await aside(root, 1)
    await lease.downgrade()
    const after = await other.read('/a', { timeout: 5_000 })
    const leases = [await before, after, await other.tryRead('/a')]
    expect(leases.every((reader) => reader?.valid)).toBe(true)
    expect(await other.tryWrite('/a')).toBeNull()
    for (const reader of [...leases, lease]) await reader!.release()
    await emptied(server, root)
  })

  test('a reader has no place while a writer waits anywhere on its way, and gets both of its paths at once', async () => {
    const root = aRoot()
    const spaces = await Promise.all([0, 1, 2, 3].map(() => openSpace(server.address, { root, prefer })))
    const [holder, reading, writing, looking] = spaces as [(typeof spaces)[0], (typeof spaces)[0], (typeof spaces)[0], (typeof spaces)[0]]
    const held = await holder.read('/a')
    const writer = writing.write('/a')
    await standing(server, root, 4)
    const reader = reading.read(['/a/x', '/b'])
    await aside(root, 1)
    // Half of what it wants is free, and is not kept for it.
    await (await looking.write('/b', { timeout: 5_000 })).release()
    await held.release()
    const first = await writer
    expect(await isPending(reader)).toBe(true)
    await first.release()
    const next = await reader
    expect(next.token).toBeGreaterThan(first.token)
    await next.release()
    await emptied(server, root)
  })

  test('readers that stand aside come in when the session has moved to another connection', async () => {
    const root = aRoot()
    const proxy = await TcpProxy.to(server.port)
    onTestFinished(() => proxy.close())
    const [writing, reading] = [await openSpace(server.address, { root, prefer }), await openSpace(proxy.port, { root })]
    const witness = await reading.write('/w')
    const lease = await writing.write('/a')
    const readers = [reading.read('/a'), reading.read('/a/b'), reading.read(['/a', '/c'])]
    await aside(root, 3)
    proxy.cut()
    await becomes(witness, 'suspended')
    await becomes(witness, 'held')
    proxy.refuse()
    await becomes(witness, 'suspended')
    // While nobody can tell them.
    await lease.release()
    proxy.accept()
    for (const reader of await Promise.all(readers)) await reader.release()
    await witness.release()
    await emptied(server, root)
  })

  test('readers and writers of many processes that ask, give up, and come down at random all come to an end', async () => {
    const root = aRoot()
    const spaces = await Promise.all([0, 1, 2].map(() => openSpace(server.address, { root, prefer })))
    const next = generator(11)
    const paths = ['/a', '/a/b', '/a/c', '/d', '/d/e']
    const some = (): string[] => [paths[next() % paths.length]!, paths[next() % paths.length]!]
    let granted = 0
    await Promise.all(
      [...spaces, ...spaces].map(async (locks) => {
        for (let round = 0; round < scaled(25); round++) {
          const request =
            next() % 3 === 0 ? { write: some() } : next() % 3 === 0 ? { read: some(), write: paths[next() % 5]! } : { read: some() }
          const impatient = next() % 5 === 0
          const lease = await locks.lock(request, { timeout: impatient ? next() % 20 : 20_000 }).catch((error: unknown) => {
            if (!impatient) throw error
            return null
          })
          if (lease === null) continue
          granted++
          if (next() % 3 === 0) await lease.downgrade()
          if (next() % 2 === 0) await new Promise((resolve) => setTimeout(resolve, next() % 3))
          await lease.release()
        }
      }),
    )
    expect(granted).toBeGreaterThan(scaled(50))
    await emptied(server, root)
  })
})

describe('The policy of a space', () => {
  test('is as it was made, for whoever names none, and others are refused while anybody uses it', async () => {
    const root = aRoot()
    const locks = await openSpace(server.address, { root, prefer })
    const joined = await openSpace(server.address, { root })
    expect(joined.backend.prefer).toBe('writers')
    await expect(openSpace(server.address, { root, prefer: 'first-come' })).rejects.toMatchObject({
      code: 'LOCK_INVALID',
      message: expect.stringMatching(/in use with prefer "writers".*"first-come"/),
    })
    await Promise.all([locks.close(), joined.close()])
  })

  test('changes when nobody uses it', async () => {
    const root = aRoot()
    for (const policy of ['writers', 'first-come', 'writers'] as const) {
      const locks = await openSpace(server.address, { root, prefer: policy })
      expect(locks.backend.prefer).toBe(policy)
      await locks.withWrite('/a', () => {})
      await locks.close()
    }
    expect((await openSpace(server.address, { root })).backend.prefer).toBe('writers')
  })

  test('is one, whoever comes at the same time', async () => {
    const root = aRoot()
    const opened = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => openSpace(server.address, { root, prefer: i % 2 === 0 ? 'writers' : 'first-come' })),
    )
    const spaces = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(spaces.length).toBeGreaterThan(0)
    expect(new Set(spaces.map((locks) => locks.backend.prefer)).size).toBe(1)
    for (const one of opened) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LOCK_INVALID' })
  })
})
