// SPDX-License-Identifier: MIT
import type { Preference, Supports } from 'holdfast'
import { type Arena, conformance, localClients, processClients } from 'holdfast/conformance'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { openBackend } from '../programs/conformance-zookeeper.ts'
import { patience, scale } from '../support/scale.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './ensemble.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'

/** What the documentation of ZooKeeper promises. */
const supports: Supports = {
  scope: 'network',
  immediate: false,
  order: 'strict',
  exactTry: false,
  deadHolder: 'after-lease',
  loss: true,
  durableTokens: true,
}

const program = new URL('../../build/test/programs/conformance-zookeeper.js', import.meta.url)

let spaces = 0

interface Place {
  readonly root: string
  readonly prefer: Preference
}

function onZooKeeper(name: string, clients: 'tasks' | 'processes', arena: (place: Place) => Arena): void {
  conformance({
    name,
    test: (title, body) => test(title, body, patience(30_000)),
    supports,
    clients,
    open: ({ prefer }) => arena({ root: `/spaces/space-${++spaces}`, prefer }),
    scale,
    patience: patience(10_000),
  })
}

/** Short for those who are killed, and longer than a busy machine lets a process wait for the processor. */
const LEASE_MS = 2_000

describe('ZooKeeper', () => {
  let server: ZooKeeperServer
  beforeAll(async () => {
    server = await startZooKeeper()
  })
  afterAll(() => server.stop())

  onZooKeeper('zookeeper, in one process', 'tasks', (place) =>
    localClients(() => openBackend({ ...place, servers: server.address, lease: 10_000 })),
  )
  onZooKeeper('zookeeper, across processes', 'processes', (place) =>
    processClients(program, { ...place, servers: server.address, lease: LEASE_MS }),
  )
})

describe('An ensemble of ZooKeeper servers', () => {
  let ensemble: ZooKeeperEnsemble
  beforeAll(async () => {
    ensemble = await startEnsemble(3)
  }, patience(30_000))
  afterAll(() => ensemble.stop())

  onZooKeeper('zookeeper, an ensemble, in one process', 'tasks', (place) =>
    localClients(() => openBackend({ ...place, servers: ensemble.addresses, lease: 10_000 })),
  )
  onZooKeeper('zookeeper, an ensemble, across processes', 'processes', (place) =>
    processClients(program, { ...place, servers: ensemble.addresses, lease: LEASE_MS }),
  )
})
