// SPDX-License-Identifier: MIT
// Promises 1, 4 and 7 under random load: the oracle of books.ts decides.
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isLockError } from '../core/errors.ts'
import { Books, Dice } from './books.ts'
import type { Client, ClientLease } from './client.ts'
import type { Scene, Suite } from './harness.ts'

const TASKS_PER_CLIENT = 3

export function torture(suite: Suite): void {
  suite.test('4. Requests that name the same paths in opposite orders all come to an end', async (scene) => {
    const clients = await scene.clients(3)
    const task = async (client: Client, paths: string[]): Promise<void> => {
      for (let round = 0; round < scene.scaled(10); round++) await (await scene.take(client, { write: paths })).release()
    }
    await Promise.all(clients.flatMap((client) => [task(client, ['/a', '/b/1', '/c']), task(client, ['/c', '/b', '/a/1'])]))
  })

  suite.test('4. Random requests for many paths from several clients all come to an end', (scene) => noDeadlock(scene))

  suite.test('1. Under random load nobody is ever let in beside a lease that excludes it, and tokens rise', async (scene) => {
    const books = new Books()
    const clients = await scene.clients(3)
    const tasks = clients.flatMap((client, i) =>
      Array.from({ length: TASKS_PER_CLIENT }, (_, j) => restlessTask(scene, client, books, new Dice(100 * i + j))),
    )
    // Bounded by the patience of each request, not of all together.
    await Promise.all(tasks)
    assert.ok(books.entries > 0, 'nobody got in')
    await scene.free(clients[0], { write: '/' })
    for (const client of clients) assert.deepEqual(await client.counts(), { held: 0, waiting: 0 })
  })
}

/** Every request waits as long as it takes: there is no time-out or abort that could undo a deadlock. */
export async function noDeadlock(scene: Scene): Promise<void> {
  const books = new Books()
  const clients = await scene.clients(3)
  const task = async (client: Client, dice: Dice): Promise<void> => {
    for (let round = 0; round < scene.scaled(15); round++) {
      const request = dice.request()
      const lease = await scene.take(client, request)
      books.enter(request, lease.token)
      if (dice.next() < 0.3) await nextTurn()
      books.leave(request)
      await lease.release()
    }
  }
  await Promise.all(
    clients.flatMap((client, i) => Array.from({ length: TASKS_PER_CLIENT }, (_, j) => task(client, new Dice(1000 + 100 * i + j)))),
  )
}

/** Takes, tries, gives up, weakens and releases, as the dice fall. */
async function restlessTask(scene: Scene, client: Client, books: Books, dice: Dice): Promise<void> {
  for (let round = 0; round < scene.scaled(40); round++) {
    const wanted = dice.request()
    const lease = await askSomehow(scene, client, wanted, dice)
    if (lease === null) continue
    let held = wanted
    books.enter(held, lease.token)
    if (dice.next() < 0.3) await nextTurn()
    if (dice.next() < 0.15) {
      held = books.weaken(held)
      await scene.within(lease.downgrade(), 'a downgrade is answered')
      if (dice.next() < 0.5) await nextTurn()
    }
    books.leave(held)
    await scene.within(lease.release(), 'a release is answered')
  }
}

async function askSomehow(scene: Scene, client: Client, wanted: ReturnType<Dice['request']>, dice: Dice): Promise<ClientLease | null> {
  const manner = dice.next()
  if (manner < 0.2) return scene.within(client.try(wanted), 'a try is answered')
  if (manner < 0.6) return scene.take(client, wanted)
  const pending = client.request(wanted, manner < 0.8 ? { timeout: dice.below(5) } : {})
  if (manner >= 0.8) {
    if (dice.next() < 0.7) await nextTurn()
    await pending.abort('changed my mind')
  }
  try {
    return await scene.granted(pending, wanted)
  } catch (error) {
    if (error === 'changed my mind' || isLockError(error, 'LOCK_TIMEOUT')) return null
    throw error
  }
}
