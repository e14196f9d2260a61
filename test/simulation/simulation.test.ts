// SPDX-License-Identifier: MIT
// The Redis engine as it is, in worlds of which every delay, cut, pause and death is a choice. HOLDFAST_SCHEDULE plays one of them again, and tells
// what happened in it.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freshSeed } from '../support/random.ts'
import { patience, scale, scaled } from '../support/scale.ts'
import { cutsInColdStarts, everyOrder } from './orders.ts'
import { takePlatform } from './platform.ts'
import { measured } from './rate.ts'
import { coldStarts, forgetful, keptData, type Schedule } from './schedule.ts'
import { search, searchAll } from './search.ts'
import { type Outcome, play } from './simulation.ts'
import { inWords } from './words.ts'

vi.mock('../../src/native/clock.ts', () => import('./platform.ts'))
vi.mock('node:crypto', async (original) => ({ ...(await original<object>()), randomBytes: (await import('./platform.ts')).randomBytes }))

let givePlatformBack: () => void
beforeAll(() => {
  givePlatformBack = takePlatform()
})
afterAll(() => givePlatformBack())

/** How many blows befall the holder and the waiter, in every order. */
const BLOWS = scale >= 10 ? 4 : 3

/** What a search saw: locks were granted, and some of them lost. */
class Sums {
  private readonly rate = measured()
  private readonly sums = { count: 0, grants: 0, lost: 0, happened: 0 }

  readonly add = ({ grants, lost, happened }: Outcome): void => {
    this.sums.count++
    this.sums.grants += grants
    this.sums.lost += lost
    this.sums.happened += happened
  }

  say(what: string): void {
    const { count, grants, lost, happened } = this.sums
    console.info(`${this.rate(what, count)}; ${happened} events, ${grants} grants, ${lost} lost`)
    expect(grants).toBeGreaterThan(count)
    expect(lost).toBeGreaterThan(count / 100)
  }
}

describe('No two at once, tokens rise, nobody waits for ever and nothing is left', () => {
  test.each([
    ['a server that keeps its data', keptData, 400],
    ['a server that may forget everything, and clients that wait after its start', coldStarts, 150],
    ['a server that may lose its last writes, for all but what it lost', forgetful, 150],
  ])(
    'with %s.',
    async (what, schedules, runs) => {
      const sums = new Sums()
      const found = await search(schedules, scaled(runs, 50), { seen: sums.add })
      if (found !== null) expect.fail(found.report)
      sums.say(what)
    },
    patience(120_000),
  )

  test.each([
    ['when the renewal is lost, the holder paused, the grant late, and so on, in every order', () => everyOrder(BLOWS)],
    ['when a client is cut off at any moment of a cold start', cutsInColdStarts],
  ])(
    '%s.',
    async (what, schedules) => {
      const sums = new Sums()
      const found = await searchAll(schedules(), sums.add)
      if (found !== null) expect.fail(found.report)
      sums.say(what)
    },
    patience(120_000),
  )

  const given = process.env.HOLDFAST_SCHEDULE
  if (given !== undefined) {
    test('in the schedule that is given.', async () => {
      const { diary, violations } = await play(JSON.parse(given) as Schedule, { diary: true })
      console.info(diary.join('\n'))
      expect(violations).toEqual([])
    })
  }
})

test('The same seed gives the same run.', async () => {
  const seed = freshSeed()
  const [some, again] = [1, 2].map(() => fc.sample(forgetful, { seed, numRuns: 20 })) as [Schedule[], Schedule[]]
  for (const [i, schedule] of some.entries()) {
    const [one, other] = [await play(schedule, { diary: true }), await play(again[i]!, { diary: true })]
    expect(other.diary, inWords(schedule)).toEqual(one.diary)
  }
})
