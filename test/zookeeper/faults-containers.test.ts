// SPDX-License-Identifier: MIT
// Queues that were left empty go by themselves, and hurt nobody who comes at that moment.
import type { LockSpace } from 'holdfast'
import { expect, onTestFinished, test } from 'vitest'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { startZooKeeper } from './server.ts'
import { aRoot, emptied, Operator, openSpace } from './spaces.ts'

const ROUNDS = scaled(150)
const TASKS = 12

test('Locks on nodes whose queues come and go all the time exclude each other, and are all given', async () => {
  const server = await startZooKeeper({ containers: { checkEveryMs: 5 }, properties: { 'znode.container.maxPerMinute': '600000' } })
  onTestFinished(() => server.stop())
  const root = aRoot()
  const seed = freshSeed()
  const next = generator(seed)
  const spaces = await Promise.all([0, 1, 2].map(() => openSpace(server.address, { root })))
  const operator = await Operator.at(server.address)
  const inside = new Map<string, number>()
  const tokens = new Map<string, bigint>()
  const task = async (locks: LockSpace): Promise<void> => {
    for (let round = 0; round < ROUNDS; round++) {
      const path = `/${next() % 5}/${next() % 3}/${next() % 2}`
      await locks.withWrite(path, { timeout: 20_000 }, async (lease) => {
        expect(inside.get(path) ?? 0).toBe(0)
        expect(lease.token).toBeGreaterThan(tokens.get(path) ?? 0n)
        tokens.set(path, lease.token)
        inside.set(path, 1)
        if (next() % 4 === 0) await new Promise((resolve) => setTimeout(resolve, next() % 6))
        inside.set(path, 0)
      })
      if (next() % 2 === 0) await new Promise((resolve) => setTimeout(resolve, next() % 12))
    }
  }
  await Promise.all(Array.from({ length: TASKS }, (_, i) => task(spaces[i % spaces.length]!))).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
  })
  await emptied(server, root)
  const giveUpAt = performance.now() + 10_000
  while ((await operator.list(`${root}/locks`)).length > 0) if (performance.now() > giveUpAt) throw new Error('The queues do not go.')
  // Queues that are known to be there, and are not.
  for (const locks of spaces) await (await locks.write(['/0/0/0', '/1/1/1'], { timeout: 5_000 })).release()
}, 120_000)
