// SPDX-License-Identifier: MIT
// The end of a lock space: waiters go, leases stay good or are taken away in the open, and others are not disturbed.
import assert from 'node:assert/strict'
import { isLockError } from '../core/errors.ts'
import type { Suite } from './harness.ts'

export function closing(suite: Suite): void {
  suite.test('A space that is being closed refuses new requests and those that wait, with LOCK_CLOSED', async (scene) => {
    const client = await scene.client()
    const lease = await scene.take(client, { write: '/c' })
    const waiting = [await scene.queue(client, { read: '/c' }), await scene.queue(client, { write: ['/c/x', '/d'] })]
    const closed = client.close()
    for (const { lease: never } of waiting) await scene.fails(never, 'LOCK_CLOSED', 'a request that waits')
    await scene.fails(client.request({ read: '/free' }).lease, 'LOCK_CLOSED', 'a new request')
    await scene.fails(client.try({ read: '/free' }), 'LOCK_CLOSED', 'a new try')
    await lease.release()
    await scene.within(closed, 'the space is closed')
  })

  suite.test('Closing waits for the leases, which stay good until they are released', async (scene) => {
    const client = await scene.client()
    const lease = await scene.take(client, { write: '/c' })
    let done = false
    const closed = client.close().then(() => {
      done = true
    })
    const { state, valid } = await lease.look()
    assert.deepEqual({ state, valid, done }, { state: 'held', valid: true, done: false })
    await lease.release()
    await scene.within(closed, 'the space is closed')
  })

  suite.test('6. Closing with a time-out takes leases away in the open: their state is lost and their signal fires', async (scene) => {
    const client = await scene.client()
    const leases = [await scene.take(client, { write: '/c' }), await scene.take(client, { read: '/d/x' })]
    const looks: Promise<unknown>[] = []
    for (const { lost } of leases) looks.push(scene.within(lost, 'the signal of the lease fires'))
    const closed = client.close({ timeout: 5 })
    for (const reason of await Promise.all(looks)) assert.ok(isLockError(reason, 'LOCK_LOST'), String(reason))
    await scene.within(closed, 'the space is closed')
  })

  if (!suite.separate) return

  suite.test('What a space held when it was closed with a time-out is free for others', async (scene) => {
    const [closing, waiting, other] = await scene.clients(3)
    await scene.take(closing, { write: ['/c', '/d/x'] })
    await scene.take(closing, { read: '/e' })
    const pending = await scene.queue(waiting, { write: '/c' })
    await scene.within(closing.close({ timeout: 0 }), 'the space is closed')
    await (await scene.granted(pending)).release()
    await scene.free(other, { write: '/d' }, { write: '/e' }, { write: '/' })
  })

  suite.test('Closing one client of a space disturbs neither the leases nor the requests of another', async (scene) => {
    const [closing, holder, waiting] = await scene.clients(3)
    const lease = await scene.take(holder, { write: '/c' })
    const own = await scene.take(closing, { read: '/d' })
    const gone = await scene.queue(closing, { write: '/c/x' })
    const stays = await scene.queue(waiting, { write: ['/c/x', '/d'] })
    const closed = closing.close()
    await scene.fails(gone.lease, 'LOCK_CLOSED', 'a request that waits')
    await own.release()
    await scene.within(closed, 'the space is closed')
    await scene.stillWait(stays)
    const { state, valid } = await lease.look()
    assert.deepEqual({ state, valid }, { state: 'held', valid: true })
    await lease.release()
    await (await scene.granted(stays)).release()
  })
}
