// SPDX-License-Identifier: MIT
import type { Preference, Supports } from 'holdfast'
import { type Arena, conformance, localClients, processClients } from 'holdfast/conformance'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { openBackend } from '../programs/conformance-redis.ts'
import { patience, scale } from '../support/scale.ts'
import { type RedisServer, startRedis } from './server.ts'

/** What the documentation of Redis promises. */
const supports: Supports = {
  scope: 'network',
  immediate: false,
  order: 'strict',
  exactTry: true,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

const program = new URL('../../build/test/programs/conformance-redis.js', import.meta.url)

let server: RedisServer
let spaces = 0

interface Place {
  readonly port: number
  readonly space: string
  readonly prefer: Preference
}

function onRedis(name: string, clients: 'tasks' | 'processes', arena: (place: Place) => Arena): void {
  conformance({
    name,
    test: (title, body) => test(title, body, patience(30_000)),
    supports,
    clients,
    open: ({ prefer }) => arena({ port: server.port, space: `space-${++spaces}`, prefer }),
    scale,
    patience: patience(10_000),
  })
}

/** Short for those who are killed, and longer than a busy machine lets a process wait for the processor. */
const LEASE_MS = 1_500

describe('Redis', () => {
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  for (const library of ['redis', 'ioredis'] as const) {
    onRedis(`redis, in one process, by ${library}`, 'tasks', (place) =>
      localClients(() => openBackend({ ...place, library, lease: 10_000 })),
    )
  }
  onRedis('redis, across processes', 'processes', (place) => {
    const library = ++spaces % 2 === 0 ? 'redis' : 'ioredis'
    return processClients(program, { ...place, library, lease: LEASE_MS })
  })
})
