// SPDX-License-Identifier: MIT
// What a backend says about itself is true. Most of `supports` is tested by the promises that it switches; here is the rest.
import assert from 'node:assert/strict'
import type { Supports } from '../core/backend.ts'
import type { Suite } from './harness.ts'

const VALUES: Readonly<Record<keyof Supports, readonly unknown[]>> = {
  scope: ['thread', 'machine', 'network'],
  immediate: [true, false],
  order: ['strict', 'approximate'],
  exactTry: [true, false],
  deadHolder: ['at-once', 'after-lease', 'none'],
  loss: [true, false],
  durableTokens: [true, false],
}

export function manifest(suite: Suite): void {
  suite.test('The backend supports what the suite was told, and says nothing that means nothing', async (scene) => {
    const client = await scene.client()
    assert.match(client.facts.backend, /^[a-z][a-z0-9-]*$/, 'the name of a backend is a word')
    assert.deepEqual(client.facts.supports, suite.supports)
    assert.deepEqual(Object.keys(suite.supports).sort(), Object.keys(VALUES).sort())
    for (const [key, values] of Object.entries(VALUES)) {
      assert.ok(values.includes(suite.supports[key as keyof Supports]), `supports.${key} is one of ${values.join(', ')}`)
    }
    if (suite.supports.scope === 'thread')
      assert.equal(suite.supports.deadHolder, 'none', 'locks that do not leave a thread have no dead holders')
    if (suite.supports.deadHolder === 'after-lease') assert.ok(suite.supports.loss, 'a lease that can run out can be lost')
  })

  suite.test(
    suite.supports.immediate
      ? 'The backend answers a try at once, without a promise, as it says'
      : 'The backend answers a try with a promise, as it says',
    async (scene) => {
      const [one, two] = await scene.clients(2)
      assert.equal(await one.answersAtOnce('/m'), suite.supports.immediate, 'when it is free')
      const lease = await scene.take(two, { read: '/m' })
      assert.equal(await one.answersAtOnce('/m'), suite.supports.immediate, 'when it is busy')
      await lease.release()
    },
  )

  suite.test('The clients of the suite are what it was told: apart from each other, and to be killed and stopped or not', async (scene) => {
    const [one, two] = await scene.clients(2)
    const place = ({ facts: { pid, thread } }: typeof one) => `${pid}.${thread}`
    if (suite.canKill) assert.notEqual(place(one), place(two))
    assert.equal(one.kill !== undefined, suite.canKill)
    assert.equal(one.stop !== undefined, suite.processes)
    assert.equal(one.resume !== undefined, suite.processes)
    if (suite.processes) assert.notEqual(one.facts.pid, process.pid)
  })
}
