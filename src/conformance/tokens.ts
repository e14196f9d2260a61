// SPDX-License-Identifier: MIT
// Promise 7: tokens rise from each conflicting lease to the next, whoever holds them.
import assert from 'node:assert/strict'
import type { LockRequest } from '../lock-space.ts'
import type { Client } from './client.ts'
import type { Suite } from './harness.ts'

/** Each conflicts with the one before it. */
const CHAIN: readonly LockRequest[] = [
  { write: '/t' },
  { read: '/t' },
  { write: '/t/x' },
  { read: ['/t/x/y', '/u'] },
  { write: ['/u/1', '/t'] },
  { read: '/' },
  { write: '/t/x/y/z' },
]

export function tokens(suite: Suite): void {
  suite.test('7. Tokens rise from lease to lease, within a client and from one client to another', async (scene) => {
    const clients = await scene.clients(3)
    let last = -1n
    for (let round = 0; round < 12; round++) {
      const client = clients[(round >> 1) % 3] as Client
      const lease = await scene.take(client, CHAIN[round % CHAIN.length]!)
      assert.equal(typeof lease.token, 'bigint')
      assert.ok(lease.token > last, `token ${lease.token} follows ${last}`)
      last = lease.token
      await lease.release()
    }
  })

  suite.test('7. Tokens rise in the order of grants, not of requests', async (scene) => {
    const clients = await scene.clients(3)
    const first = await scene.take(clients[0], { write: '/t' })
    const queue = []
    for (let place = 0; place < 6; place++) queue.push(await scene.queue(clients[(5 - place) % 3] as Client, { write: '/t' }))
    const granted: bigint[] = [first.token]
    const ends = queue.map((pending) =>
      scene.granted(pending).then((lease) => {
        granted.push(lease.token)
        return lease.release()
      }),
    )
    await first.release()
    await Promise.all(ends)
    const sorted = [...granted].sort((a, b) => (a < b ? -1 : 1))
    assert.deepEqual(granted, sorted)
    assert.equal(new Set(granted).size, granted.length, 'a token was given twice')
  })

  suite.test('7. A writer has a larger token than each of the readers before it, and a reader than the writer before it', async (scene) => {
    const clients = await scene.clients(3)
    const before = await scene.take(clients[2], { write: '/t' })
    await before.release()
    const readers = await Promise.all(clients.map((client) => scene.take(client, { read: '/t/x' })))
    for (const reader of readers) assert.ok(reader.token > before.token)
    await Promise.all(readers.map((reader) => reader.release()))
    const writer = await scene.take(clients[1], { write: '/t/x' })
    for (const reader of readers) assert.ok(writer.token > reader.token, `writer ${writer.token} after reader ${reader.token}`)
    await writer.release()
  })

  suite.test('7. A lease keeps its token for life, through a downgrade too', async (scene) => {
    const [one, two] = await scene.clients(2)
    const lease = await scene.take(one, { write: '/t' })
    assert.equal((await lease.look()).json.token, lease.token.toString())
    await lease.downgrade()
    assert.equal((await lease.look()).json.token, lease.token.toString())
    await lease.release()
    assert.equal((await lease.look()).json.token, lease.token.toString())
    const next = await scene.take(two, { write: '/t' })
    assert.ok(next.token > lease.token)
    await next.release()
  })

  if (suite.supports.durableTokens) {
    suite.test('7. Tokens go on rising after every user of the space has gone, and others come', async (scene) => {
      let last = -1n
      for (let times = 0; times < 3; times++) {
        const [one, two] = await scene.clients(2)
        for (const client of [one, two]) {
          const lease = await scene.take(client, { write: '/t' })
          assert.ok(lease.token > last, `token ${lease.token} follows ${last}`)
          last = lease.token
          await lease.release()
        }
        await Promise.all([one.close(), two.close()])
      }
    })
  }
}
