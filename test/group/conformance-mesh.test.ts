// SPDX-License-Identifier: MIT
// The promises among ranks that live in one thread, with messages that take as long as the dice say: first of all what no scheduler would do.
import { describe, expect, test } from 'vitest'
import { groupBackend } from '../../src/backends/group/index.ts'
import { aloneCommunicator } from '../../src/communicators/alone.ts'
import { conformance, localClients } from '../../src/conformance/index.ts'
import type { Preference, Supports } from '../../src/index.ts'
import { LockSpace } from '../../src/index.ts'
import { Mesh } from '../support/mesh.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scale } from '../support/scale.ts'

const RANKS = 5

const supports: Supports = {
  scope: 'machine',
  immediate: false,
  order: 'strict',
  exactTry: true,
  deadHolder: 'at-once',
  loss: true,
  durableTokens: false,
}

/** One rank after the other, from `first` on. */
function ranksOf(mesh: Mesh, home: number, first: number, prefer: Preference) {
  const backends = mesh.ranks.map((rank) => groupBackend(rank, { prefer, home }))
  let next = first
  return localClients(() => backends[next++ % RANKS]!)
}

describe('A group of ranks', () => {
  const seed = freshSeed()
  const dice = generator(seed)
  const both = { test: (title: string, body: () => Promise<void>) => test(title, body, patience(30_000)), supports, scale }

  conformance({ ...both, name: 'group, the home among them', open: ({ prefer }) => ranksOf(new Mesh(RANKS), 0, 0, prefer) })
  conformance({
    ...both,
    name: `group, another home, random delays (seed ${seed})`,
    open: ({ prefer }) => ranksOf(new Mesh(RANKS, { dice }), 3, 1, prefer),
  })
})

describe('A group of one', () => {
  conformance({
    name: 'group, alone',
    test: (title, body) => test(title, body, patience(30_000)),
    supports: { ...supports, scope: 'thread', immediate: true, deadHolder: 'none' },
    open: ({ prefer }) => localClients(() => groupBackend(aloneCommunicator(), { prefer })),
    scale,
  })

  test('answers at once, and loses what it has when it is aborted.', async () => {
    const communicator = aloneCommunicator()
    const locks = new LockSpace(groupBackend(communicator))
    const lease = locks.tryWriteSync('/a')!
    expect(locks.tryReadSync('/a')).toBeNull()
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    communicator.abort('enough')
    await lost
    expect(() => locks.tryWriteSync('/b')).toThrow(expect.objectContaining({ code: 'LOCK_UNAVAILABLE' }))
    await locks.close()
  })
})
