// SPDX-License-Identifier: MIT
// Looks for a schedule that breaks a promise: among random ones, which fast-check draws and makes shorter, or among given ones.
import fc from 'fast-check'
import { freshSeed } from '../support/random.ts'
import { patience } from '../support/scale.ts'
import type { Guard } from './guards.ts'
import type { Schedule } from './schedule.ts'
import { type Outcome, play } from './simulation.ts'
import { inWords } from './words.ts'

/** A schedule that broke a promise. */
interface Found {
  /** What schedule of the run it was. */
  readonly number: number
  readonly long: Schedule
  /** What is left when nothing more can be taken away, in the time that there was. */
  readonly short: Schedule
  readonly violations: readonly string[]
  /** In words, with the seed, and how to play it again. */
  readonly report: string
}

/** Shorter where it is known what is wrong. */
const SHRINK_FOR_MS = { found: patience(10_000), broken: 600 }

/** @param seen told of each schedule that was played. */
export async function search(
  schedules: fc.Arbitrary<Schedule>,
  runs: number,
  { broken, seen = () => {} }: { readonly broken?: Guard; readonly seen?: (outcome: Outcome) => void } = {},
): Promise<Found | null> {
  const options = broken === undefined ? {} : { broken }
  const seed = freshSeed()
  const keepsPromises = fc.asyncProperty(schedules, async (schedule) => {
    const outcome = await play(schedule, options)
    seen(outcome)
    return outcome.violations.length === 0
  })
  const first = await fc.check(keepsPromises, { seed, numRuns: runs, endOnFailure: true })
  if (!first.failed) return null
  const [long] = first.counterexample!
  const shrinking = {
    seed: first.seed,
    path: first.counterexamplePath!,
    interruptAfterTimeLimit: SHRINK_FOR_MS[broken === undefined ? 'found' : 'broken'],
  }
  const shrunk = await fc.check(keepsPromises, shrinking)
  const short = await shortest(shrunk.counterexample?.[0] ?? long, broken)
  return await found(`HOLDFAST_TEST_SEED=${seed}, schedule ${first.numRuns}`, first.numRuns, long, short, broken)
}

/** The same with all of these, each as it is. */
export async function searchAll(schedules: Iterable<Schedule>, seen: (outcome: Outcome) => void): Promise<Found | null> {
  let number = 0
  for (const schedule of schedules) {
    number++
    const outcome = await play(schedule)
    seen(outcome)
    if (outcome.violations.length > 0) return await found(`Schedule ${number}`, number, schedule, await shortest(schedule))
  }
  return null
}

async function found(what: string, number: number, long: Schedule, short: Schedule, broken?: Guard): Promise<Found> {
  const { violations } = await play(short, broken === undefined ? {} : { broken })
  const size = `${long.steps.length} steps, shrunk to ${short.steps.length}`
  return { number, long, short, violations, report: `${violations.join('\n')}\n${what}, ${size}.\n${inWords(short)}` }
}

/** Without each step that is not needed: what was drawn as a whole does not get shorter otherwise. */
async function shortest(schedule: Schedule, broken?: Guard): Promise<Schedule> {
  let best = schedule
  for (let place = best.steps.length - 1; place >= 0; place--) {
    const shorter = { ...best, steps: best.steps.filter((_, i) => i !== place) }
    const { violations } = await play(shorter, broken === undefined ? {} : { broken })
    if (violations.length > 0) best = shorter
  }
  return best
}
