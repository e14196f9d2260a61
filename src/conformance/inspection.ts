// SPDX-License-Identifier: MIT
// Promise 10: waiting is never silent. Who holds, who waits and who waits for whom can be read, whichever client asks.
import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import type { Holder, Inspection } from '../core/inspection.ts'
import type { Client } from './client.ts'
import type { Suite } from './harness.ts'

/** Clocks of one machine, and the time that a busy machine takes, may differ by so much. */
const CLOCKS_DIFFER_MS = 10_000

export function inspection(suite: Suite): void {
  suite.test('10. inspect() shows the holders and waiters of every client, to every client', async (scene) => {
    const [holder, writing, reading] = await scene.clients(3)
    const began = Date.now()
    const lease = await scene.take(holder, { read: ['/i', '/j'], write: '/k/x' }, { name: 'holds' })
    const writer = await scene.queue(writing, { write: ['/i/1', '/h'] }, { name: 'writes' })
    const reader = await scene.queue(reading, { read: '/i', write: '/k' }, { name: 'reads and writes' })
    for (const asking of [holder, writing, reading]) {
      const seen = await scene.inspect(asking)
      assert.equal(seen.backend, holder.facts.backend)
      assert.deepEqual(names(seen.holders), ['holds'])
      assert.deepEqual(names(seen.waiters).sort(), ['reads and writes', 'writes'])
      const [held] = seen.holders as [Holder]
      assert.deepEqual([...held.read].sort(), ['/i', '/j'])
      assert.deepEqual(held.write, ['/k/x'])
      assert.equal(held.state, 'held')
      assert.equal(held.token, lease.token.toString())
      checkOwner(held, holder, began)
      const waiter = seen.waiters.find(({ name }) => name === 'writes')!
      assert.deepEqual({ read: waiter.read, write: [...waiter.write].sort() }, { read: [], write: ['/h', '/i/1'] })
      assert.deepEqual({ state: waiter.state, token: waiter.token }, { state: 'waiting', token: null })
      checkOwner(waiter, writing, began)
      checkIds(seen)
    }
    await lease.release()
    const granted = await Promise.all([writer, reader].map(async (pending) => (await scene.granted(pending)).release()))
    assert.equal(granted.length, 2)
  })

  suite.test('10. inspect() says who waits for whom', async (scene) => {
    const [holder, second, third] = await scene.clients(3)
    const first = await scene.take(holder, { write: '/i/1' }, { name: 'first' })
    const beside = await scene.take(holder, { write: '/i/2' }, { name: 'beside' })
    const waiter = await scene.queue(second, { write: '/i/1' }, { name: 'second' })
    const last = await scene.queue(third, { read: '/i' }, { name: 'third' })
    const seen = await scene.inspect(second)
    assert.deepEqual(waitsFor(seen, 'second'), ['first'])
    const lasts = waitsFor(seen, 'third')
    assert.ok(lasts.includes('first') && lasts.includes('beside'), `"third" waits for ${lasts.join(', ')}`)
    if (scene.supports.order === 'strict') assert.deepEqual(lasts, ['beside', 'first', 'second'])
    for (const lease of [first, beside]) await lease.release()
    await Promise.all([waiter, last].map(async (pending) => (await scene.granted(pending)).release()))
  })

  suite.test('10. inspect() shows nothing any more when all is over', async (scene) => {
    const [one, two] = await scene.clients(2)
    const lease = await scene.take(one, { write: '/i' })
    const leaving = await scene.queue(two, { read: '/i' })
    const staying = await scene.queue(two, { read: '/i/x' })
    await leaving.abort('enough')
    await assert.rejects(scene.granted(leaving))
    await lease.release()
    await (await scene.granted(staying)).release()
    assert.equal(await two.try({ write: '/i' }).then((last) => last?.release()), undefined)
    for (const client of [one, two]) {
      const { holders, waiters } = await scene.inspect(client)
      assert.deepEqual({ holders: names(holders), waiters: names(waiters) }, { holders: [], waiters: [] })
      assert.deepEqual(await client.counts(), { held: 0, waiting: 0 })
    }
  })

  suite.test('10. What inspect() answers survives JSON', async (scene) => {
    const [one, two] = await scene.clients(2)
    const lease = await scene.take(one, { write: '/i/\u00e9 "quoted"', read: '/j' })
    const pending = await scene.queue(two, { read: '/i', write: '/j/x' })
    const seen = await scene.inspect(one)
    assert.deepEqual(JSON.parse(JSON.stringify(seen)), seen)
    assert.deepEqual(seen.holders[0]?.write, ['/i/\u00e9 "quoted"'])
    await lease.release()
    await (await scene.granted(pending)).release()
  })

  suite.test('10. inspect() shows a downgraded lease as a reader', async (scene) => {
    const [one, two] = await scene.clients(2)
    const lease = await scene.take(one, { write: '/i' })
    await lease.downgrade()
    const [held] = (await scene.inspect(two)).holders
    assert.deepEqual(
      { read: held?.read, write: held?.write, token: held?.token },
      { read: ['/i'], write: [], token: lease.token.toString() },
    )
    await lease.release()
  })

  suite.test('A client counts the leases that it holds and the requests that wait', async (scene) => {
    const client = await scene.client()
    const leases = [await scene.take(client, { write: '/i' }), await scene.take(client, { read: '/j' })]
    const pending = await scene.queue(client, { write: ['/i', '/j'] })
    assert.deepEqual(await client.counts(), { held: 2, waiting: 1 })
    for (const lease of leases) await lease.release()
    const last = await scene.granted(pending)
    assert.deepEqual(await client.counts(), { held: 1, waiting: 0 })
    await last.release()
    assert.deepEqual(await client.counts(), { held: 0, waiting: 0 })
  })
}

function names(requests: readonly Holder[]): (string | null)[] {
  return requests.map(({ name }) => name)
}

function waitsFor(seen: Inspection, waiter: string): (string | null | undefined)[] {
  const everybody = [...seen.holders, ...seen.waiters]
  const ids = seen.waiters.find(({ name }) => name === waiter)?.waitsFor ?? []
  return ids.map((id) => everybody.find((other) => other.id === id)?.name).sort()
}

function checkOwner(request: Holder, client: Client, began: number): void {
  const { pid, thread, host, command } = request.owner
  assert.deepEqual({ pid, thread, host }, { pid: client.facts.pid, thread: client.facts.thread, host: hostname() })
  assert.equal(typeof command, 'string')
  assert.equal(new Date(request.since).toISOString(), request.since, 'since is an ISO 8601 time')
  assert.ok(Math.abs(Date.parse(request.since) - began) < CLOCKS_DIFFER_MS, `since is ${request.since}, far from now`)
}

function checkIds(seen: Inspection): void {
  const ids = [...seen.holders, ...seen.waiters].map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length, 'two requests have the same id')
  for (const { waitsFor: others } of seen.waiters)
    for (const id of others) assert.ok(ids.includes(id), `waitsFor names ${id}, who is not there`)
}
