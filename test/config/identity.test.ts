// SPDX-License-Identifier: MIT
// The word that an engine keeps, by which its users know that it is the one that they have agreed on.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { fileBackend } from '../../src/backends/file/index.ts'
import { memoryBackend } from '../../src/backends/memory.ts'
import { connectRedis } from '../../src/backends/redis/index.ts'
import { zookeeperBackend } from '../../src/backends/zookeeper/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { operator } from '../redis/spaces.ts'
import { startZooKeeper, type ZooKeeperServer } from '../zookeeper/server.ts'
import { folder, server } from './several.ts'

async function opened(backend: Backend | Promise<Backend>): Promise<Backend> {
  const engine = await backend
  onTestFinished(() => engine.close())
  return engine
}

async function words(...backends: (Backend | Promise<Backend>)[]): Promise<string[]> {
  return await Promise.all(backends.map(async (backend) => (await opened(backend)).identity!()))
}

function differ(all: readonly string[]): boolean {
  return new Set(all).size === all.length
}

describe('The identity of an engine', () => {
  test('on kernel files is that of the lock directory', async () => {
    const home = folder()
    const at = (name: string): Backend => fileBackend({ directory: join(home, name) })
    const [one, same, other] = await words(at('a'), at('a'), at('b'))
    expect(same).toBe(one)
    expect(differ([one!, other!])).toBe(true)
    rmSync(join(home, 'a'), { recursive: true })
    const [anew] = await words(at('a'))
    expect(differ([one!, anew!])).toBe(true)
  })

  test('on Redis is that of the space on this server, stays over a restart, and goes with the data', async () => {
    const [here, there] = [await server(), await server()]
    const at = ({ port }: { port: number }, space: string): Promise<Backend> =>
      connectRedis({ host: '127.0.0.1', port, space, checks: 'off' })
    const [one, same, space, elsewhere] = await words(at(here, 'a'), at(here, 'a'), at(here, 'b'), at(there, 'a'))
    expect(same).toBe(one)
    expect(differ([one!, space!, elsewhere!])).toBe(true)
    await here.restart()
    expect(await words(at(here, 'a'))).toEqual([one])
    await (await operator(here.port)).flushall()
    expect(differ([one!, ...(await words(at(here, 'a')))])).toBe(true)
  })

  test('is LOCK_UNAVAILABLE where the server does not answer', async () => {
    const gone = await server()
    const engine = await opened(connectRedis({ host: '127.0.0.1', port: gone.port, checks: 'off' }))
    await gone.kill()
    await expect(engine.identity!()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
  })

  test('is none in memory, which has no place that others could find', () => {
    expect(memoryBackend().identity).toBeUndefined()
  })

  describe('on ZooKeeper', () => {
    let zookeeper: ZooKeeperServer
    beforeAll(async () => {
      zookeeper = await startZooKeeper()
    })
    afterAll(() => zookeeper.stop())

    test('is that of the space, and stays over a restart', async () => {
      const at = (root: string): Promise<Backend> => zookeeperBackend({ servers: zookeeper.address, root })
      const [one, same, other] = await words(at('/a'), at('/a'), at('/b'))
      expect(same).toBe(one)
      expect(differ([one!, other!])).toBe(true)
      await zookeeper.restart()
      expect(await words(at('/a'))).toEqual([one])
    })
  })
})
