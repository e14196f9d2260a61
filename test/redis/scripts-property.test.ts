// SPDX-License-Identifier: MIT
// The scripts do what the oracle of the lock table says, over random histories of several sessions.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { overlap, randomShapes, type Shape, treeOf, universeOf } from '../core/lock-table-model.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { ScriptedSpace } from './scripted-space.ts'
import { type RedisServer, startRedis } from './server.ts'
import { Comparison, ODD_PATHS, randomSteps, type Step, shortened } from './space-model.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const DEEP = Array.from({ length: 9 }, (_, depth) => `/deep${'/er'.repeat(depth)}`)
const WIDE = Array.from({ length: 12 }, (_, i) => `/wide/${i}`)

const ROUNDS = scaled(20)
const STEPS = 150

/** As few steps in one run as there can be: then most of the work is left to the runs that follow. */
const idle = (source: string): string => source.replace(/local budget = \d+/, 'local budget = 1')

/** Requests that read a sub-tree and write something in it: rare among others, and the only ones that claim SIX. */
function copies(next: () => number, paths: readonly string[], count: number): Shape[] {
  const pairs = paths.flatMap((read) =>
    paths.filter((write) => write !== read && overlap(read, write) && read.length < write.length).map((write) => [read, write]),
  )
  return Array.from({ length: count }, () => {
    const [read, write] = pairs[next() % pairs.length]!
    return { read: [read!], write: [write!] }
  })
}

async function play(steps: readonly Step[], seed: number, preferWriters: boolean, change?: (source: string) => string): Promise<number> {
  const next = generator(seed)
  const paths = [treeOf(2, 2), treeOf(2, 3), [...ODD_PATHS], ['/', ...DEEP, ...WIDE.slice(0, 3)], ['/', '/wide', ...WIDE]][next() % 5]!
  const universe = universeOf([...randomShapes(next, paths, 40), ...copies(next, paths, 20)])
  const space = await new ScriptedSpace(server.port, `${preferWriters}`).connect(change)
  try {
    await space.client.flushall()
    const comparison = new Comparison(space, universe, preferWriters)
    await comparison.run(steps)
    return comparison.grants
  } finally {
    space.close()
  }
}

async function check(preferWriters: boolean, change?: (source: string) => string): Promise<void> {
  const first = freshSeed()
  let grants = 0
  for (let seed = first; seed < first + ROUNDS; seed++) {
    const steps = randomSteps(generator(seed), STEPS)
    try {
      grants += await play(steps, seed, preferWriters, change)
    } catch (error) {
      const failing = (shorter: readonly Step[]): Promise<boolean> =>
        play(shorter, seed, preferWriters, change).then(
          () => false,
          () => true,
        )
      const short = await shortened(steps, failing)
      const why = await play(short, seed, preferWriters, change).catch((shortError: unknown) => shortError)
      throw new Error(`HOLDFAST_TEST_SEED=${seed}: ${why}\n${short.map((step) => JSON.stringify(step)).join('\n')}`, { cause: error })
    }
  }
  expect(grants).toBeGreaterThan((ROUNDS * STEPS) / 8)
}

describe.each([
  ['first come, first served', false],
  ['writers first', true],
])('%s: the scripts grant what the oracle grants, in step with it, and leave nothing behind', (_name, preferWriters) => {
  test('when every script has time for all there is to do.', () => check(preferWriters), patience(60_000))

  test('when each leaves nearly everything to the next.', () => check(preferWriters, idle), patience(60_000))
})
