// SPDX-License-Identifier: MIT
// Promise 9, and what a lease is: released once, weakened without a gap, never strengthened.
import assert from 'node:assert/strict'
import type { Suite } from './harness.ts'

export function lease(suite: Suite): void {
  suite.test('9. Release is idempotent: what was released twice is not taken from those who came after', async (scene) => {
    const [one, two] = await scene.clients(2)
    const first = await scene.take(one, { write: '/r', read: '/s' })
    await Promise.all([first.release(), first.release()])
    const second = await scene.take(two, { write: '/r', read: '/s' })
    const beside = await scene.take(one, { read: '/s' })
    await first.release()
    await scene.busy(one, { read: '/r' }, { write: '/s' })
    await second.release()
    await first.release()
    await scene.busy(two, { write: '/s' })
    await beside.release()
    await scene.free(one, { write: ['/r', '/s'] })
  })

  suite.test('9. A lease is held and valid until it is released, and its signal does not fire on release', async (scene) => {
    const client = await scene.client()
    const held = await scene.take(client, { read: '/r', write: '/s/x' }, { name: 'the one' })
    const { state, valid, json } = await held.look()
    assert.deepEqual({ state, valid }, { state: 'held', valid: true })
    assert.deepEqual(
      { ...json, claims: json.claims.length },
      { state: 'held', token: held.token.toString(), read: ['/r'], write: ['/s/x'], claims: 4, name: 'the one' },
    )
    let lost = false
    void held.lost.then(() => {
      lost = true
    })
    await held.release()
    const after = await held.look()
    assert.deepEqual({ state: after.state, valid: after.valid }, { state: 'released', valid: false })
    assert.equal(lost, false)
  })

  suite.test('A downgrade lets waiting readers in, and no writer', async (scene) => {
    const [holder, reading, writing] = await scene.clients(3)
    const held = await scene.take(holder, { write: '/d' })
    const reader = await scene.queue(reading, { read: '/d/x' })
    const writer = await scene.queue(writing, { write: '/d/y' })
    await held.downgrade()
    const read = await scene.granted(reader)
    await scene.stillWait(writer)
    await scene.busy(holder, { write: '/d' })
    await read.release()
    await scene.stillWait(writer)
    const { state, valid, json } = await held.look()
    assert.deepEqual({ state, valid, read: json.read, write: json.write }, { state: 'held', valid: true, read: ['/d'], write: [] })
    await held.release()
    await (await scene.granted(writer)).release()
  })

  suite.test('A downgrade has no moment in which somebody else can write', async (scene) => {
    const [holder, writing] = await scene.clients(2)
    const request = { read: '/d', write: ['/d/x', '/e'] }
    for (let round = 0; round < scene.scaled(10); round++) {
      const held = await scene.take(holder, request)
      let done = false
      const tries = async () => {
        while (!done) await scene.busy(writing, { write: '/d/x' }, { write: '/e' }, { write: '/d/z' })
      }
      const trying = tries()
      trying.catch(() => {})
      await scene.within(held.downgrade(), 'a downgrade is answered')
      await scene.busy(writing, { write: '/d/x' }, { write: '/e' }, { write: '/d/z' })
      done = true
      await trying
      await scene.free(writing, { read: ['/d/x', '/e'] })
      await held.release()
      await scene.free(writing, { write: ['/d', '/e'] })
    }
  })

  suite.test('A downgrade of a lease that only reads, or a second one, changes nothing', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const reading = await scene.take(holder, { read: '/d/1' })
    await reading.downgrade()
    const writing = await scene.take(holder, { write: '/d/2' })
    await writing.downgrade()
    await writing.downgrade()
    await scene.free(other, { read: '/d' }, { write: '/d/3' })
    await scene.busy(other, { write: '/d/1' }, { write: '/d/2' }, { write: '/d' })
    await reading.release()
    await writing.release()
    await scene.free(other, { write: '/d' })
  })

  suite.test('A downgrade of a lease that is over is LOCK_LOST, and an upgrade of any is LOCK_UNSUPPORTED', async (scene) => {
    const client = await scene.client()
    const held = await scene.take(client, { read: '/d' })
    await scene.fails(held.upgrade(), 'LOCK_UNSUPPORTED', 'an upgrade')
    assert.equal((await held.look()).state, 'held')
    await held.release()
    await scene.fails(held.downgrade(), 'LOCK_LOST', 'a downgrade after the release')
    await scene.free(client, { write: '/d' })
  })
}
