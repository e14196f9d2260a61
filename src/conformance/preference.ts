// SPDX-License-Identifier: MIT
// Promise 3, the second half: a space that prefers writers lets a waiting writer pass waiting readers, and still nobody waits for ever.
import assert from 'node:assert/strict'
import type { LockRequest } from '../lock-space.ts'
import { conflict } from './books.ts'
import type { Client, ClientLease } from './client.ts'
import { type Scene, type Suite, text } from './harness.ts'
import { noDeadlock } from './torture.ts'

export function preference(suite: Suite): void {
  for (const prefer of suite.preferences) {
    suite.test(
      `3. A space that prefers ${prefer} says so`,
      async (scene) => {
        const client = await scene.client()
        assert.equal(client.facts.prefer, prefer)
      },
      prefer,
    )
  }
  if (!suite.preferences.includes('writers')) return

  suite.test(
    '3. Where writers are preferred, a waiting writer passes readers that waited before it',
    (scene) => writerPasses(scene, '/p/x'),
    'writers',
  )

  if (suite.supports.order === 'strict') {
    // Where an engine takes a path node by node, a reader and a writer below a node that was busy race each other from there.
    suite.test(
      '3. Where writers are preferred, a waiting writer passes readers wherever above them both the way was barred',
      (scene) => writerPasses(scene, '/p'),
      'writers',
    )
  }

  suite.test(
    '3. Where writers are preferred, a new reader does not join others while a writer waits',
    async (scene) => {
      const [holder, writing, reading] = await scene.clients(3)
      const lease = await scene.take(holder, { read: '/p' })
      const writer = await scene.queue(writing, { write: '/p' })
      await scene.busy(reading, { read: '/p' })
      const reader = await scene.queue(reading, { read: '/p/x' })
      await lease.release()
      const written = await scene.granted(writer)
      await scene.stillWait(reader)
      await written.release()
      await (await scene.granted(reader)).release()
    },
    'writers',
  )

  for (const held of [['/a'], ['/b'], ['/a', '/b'], ['/b', '/a']] as const) {
    suite.test(
      `3. Where writers are preferred, readers and writers of two paths do not block each other for ever (${held.join(' then ')} comes free)`,
      (scene) => twoPaths(scene, held),
      'writers',
    )
  }

  suite.test(
    '3. Where writers are preferred, a reader that gives up while it is passed over leaves nothing behind',
    async (scene) => {
      const [holder, reading, writing] = await scene.clients(3)
      const lease = await scene.take(holder, { write: '/a' })
      const reader = await scene.queue(reading, { read: ['/a', '/b'] })
      const writer = await scene.queue(writing, { write: ['/a', '/b'] })
      await reader.abort('enough')
      await assert.rejects(scene.granted(reader), (reason) => reason === 'enough')
      await lease.release()
      await (await scene.granted(writer)).release()
      await scene.free(reading, { write: '/' })
    },
    'writers',
  )

  suite.test(
    '4. Where writers are preferred, random requests for many paths from several clients all come to an end',
    (scene) => noDeadlock(scene),
    'writers',
  )
}

async function writerPasses(scene: Scene, barred: string): Promise<void> {
  const [holder, reading, writing] = await scene.clients(3)
  const lease = await scene.take(holder, { write: barred })
  const reader = await scene.queue(reading, { read: '/p/x' })
  const writer = await scene.queue(writing, { write: '/p/x' })
  await lease.release()
  const written = await scene.granted(writer)
  await scene.stillWait(reader)
  await written.release()
  const read = await scene.granted(reader)
  assert.ok(read.token > written.token, 'the token of the reader, which was let in later, is not the larger one: it was minted too early')
  await read.release()
}

/**
 * Readers of two paths are passed by writers of both, while the paths in `held` come free one after the other. A reader that kept the one
 * path that was free would wait for a writer that waits for it.
 */
async function twoPaths(scene: Scene, held: readonly string[]): Promise<void> {
  const strict = scene.supports.order === 'strict'
  const clients = await scene.clients(3)
  const leases: ClientLease[] = []
  for (const path of held) leases.push(await scene.take(clients[0], { write: path }))
  const line: LockRequest[] = [
    { read: ['/a', '/b'] },
    { read: ['/b', '/a/x'] },
    { write: ['/a', '/b'] },
    { read: '/b', write: '/a/x' },
    { read: '/a' },
    { write: '/b' },
    { read: ['/b/x', '/a'] },
  ]
  const served: LockRequest[] = []
  const ends: Promise<unknown>[] = []
  for (const [i, request] of line.entries()) {
    const client = clients[i % 3] as Client
    // Only a strict order says that a request for a free path waits for those that came before it.
    const pending = strict ? await scene.queue(client, request) : client.request(request)
    const end = scene.granted(pending, request).then((granted) => {
      served.push(request)
      return granted.release()
    })
    end.catch(() => {})
    ends.push(end)
  }
  for (const lease of leases) {
    await clients[1].inspect()
    await lease.release()
  }
  await Promise.all(ends)
  if (!strict) return
  for (const writer of line.filter(({ write }) => write !== undefined)) {
    for (const reader of line.filter((other) => other.write === undefined && conflict(other, writer))) {
      assert.ok(served.indexOf(writer) < served.indexOf(reader), `${text(reader)} went before the waiting writer ${text(writer)}`)
    }
  }
}
