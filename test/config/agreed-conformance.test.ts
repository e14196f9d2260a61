// SPDX-License-Identifier: MIT
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Supports } from 'holdfast'
import { type Arena, conformance, localClients, processClients } from 'holdfast/conformance'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type AgreedArgument, openBackend } from '../programs/conformance-agreed.ts'
import { type RedisServer, startRedis } from '../redis/server.ts'
import { patience, scale } from '../support/scale.ts'
import { startZooKeeper, type ZooKeeperServer } from '../zookeeper/server.ts'

/** What the documentation of configurations promises. */
const supports: Supports = {
  scope: 'machine',
  immediate: false,
  order: 'approximate',
  exactTry: false,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

const program = new URL('../../build/test/programs/conformance-agreed.js', import.meta.url)

let spaces = 0

function onSeveral(
  name: string,
  clients: 'tasks' | 'processes',
  engines: () => AgreedArgument['engines'],
  lease: number,
  arena: (argument: AgreedArgument, remove: () => Promise<void>) => Arena,
): void {
  conformance({
    name,
    test: (title, body) => test(title, body, patience(30_000)),
    supports,
    clients,
    async open({ prefer }) {
      const folder = await mkdtemp(join(tmpdir(), 'holdfast-agreed-'))
      const argument = { folder, space: `space-${++spaces}`, prefer, lease, engines: engines() }
      return arena(argument, () => rm(folder, { recursive: true, force: true }))
    },
    scale,
    patience: patience(10_000),
  })
}

describe.skipIf(process.platform !== 'linux')('Several engines as one', () => {
  let redis: RedisServer
  let zookeeper: ZooKeeperServer
  beforeAll(async () => {
    ;[redis, zookeeper] = await Promise.all([startRedis(), startZooKeeper()])
  })
  afterAll(() => Promise.all([redis.stop(), zookeeper.stop()]))

  onSeveral(
    'redis, else files, in one process',
    'tasks',
    () => [{ redis: redis.port }, 'file'],
    10_000,
    (argument, remove) => localClients(() => openBackend(argument), remove),
  )
  onSeveral(
    'redis, else files, across processes',
    'processes',
    () => [{ redis: redis.port }, 'file'],
    1_500,
    (argument, remove) => processClients(program, argument, remove),
  )
  onSeveral(
    'zookeeper, else files, in one process',
    'tasks',
    () => [{ zookeeper: zookeeper.address }, 'file'],
    10_000,
    (argument, remove) => localClients(() => openBackend(argument), remove),
  )
})
