// SPDX-License-Identifier: MIT
// Promise 2: a request that times out, is aborted, or fails leaves nothing behind, at any node.
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isLockError } from '../core/errors.ts'
import { Dice } from './books.ts'
import type { Client } from './client.ts'
import type { Scene, Suite } from './harness.ts'

/** Only `/t/busy` will be taken: it stands in the middle of the request whatever order an engine takes nodes in. */
const MANY = { read: ['/r/1', '/t/first', '/z'], write: ['/t/busy', '/a/1', '/t/last/x', '/zz'] }
const ITS_OTHER_PATHS = ['/r/1', '/r', '/t/first', '/z', '/a/1', '/a', '/t/last/x', '/t/last', '/zz']

export function atomicity(suite: Suite): void {
  suite.test('2. A request that times out leaves nothing behind', async (scene) => {
    const [holder, asking, third] = await scene.clients(3)
    const lease = await scene.take(holder, { write: '/t/busy' })
    await scene.fails(asking.request(MANY, { timeout: 20 }).lease, 'LOCK_TIMEOUT', 'a request beside a writer')
    await nothingLeft(scene, third, holder)
    await lease.release()
    await scene.free(third, { write: '/' })
  })

  suite.test('2. A request that is aborted leaves nothing behind', async (scene) => {
    const [holder, asking, third] = await scene.clients(3)
    const lease = await scene.take(holder, { write: '/t/busy' })
    const pending = await scene.queue(asking, MANY)
    await pending.abort('changed my mind')
    await assert.rejects(scene.granted(pending), (reason) => reason === 'changed my mind')
    await nothingLeft(scene, third, holder)
    await lease.release()
    await scene.free(third, { write: '/' })
  })

  suite.test('2. A try that is refused leaves nothing behind', async (scene) => {
    const [holder, asking, third] = await scene.clients(3)
    const lease = await scene.take(holder, { write: '/t/busy' })
    await scene.busy(asking, MANY)
    await scene.fails(asking.request(MANY, { timeout: 0 }).lease, 'LOCK_TIMEOUT', 'a request with timeout 0')
    await nothingLeft(scene, third, holder)
    await lease.release()
    await scene.free(third, { write: '/' })
  })

  suite.test('2. A writer that gives up lets in the readers that waited behind it', async (scene) => {
    const [holder, leaving, behind] = await scene.clients(3)
    const lease = await scene.take(holder, { read: '/t' })
    const writer = await scene.queue(leaving, { write: ['/t', '/u'] })
    const readers = [behind.request({ read: ['/t', '/u'] }), holder.request({ read: '/t/x' })]
    await writer.abort('not needed any more')
    for (const reader of readers) await (await scene.granted(reader, { read: '/t' })).release()
    await lease.release()
    await scene.free(leaving, { write: '/' })
  })

  suite.test('2. An abort that meets the grant ends in one or the other, and neither leaves anything behind', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const request = { read: '/m/1', write: ['/m/2', '/m/3/x'] }
    for (let round = 0; round < scene.scaled(20); round++) {
      const lease = await scene.take(holder, { write: round % 2 === 0 ? '/m/2' : '/m' })
      const pending = asking.request(request)
      await scene.within(pending.waits, 'the request waits')
      const release = () => lease.release()
      const abort = () => pending.abort('too late, perhaps')
      const [first, second] = round % 4 < 2 ? [release, abort] : [abort, release]
      const started = first()
      if (round % 3 === 0) await nextTurn()
      await Promise.all([started, second()])
      const granted = await scene.within(
        pending.lease.catch((reason: unknown) => reason),
        'the request ends',
      )
      if (granted !== 'too late, perhaps') await (granted as Awaited<typeof pending.lease>).release()
      await scene.free(round % 2 === 0 ? holder : asking, { write: '/m' })
      assert.deepEqual(await asking.counts(), { held: 0, waiting: 0 })
    }
  })

  suite.test('2. Time-outs that meet grants leave nothing behind', async (scene) => {
    const clients = await scene.clients(2)
    const dice = new Dice(2)
    let granted = 0
    const task = async (client: Client): Promise<void> => {
      for (let round = 0; round < scene.scaled(15); round++) {
        try {
          const lease = await client.request({ write: dice.next() < 0.5 ? ['/p', '/q/x'] : ['/q', '/p/x'] }, { timeout: dice.below(4) })
            .lease
          granted++
          await new Promise((resolve) => setTimeout(resolve, dice.below(4)))
          await lease.release()
        } catch (error) {
          assert.ok(isLockError(error, 'LOCK_TIMEOUT'), String(error))
        }
      }
    }
    await scene.within(Promise.all(clients.flatMap((client) => [task(client), task(client), task(client)])), 'all are granted or time out')
    assert.ok(granted > 0, 'nobody got in')
    await scene.free(clients[0], { write: '/p' }, { write: '/q' }, { write: '/' })
  })

  if (suite.supports.exactTry) {
    suite.test('2. A try is never refused because of a request that was itself refused', async (scene) => {
      const [holder, refused, exact] = await scene.clients(3)
      const lease = await scene.take(holder, { write: '/t/busy' })
      const rounds = scene.scaled(40)
      const noise = async () => {
        for (let round = 0; round < rounds; round++) await scene.busy(refused, MANY)
      }
      const tries = async () => {
        for (let round = 0; round < rounds; round++) await scene.free(exact, { write: ITS_OTHER_PATHS[round % ITS_OTHER_PATHS.length]! })
      }
      await Promise.all([noise(), noise(), tries()])
      await lease.release()
    })
  }
}

/** Every path of the request that failed is free, for others and for a client that knows nothing of it. */
async function nothingLeft(scene: Scene, ...asking: readonly Client[]): Promise<void> {
  for (const client of asking) for (const path of ITS_OTHER_PATHS) await scene.free(client, { write: path })
  for (const client of asking) {
    const { holders, waiters } = await scene.inspect(client)
    assert.deepEqual(waiters, [], 'inspect() shows a request that has failed')
    assert.equal(holders.length, 1, `inspect() shows ${holders.length} holders, and there is one`)
  }
}
