// SPDX-License-Identifier: MIT
// No script does much at once: what is left over is done by those that follow, while everybody else goes on working. Work is counted in
// commands that the scripts call, since their time depends on what else the machine does.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Claims } from '../../src/core/claims.ts'
import { claimsOfShape } from '../core/lock-table-model.ts'
import { patience, scaled } from '../support/scale.ts'
import { ScriptedSpace } from './scripted-space.ts'
import { type RedisServer, startRedis } from './server.ts'

/** Commands that one script may call: about 2 ms on an idle machine. */
const BOUND = 1_500
const EPOCH = '00000001'

let server: RedisServer
let space: ScriptedSpace
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  space = await new ScriptedSpace(server.port).connect()
  await space.client.flushall()
  for (const session of ['one', 'two']) await space.open(session, EPOCH)
})
afterEach(() => space.close())

const reads = (path: string): Claims => claimsOfShape({ read: [path], write: [] })
const writes = (path: string): Claims => claimsOfShape({ read: [], write: [path] })

/** Asks for many at once, and answers what the last was told. */
async function askMany(session: string, count: number, claims: (i: number) => Claims, aside = false): Promise<unknown> {
  let last: unknown
  for (let from = 0; from < count; from += 1_000) {
    const size = Math.min(1_000, count - from)
    const asks = Array.from({ length: size }, (_, i) => ({
      session,
      epoch: EPOCH,
      id: `${session}-${from + i}`,
      wait: true,
      aside,
      claims: claims(from + i),
    }))
    last = (await Promise.all(asks.map((one) => space.ask(one)))).at(-1)?.[0]
  }
  return last
}

/** How many commands the scripts have called while `work` was done. */
async function calls(work: () => Promise<unknown>): Promise<number> {
  await space.client.config('RESETSTAT')
  await work()
  const stats = await space.client.info('commandstats')
  const counts = Array.from(stats.matchAll(/cmdstat_(\w+)[^:]*:calls=(\d+)/g), ([, name, count]) =>
    name === 'evalsha' || name === 'config' ? 0 : Number(count),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Tidies up, run by run, with `between` after each. Answers the largest number of commands of a run, and how many runs it took. */
async function drain(between: () => Promise<unknown> = async () => {}): Promise<{ most: number; runs: number }> {
  let most = 0
  for (let runs = 1; ; runs++) {
    let more = 0
    most = Math.max(most, await calls(async () => ([, more] = await space.tidy())))
    if (more === 1) return { most, runs }
    await between()
  }
}

describe('A writer before which readers queue', () => {
  test.each([
    ['in the order in which they came', false],
    ['aside, as writers go first', true],
  ])(
    '%s: they are let in some at a time.',
    async (_how, aside) => {
      const readers = scaled(10_000, 2_000)
      await askMany('one', 1, () => writes('/a/b'))
      expect(await askMany('two', readers, (i) => reads(`/a/b/${i % 7}`), aside)).toBe(2)
      expect(await calls(() => space.release('one', 'one-0', writes('/a/b')))).toBeLessThan(BOUND)
      const { most, runs } = await drain()
      expect(most).toBeLessThan(BOUND)
      expect(runs).toBeGreaterThan(readers / 500)
      const heard = await space.settled()
      expect(new Set(heard.map(({ text }) => text.split(' ')[0])).size).toBe(readers)
      expect(heard.length).toBe(readers)
    },
    patience(60_000),
  )
})

describe('A dead session', () => {
  test(
    'with many leases is buried bit by bit, while another goes on working, and gets what the dead one had.',
    async () => {
      const leases = scaled(20_000, 2_000)
      expect(await askMany('one', leases, (i) => writes(`/a/${i % 100}/${i}`))).toBe(1)
      expect((await space.ask({ session: 'two', epoch: EPOCH, id: 'all', claims: writes('/a'), wait: true }))[0]).toBe(2)
      await space.expire('one')
      let worked = 0
      const { most, runs } = await drain(async () => {
        const id = `w${worked++}`
        const costs = await calls(async () => {
          expect((await space.ask({ session: 'two', epoch: EPOCH, id, claims: writes('/b/c'), wait: true }))[0]).toBe(1)
          expect(await space.release('two', id, writes('/b/c'))).toBe(1)
        })
        expect(costs).toBe(8)
      })
      expect(most).toBeLessThan(BOUND)
      expect(runs).toBeGreaterThan(leases / 200)
      const heard = await space.settled()
      expect(heard.map(({ session, text }) => [session, text.split(' ')[0]])).toEqual([
        ['two', 'all'],
        ['one', 'expired'],
      ])
      await space.release('two', 'all', writes('/a'))
      await space.endSession('two')
      expect(await space.remains()).toEqual([])
    },
    patience(60_000),
  )

  test('with wide leases is buried bit by bit, too.', async () => {
    const wide = (i: number) => claimsOfShape({ read: [], write: Array.from({ length: 100 }, (_, j) => `/${i}-${j}`) })
    await askMany('one', 50, wide)
    await space.expire('one')
    expect((await drain()).most).toBeLessThan(BOUND)
    expect((await space.settled()).map(({ text }) => text)).toEqual(['expired'])
  })
})

describe('Taking and giving back', () => {
  test('needs eight commands at any depth, whatever is held and whoever waits elsewhere.', async () => {
    await askMany('one', scaled(5_000, 1_000), (i) => writes(`/held/${i}`))
    await space.ask({ session: 'one', epoch: EPOCH, id: 'writer', claims: writes('/queue'), wait: true })
    expect(await askMany('two', scaled(2_000, 500), (i) => reads(`/queue/${i}`))).toBe(2)
    for (const path of ['/a', '/a/b/c', '/held/a/b/c/d/e']) {
      const id = `x${path}`
      expect(
        await calls(async () => {
          await space.ask({ session: 'one', epoch: EPOCH, id, claims: writes(path), wait: true })
          await space.release('one', id, writes(path))
        }),
        path,
      ).toBe(8)
    }
  })
})
