// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { freshSeed } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { FLAWS } from './agreement-kernel.ts'
import { Machine } from './agreement-model.ts'

const HISTORIES = scaled(10_000)
const STEPS = 300

describe('The agreement of users on one engine', () => {
  test(
    'never has two engines with valid leases, in 10,000 histories of starts, deaths, and servers that come, go and forget',
    () => {
      const first = freshSeed()
      let [leases, elections] = [0, 0]
      const errors = new Set<string>()
      for (let history = 0; history < HISTORIES; history++) {
        const seed = (first + history) >>> 0
        const outcome = new Machine(seed).run(STEPS)
        const { split, stuck, log } = outcome
        expect(split ?? stuck, `HOLDFAST_TEST_SEED=${seed}\n${log.slice(-60).join('\n')}`).toBeNull()
        leases += outcome.leases
        elections += outcome.elections
        for (const code of outcome.errors) errors.add(code)
      }
      // The histories have something to tell.
      expect(elections).toBeGreaterThan(HISTORIES)
      expect(leases).toBeGreaterThan(5 * HISTORIES)
      expect([...errors].sort()).toEqual(['LOCK_DENIED', 'LOCK_SPLIT', 'LOCK_UNAVAILABLE'])
    },
    patience(60_000),
  )

  test.each(FLAWS)('would be found to split on a machine with this flaw: %s', (flaw) => {
    const seeds = Array.from({ length: 10_000 }, (_, seed) => seed)
    expect(seeds.some((seed) => new Machine(seed, flaw).run(STEPS).split !== null)).toBe(true)
  })
})
