// SPDX-License-Identifier: MIT
// The simulation can fail: with each of the engine's rules broken it finds a schedule in which a promise is broken, and makes it short.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { patience } from '../support/scale.ts'
import { GUARDS } from './guards.ts'
import { takePlatform } from './platform.ts'
import type { Schedule } from './schedule.ts'
import { search } from './search.ts'
import { play } from './simulation.ts'

vi.mock('../../src/native/clock.ts', () => import('./platform.ts'))
vi.mock('node:crypto', async (original) => ({ ...(await original<object>()), randomBytes: (await import('./platform.ts')).randomBytes }))

let givePlatformBack: () => void
beforeAll(() => {
  givePlatformBack = takePlatform()
})
afterAll(() => givePlatformBack())

/** Many times what any of them has been seen to need. */
const MOST_SCHEDULES = 6_000

describe('It is found out when the engine has lost the rule that', () => {
  test.each(GUARDS.map((broken) => [broken.name, broken] as const))(
    '%s.',
    async (name, broken) => {
      const found = await search(broken.schedules, MOST_SCHEDULES, { broken })
      expect(found, 'what was found').not.toBeNull()
      const { number, long, short, violations, report } = found!
      const size = `${long.steps.length} steps, shrunk to ${short.steps.length}`
      console.info(`${name}: schedule ${number}, ${size}: ${violations[0]!.split('\n')[0]}`)
      expect(violations).not.toEqual([])
      expect(short.steps.length).toBeLessThanOrEqual(long.steps.length)
      // And it is the broken rule that does it: with it, all is well; without it, what was printed goes wrong in the same way again.
      expect((await play(long)).violations).toEqual([])
      const again = JSON.parse(/HOLDFAST_SCHEDULE='(.*)' npx/.exec(report)![1]!) as Schedule
      expect((await play(again, { broken })).violations).toEqual(violations)
    },
    patience(120_000),
  )
})
