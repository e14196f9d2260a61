// SPDX-License-Identifier: MIT
// Promises 5 and 6: a dead holder frees its locks, a dead waiter its place, and a live holder knows what it has.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { LockRequest } from '../lock-space.ts'
import { Dice } from './books.ts'
import type { Client } from './client.ts'
import { AT_ONCE_MS, aMoment, type Suite } from './harness.ts'

export function loss(suite: Suite): void {
  const { deadHolder } = suite.supports
  const atOnce = deadHolder === 'at-once'
  const when = atOnce ? 'at once' : 'when its lease is over'

  if (suite.canKill && deadHolder !== 'none') {
    suite.test(`5. A holder that dies frees all that it held, ${when}`, async (scene) => {
      const [dying, waiting, other] = await scene.clients(3)
      const held = await scene.take(dying, { read: '/k/r', write: ['/k/w', '/l/x'] })
      for (let i = 0; i < 20; i++) await scene.take(dying, { read: `/many/${i}`, write: `/more/${i}` })
      const pending = await scene.queue(waiting, { write: ['/k', '/l'] })
      const killed = performance.now()
      await dying.kill!()
      const lease = await scene.granted(pending)
      const took = performance.now() - killed
      if (atOnce) assert.ok(took < AT_ONCE_MS, `it took ${took.toFixed()} ms`)
      assert.ok(lease.token > held.token, `token ${lease.token} follows ${held.token} of the dead holder`)
      await lease.release()
      await (await scene.take(other, { write: ['/many', '/more'] })).release()
    })

    suite.test('5. A waiter that dies gives up its place: those behind it go on', async (scene) => {
      const [holder, dying, behind] = await scene.clients(3)
      const lease = await scene.take(holder, { read: '/k' })
      await scene.queue(dying, { write: ['/k/x', '/l'] })
      const reader = behind.request({ read: ['/k', '/l'] })
      await dying.kill!()
      // The holder stays: only the place of the dead writer could be in the way.
      await (await scene.granted(reader, { read: ['/k', '/l'] })).release()
      await lease.release()
      await (await scene.take(behind, { write: '/' })).release()
    })

    suite.test('5. A client that dies with nothing in hand leaves nothing behind', async (scene) => {
      const [dying, other] = await scene.clients(2)
      await (await scene.take(dying, { read: '/k', write: ['/k/x', '/l'] })).release()
      await dying.kill!()
      await (await scene.take(other, { write: '/' })).release()
    })

    suite.test('5. A client that dies at any moment of its work leaves nothing behind', async (scene) => {
      const dice = new Dice(5)
      const [staying] = await scene.clients(2)
      for (let round = 0; round < scene.scaled(4); round++) {
        const dying = await scene.client()
        const busy = [restless(dying, dice), restless(dying, dice), restless(dying, dice)]
        await pause(5 + dice.below(30))
        await dying.kill!()
        await Promise.all(busy)
        await (await scene.take(staying, { write: '/' })).release()
      }
    })

    suite.test('10. inspect() does not show the dead', async (scene) => {
      const [dying, other, staying] = await scene.clients(3)
      const lease = await scene.take(staying, { write: '/k' }, { name: 'alive' })
      await scene.take(dying, { write: '/l' }, { name: 'dead holder' })
      await scene.queue(dying, { write: '/k' }, { name: 'dead waiter' })
      await dying.kill!()
      await scene.until('inspect() shows none but the living', async () => {
        const { holders, waiters } = await other.inspect()
        return [...holders, ...waiters].map(({ name }) => name).join() === 'alive'
      })
      await lease.release()
    })
  }

  if (!suite.processes) return

  suite.test('6. A client that was stopped while it waited goes on where it was', async (scene) => {
    const [holder, stopped] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/k' })
    const pending = await scene.queue(stopped, { write: '/k/x' })
    stopped.stop!()
    await lease.release()
    await aMoment()
    stopped.resume!()
    await (await scene.granted(pending)).release()
    await (await scene.take(holder, { write: '/' })).release()
  })

  suite.test('10. inspect() answers while a client is stopped, and still tells of it', async (scene) => {
    const [stopped, other] = await scene.clients(2)
    await scene.take(stopped, { write: '/k' }, { name: 'stopped' })
    stopped.stop!()
    const { holders, silent } = await scene.within(other.inspect(), 'inspect() answers')
    const told = holders.some(({ name }) => name === 'stopped') || silent.some(({ pid }) => pid === stopped.facts.pid)
    assert.ok(told, 'the stopped client is neither among the holders nor among the silent')
    stopped.resume!()
  })

  if (suite.supports.order === 'approximate' || deadHolder === 'after-lease') {
    suite.test('5. A waiter that is stopped does not keep others out of what nobody holds', async (scene) => {
      const [holder, stopped, other] = await scene.clients(3)
      const lease = await scene.take(holder, { write: '/k' })
      await scene.queue(stopped, { write: '/k' })
      stopped.stop!()
      await lease.release()
      await (await scene.take(other, { write: '/k/x' })).release()
      await (await scene.take(other, { read: '/k' })).release()
      stopped.resume!()
    })
  }

  if (atOnce) {
    suite.test('6. A holder that is stopped keeps its locks', async (scene) => {
      const [stopped, other] = await scene.clients(2)
      const lease = await scene.take(stopped, { write: '/k' })
      stopped.stop!()
      await aMoment()
      await scene.busy(other, { read: '/k' }, { write: '/k/x' })
      stopped.resume!()
      const { state, valid } = await lease.look()
      assert.deepEqual({ state, valid }, { state: 'held', valid: true })
      await lease.release()
      await scene.free(other, { write: '/k' })
    })
  }

  if (deadHolder === 'after-lease') {
    suite.test('6. A holder that is stopped for longer than its lease knows, when it goes on, that it has lost', async (scene) => {
      const [stopped, other] = await scene.clients(2)
      const lease = await scene.take(stopped, { write: '/k' })
      stopped.stop!()
      const next = await scene.take(other, { write: '/k' })
      assert.ok(next.token > lease.token, `token ${next.token} follows ${lease.token} of the one who lost`)
      stopped.resume!()
      assert.equal((await scene.within(lease.look(), 'the stopped client answers again')).valid, false)
      await scene.within(lease.lost, 'the signal of the lost lease fires')
      assert.equal((await lease.look()).state, 'lost')
      // What is lost cannot be given back: the other one keeps it.
      await lease.release()
      await scene.busy(stopped, { read: '/k' })
      await next.release()
    })
  }
}

/** Takes and releases until its client is gone. */
async function restless(client: Client, dice: Dice): Promise<void> {
  try {
    for (;;) {
      const request: LockRequest = dice.request()
      const lease = await client.request(request).lease
      if (dice.next() < 0.3) await lease.downgrade()
      await lease.release()
    }
  } catch {
    // It was killed, as it should be.
  }
}
