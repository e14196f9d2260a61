// SPDX-License-Identifier: MIT
// Promise 3: first come, first served among conflicting requests; nobody waits for those that it does not conflict with; nobody starves.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { LockRequest } from '../lock-space.ts'
import { conflict } from './books.ts'
import type { Client } from './client.ts'
import { type Scene, type Suite, text } from './harness.ts'

export function order(suite: Suite): void {
  const strict = suite.supports.order === 'strict'

  suite.test(
    strict
      ? '3. Conflicting requests are served in the order in which they came, whatever their modes and depths'
      : '3. All requests of a line are served, whatever their modes and depths',
    async (scene) => {
      const clients = await scene.clients(3)
      const line: LockRequest[] = [
        { write: '/q' },
        { read: '/q' },
        { read: '/q/x' },
        { write: '/q/x/y' },
        { read: ['/q/x', '/p'] },
        { write: ['/p/1', '/q/z'] },
        { write: '/q' },
        { read: '/q/z', write: '/q/x' },
        { read: '/p' },
        { read: '/q' },
      ]
      const lease = await scene.take(clients[0], { write: ['/q', '/p'] })
      const served: LockRequest[] = []
      const ends: Promise<unknown>[] = []
      for (const [i, request] of line.entries()) {
        const pending = await scene.queue(clients[i % 3] as Client, request)
        const end = scene.granted(pending, request).then((granted) => {
          served.push(request)
          return granted.release()
        })
        end.catch(() => {})
        ends.push(end)
      }
      await lease.release()
      await Promise.all(ends)
      if (!strict) return
      for (const [later, request] of line.entries()) {
        for (const before of line.slice(0, later).filter((other) => conflict(other, request))) {
          assert.ok(served.indexOf(before) < served.indexOf(request), `${text(request)} came later, and overtook ${text(before)}`)
        }
      }
    },
  )

  suite.test('3. Readers that wait side by side get in together', async (scene) => {
    const clients = await scene.clients(3)
    const lease = await scene.take(clients[0], { write: '/q' })
    const readers = await Promise.all(clients.map((client) => scene.queue(client, { read: '/q/x' })))
    await lease.release()
    const granted = await Promise.all(readers.map((reader) => scene.granted(reader)))
    await Promise.all(granted.map((reader) => reader.release()))
  })

  if (strict) {
    suite.test('3. A newcomer does not pass a writer that waits, though it could share with those who hold', async (scene) => {
      const [holder, writing, reading] = await scene.clients(3)
      const lease = await scene.take(holder, { read: '/q' })
      const writer = await scene.queue(writing, { write: '/q/x' })
      await scene.busy(reading, { read: '/q' }, { read: '/q/x' })
      const reader = await scene.queue(reading, { read: '/q' })
      await lease.release()
      const written = await scene.granted(writer)
      await scene.stillWait(reader)
      await written.release()
      await (await scene.granted(reader)).release()
    })
  }

  suite.test('3. A reader below passes a writer below, which waits for a reader of the whole', async (scene) => {
    const [holder, writing, reading] = await scene.clients(3)
    const lease = await scene.take(holder, { read: '/n' })
    const writer = await scene.queue(writing, { write: '/n/b' })
    // IS at /n is compatible with S, which holds there, and with IX, which waits there.
    await scene.free(reading, { read: '/n/c' }, { read: ['/n/a', '/n/d/e'] })
    await scene.stillWait(writer)
    await lease.release()
    await (await scene.granted(writer)).release()
  })

  suite.test('3. A request waits only for those that it conflicts with', async (scene) => {
    const [holder, waiting, free] = await scene.clients(3)
    const lease = await scene.take(holder, { write: '/n/1' })
    const waiters = [await scene.queue(waiting, { write: '/n/1' }), await scene.queue(free, { read: ['/n/1/x', '/n/2/x'] })]
    await scene.free(free, { write: '/n/3' }, { read: '/n/2' }, { write: ['/m', '/n/4/x'] })
    await scene.free(holder, { write: '/n/3/y' })
    await scene.stillWait(...waiters)
    await lease.release()
    for (const pending of waiters) await (await scene.granted(pending)).release()
  })

  suite.test('3. Readers that come and go without a gap do not starve a writer', (scene) =>
    notStarved(scene, { stream: [{ read: '/s' }, { read: '/s/1' }, { read: ['/s/1', '/s/2'] }], other: { write: '/s/1' } }),
  )

  suite.test('3. Writers that come and go without a gap do not starve a reader', (scene) =>
    notStarved(scene, { stream: [{ write: '/s/1' }, { write: '/s/2' }, { write: '/s/3/x' }], other: { read: '/s' } }),
  )

  suite.test('3. Requests for one path each do not starve a request for many', (scene) =>
    notStarved(scene, { stream: [{ write: '/1' }, { write: '/2' }, { read: '/3' }], other: { read: '/1', write: ['/2', '/3'] } }),
  )
}

/** Two clients keep the paths busy, six tasks each, so that there is never a moment without them; a third has to get in all the same. */
async function notStarved(scene: Scene, { stream, other }: { stream: readonly LockRequest[]; other: LockRequest }): Promise<void> {
  const [one, two, starving] = await scene.clients(3)
  let stop = false
  let served = 0
  const task = async (client: Client, request: LockRequest): Promise<void> => {
    while (!stop) {
      const lease = await scene.take(client, request)
      await pause(4)
      await lease.release()
      served++
    }
  }
  const tasks = Promise.all([one, two].flatMap((client) => [...stream, ...stream].map((request) => task(client, request))))
  // Unheard if the other fails first.
  tasks.catch(() => {})
  try {
    for (let times = 0; times < 3; times++) await (await scene.take(starving, other)).release()
  } finally {
    stop = true
  }
  await tasks
  assert.ok(served > 0, 'the stream stood still')
}
