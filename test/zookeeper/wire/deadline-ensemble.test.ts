// SPDX-License-Identifier: MIT
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { create, exists, getData, sync } from '../../../src/backends/zookeeper/wire/operations.ts'
import { bootNow } from '../../../src/native/clock.ts'
import { startEnsemble, type ZooKeeperEnsemble } from '../ensemble.ts'
import { zooKeeperProxy } from '../proxy.ts'
import type { ZooKeeperServer } from '../server.ts'
import { closeSessions, insist, ms, OPEN, Watched } from './sessions.ts'

const TICK_MS = 400
let ensemble: ZooKeeperEnsemble
let nodes = 0

beforeAll(async () => {
  // Servers wait for each other for longer than the sessions here last.
  ensemble = await startEnsemble(3, { tickTime: TICK_MS, config: { syncLimit: '25' } })
})
afterEach(closeSessions)
afterAll(() => ensemble.stop())

/** A session on one server that holds a node, and somebody on another who sees when it is gone. */
async function holding(
  server: ZooKeeperServer,
  timeoutMs: number,
  witness: ZooKeeperServer,
): Promise<{ holder: Watched; gone: Promise<bigint> }> {
  const path = `/held-${++nodes}`
  const holder = await Watched.open(server, { timeoutMs })
  await holder.session.request(create(path, 'ephemeral', OPEN))
  const { session } = await Watched.open(witness, { timeoutMs: 60_000 })
  await session.request(sync('/'))
  let see: (at: bigint) => void = () => {}
  const gone = new Promise<bigint>((resolve) => {
    see = resolve
  })
  await session.request(getData(path, () => see(bootNow())))
  return { holder, gone }
}

describe('In an ensemble, a session', () => {
  test('goes from server to server with all that it has', async () => {
    const proxies = await Promise.all(ensemble.servers.map(({ port }) => zooKeeperProxy(port)))
    onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))))
    const watched = await Watched.open(
      proxies.map(({ port }) => ({ host: '127.0.0.1', port })),
      { timeoutMs: 10_000 },
    )
    const { session } = watched
    const { id } = session
    await session.request(create('/moved', 'ephemeral', OPEN))
    const places = new Set([session.place])
    let heard = ''
    for (let move = 1; move <= 6; move++) {
      await session.request(getData('/moved', ({ type }) => (heard = type)))
      const resumed = watched.next('resumed')
      const next = proxies[(proxies.findIndex(({ port }) => session.place === `127.0.0.1:${port}`) + 1) % 3]!
      for (const proxy of proxies) if (proxy !== next) proxy.refuse()
      await resumed
      places.add(session.place)
      expect((await insist(() => session.request(exists('/moved')))).ephemeralOwner).toBe(id)
      for (const proxy of proxies) proxy.accept()
    }
    expect(session.id).toBe(id)
    expect(places.size).toBe(3)
    expect(heard).toBe('')
    expect(watched.words).toEqual(Array.from({ length: 6 }, () => ['suspended', 'resumed']).flat())
  })

  test('is over in time when its server answers, and the leader stands still', async () => {
    const [mine, witness] = await ensemble.followers()
    const leader = await ensemble.leader()
    const { holder, gone } = await holding(mine!, 1_000, witness!)
    await leader.pause()
    const since = bootNow()
    await holder.ended()
    expect(ms(holder.endedAt! - since)).toBeLessThan(1_000)
    // Its server was there all the time.
    await expect(mine!.words('ruok')).resolves.toBe('imok')
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    leader.resume()
    expect(await gone).toBeGreaterThan(holder.endedAt!)
  })

  test('outlives the leader, whether it was connected to it or not', async () => {
    await ensemble.ready()
    const leader = await ensemble.leader()
    const [follower] = await ensemble.followers()
    const all = await Promise.all(
      [leader, follower!].map(async (first) => {
        const rest = ensemble.servers.filter((server) => server !== first)
        const watched = await Watched.open([first, ...rest], { timeoutMs: 15_000 })
        while (watched.session.place !== first.address) {
          const resumed = watched.next('resumed')
          watched.session.reconnect('this is not where it should be')
          await resumed
        }
        const path = `/kept-${++nodes}`
        await watched.session.request(create(path, 'ephemeral', OPEN))
        return { watched, path, id: watched.session.id }
      }),
    )
    await leader.kill()
    for (const { watched, path, id } of all) {
      await insist(() => watched.session.request(sync('/')), 14_000)
      expect((await insist(() => watched.session.request(exists(path)))).ephemeralOwner).toBe(id)
      expect(watched.session.id).toBe(id)
    }
    await leader.restart()
    await ensemble.ready()
  })

  test('is over in time when this program was busy, and its server died before it could report of it', async () => {
    const [mine, witness] = await ensemble.followers()
    const { holder, gone } = await holding(mine!, 2_000, witness!)
    for (const since = performance.now(); performance.now() - since < 900; );
    await holder.session.request(sync('/'))
    await mine!.kill()
    const goneAt = await gone
    expect(holder.session.deadline).toBeLessThan(goneAt)
    expect(holder.endedAt).toBeLessThan(goneAt)
  })
})
