// SPDX-License-Identifier: MIT
// Promise 10, and the patience of requests: waiting is pushed, burns no processor time, and ends when the caller says so.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { isLockError } from '../core/errors.ts'
import { aMoment, type Suite } from './harness.ts'

/** A hand-off that is pushed takes a millisecond or two; one that polls takes half its period. The median forgives a busy machine. */
const HAND_OFF_MS = 100
/** What a few waiters may use of a processor while nothing happens. */
const IDLE_SHARE = 0.1

export function waiting(suite: Suite): void {
  suite.test('A request with timeout 0 is granted when nobody is in the way, and else fails with LOCK_TIMEOUT at once', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/w' }, { name: 'a long rewrite' })
    // A holder that is too busy to say who it is may be missing once.
    await scene.until('the error names who holds', async () => {
      const error = await asking.request({ read: '/w/x' }, { timeout: 0 }).lease.catch((reason: unknown) => reason)
      assert.ok(isLockError(error, 'LOCK_TIMEOUT'), String(error))
      return error.holders.some(({ name, write }) => name === 'a long rewrite' && write.join() === '/w')
    })
    await lease.release()
    if (scene.supports.exactTry) await (await scene.granted(asking.request({ read: '/w/x' }, { timeout: 0 }))).release()
    else await scene.free(asking, { read: '/w/x' })
  })

  suite.test('A request fails with LOCK_TIMEOUT when its time is up, not before', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const lease = await scene.take(holder, { read: '/w' }, { name: 'a reader' })
    const began = performance.now()
    const pending = asking.request({ write: '/w/x' }, { timeout: 60 })
    const error = await scene.within(
      pending.lease.catch((reason: unknown) => reason),
      'a request with a time-out ends',
    )
    // A timer may fire a fraction of a millisecond early.
    assert.ok(performance.now() - began >= 59, `it timed out after ${performance.now() - began} ms, not 60`)
    assert.ok(isLockError(error, 'LOCK_TIMEOUT'), String(error))
    assert.ok(
      error.holders.every(({ name }) => name === 'a reader'),
      'the error names somebody who was not in the way',
    )
    await lease.release()
  })

  suite.test('A request that is granted within its time is not taken back when the time is up', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/w' })
    const pending = asking.request({ write: '/w' }, { timeout: 1_000 })
    await scene.within(pending.waits, 'the request waits')
    await lease.release()
    const granted = await scene.granted(pending)
    const short = await scene.take(holder, { write: '/v' }, { timeout: 10 })
    await aMoment()
    for (const each of [granted, short]) assert.equal((await each.look()).state, 'held')
    await granted.release()
    await short.release()
  })

  suite.test('A time-out longer than the longest timer does not fire early', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/w' })
    const patient = [await scene.queue(asking, { write: '/w/1' }, { timeout: 2 ** 31 }), await scene.queue(asking, { write: '/w/2' })]
    patient.push(await scene.queue(asking, { read: '/w/3' }, { timeout: Number.POSITIVE_INFINITY }))
    // A timer that overflows fires after a millisecond.
    await aMoment()
    await scene.stillWait(...patient)
    await lease.release()
    for (const pending of patient) await (await scene.granted(pending)).release()
  })

  suite.test('An abort rejects with the reason of the signal, and the others go on waiting', async (scene) => {
    const [holder, asking] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/w' })
    const [leaving, staying] = [await scene.queue(asking, { write: '/w/1' }), await scene.queue(asking, { write: '/w/1' })]
    await leaving.abort('the user went home')
    await assert.rejects(scene.granted(leaving), (reason) => reason === 'the user went home')
    await scene.stillWait(staying)
    await lease.release()
    await (await scene.granted(staying)).release()
  })

  suite.test('An abort after the grant changes nothing', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const pending = holder.request({ write: '/w' })
    const lease = await scene.granted(pending)
    await pending.abort('too late')
    await scene.busy(other, { read: '/w' })
    assert.equal((await lease.look()).state, 'held')
    await lease.release()
  })

  suite.test('A request whose signal has aborted before rejects with the reason, and takes nothing', async (scene) => {
    const [one, two] = await scene.clients(2)
    await assert.rejects(one.requestAborted({ write: '/w' }, 'before it began'), (reason) => reason === 'before it began')
    await scene.free(two, { write: '/w' })
    assert.deepEqual(await one.counts(), { held: 0, waiting: 0 })
  })

  suite.test('10. A release wakes the one that waits for it without delay', async (scene) => {
    const clients = await scene.clients(2)
    const times: number[] = []
    let lease = await scene.take(clients[0], { write: '/w/x' })
    for (let round = 0; round < 11; round++) {
      const next = await scene.queue(clients[(round + 1) % 2]!, { write: '/w' })
      const began = performance.now()
      await lease.release()
      lease = await scene.granted(next)
      times.push(performance.now() - began)
    }
    await lease.release()
    const median = times.sort((a, b) => a - b)[5]!
    assert.ok(median < HAND_OFF_MS, `the median of 11 hand-offs is ${median.toFixed(1)} ms`)
  })

  if (suite.processes) {
    suite.test('10. Waiting burns no processor time', async (scene) => {
      const [holder, asking] = await scene.clients(2)
      const lease = await scene.take(holder, { write: '/w' })
      const line = []
      for (let i = 0; i < 8; i++) line.push(await scene.queue(asking, { write: `/w/${i % 3}` }))
      const before = await asking.cpuMs()
      const began = performance.now()
      await pause(400)
      const used = (await asking.cpuMs()) - before
      const share = used / (performance.now() - began)
      assert.ok(share < IDLE_SHARE, `8 waiters use ${(100 * share).toFixed(1)} % of a processor`)
      await lease.release()
      for (const pending of line) await (await scene.granted(pending)).release()
    })
  }
}
