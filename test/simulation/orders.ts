// SPDX-License-Identifier: MIT
// Schedules in every order: one holds, another waits, and some of what can befall them befalls them.
import fc from 'fast-check'
import { LEASE_MS, type Person, type Schedule, type Setting, type Step } from './schedule.ts'

/** The holder is 0, and 1 waits for it. */
const BLOWS = {
  'renewal lost': { do: 'slow', who: 0, way: 'up', of: 0, ms: LEASE_MS + 300 },
  'renewal answered late': { do: 'slow', who: 0, way: 'down', of: 0, ms: 280 },
  'holder paused': { do: 'stop', who: 0, ms: LEASE_MS - 50, suspend: false, readsFirst: true },
  /** A renewal, or what comes before it: a release. */
  'next command lost': { do: 'cut', who: 0, when: 'write', what: 'all', late: null, away: 30 },
  'given back': { do: 'release', who: 0, which: 0 },
  'late grant': { do: 'slow', who: 1, way: 'down', of: 0, ms: LEASE_MS - 10 },
  'given up': { do: 'abort', who: 1, which: 0 },
  'waiter paused': { do: 'stop', who: 1, ms: LEASE_MS - 50, suspend: false, readsFirst: true },
  'waiter cut off': { do: 'cut', who: 1, when: 'write', what: 'all', late: 60, away: 30 },
  'server frozen': { do: 'freeze', ms: 700 },
} as const

const GAPS_MS = [3, 120, 340]

const PLAIN: Person = { habits: { resends: false, queues: true, twoConnections: false }, drift: 0, latencyUs: 300 }
/** Its clock is slow where the server's is fast. */
const OTHER: Person = { habits: { resends: true, queues: true, twoConnections: true }, drift: -0.01, latencyUs: 300 }
const FAR_US = 50_000

const SETTINGS: readonly Setting[] = [PLAIN, OTHER, { ...PLAIN, latencyUs: FAR_US }, { ...OTHER, latencyUs: FAR_US }].map((person) => {
  return { people: [person, person], serverDrift: -person.drift, prefer: 'first-come', coldStartGrace: false, seed: 1 }
})

/** Every choice of `count` blows in every order, so far apart. The settings take turns. */
export function* everyOrder(count: number): Generator<Schedule> {
  let number = 0
  for (const blows of orders(Object.values(BLOWS), count)) {
    for (const after of GAPS_MS) {
      const setting = SETTINGS[number++ % SETTINGS.length]!
      yield { setting, steps: [...OPENING, ...blows.map((blow) => ({ ...blow, after }) as Step), ANOTHER] }
    }
  }
}

/**
 * The server has lost everything while the holder stands still and knows nothing of it. The other makes a session anew, which takes some round trips and
 * a wait, and is cut off once more, in every millisecond of it.
 */
export function* cutsInColdStarts(): Generator<Schedule> {
  for (const latencyUs of [300, 2_000]) {
    const person = { ...PLAIN, latencyUs }
    const setting: Setting = { people: [person, person], serverDrift: 0, prefer: 'first-come', coldStartGrace: true, seed: 1 }
    for (let after = 0; after < 150; after++) {
      const cut: Step = { after, do: 'cut', who: 1, when: 'now', what: 'all', late: null, away: 0 }
      yield { setting, steps: [...COLD_START, cut, ANOTHER] }
    }
  }
}

/** What is in every order, drawn: also fewer blows, and each at its own distance. */
export const someOrder: fc.Arbitrary<Schedule> = fc
  .tuple(
    fc.constantFrom(...SETTINGS),
    fc.shuffledSubarray(Object.values(BLOWS), { minLength: 1, maxLength: 5 }),
    fc.array(fc.constantFrom(...GAPS_MS), { minLength: 5, maxLength: 5 }),
  )
  .map(([setting, blows, gaps]) => {
    return { setting, steps: [...OPENING, ...blows.map((blow, i) => ({ ...blow, after: gaps[i]! }) as Step), ANOTHER] }
  })

/** The lock is held, waited for, and at the end asked for by somebody else than who waited. */
const OPENING: readonly Step[] = [
  { after: 0, do: 'ask', who: 0, shape: 0, patience: 'long', hold: 5_000 },
  { after: 3, do: 'ask', who: 1, shape: 0, patience: 'long', hold: 400 },
]
const COLD_START: readonly Step[] = [
  OPENING[0]!,
  { after: 338, do: 'stop', who: 0, ms: LEASE_MS - 10, suspend: false, readsFirst: true },
  { ...OPENING[1]!, after: 10 },
  { after: 3, do: 'restart', keepsData: false, away: 0 },
]
const ANOTHER: Step = { after: LEASE_MS + 400, do: 'ask', who: 0, shape: 0, patience: 'long', hold: 20 }

function* orders<Item>(items: readonly Item[], count: number): Generator<readonly Item[]> {
  if (count === 0) yield []
  else
    for (const item of items)
      for (const rest of orders(
        items.filter((other) => other !== item),
        count - 1,
      ))
        yield [item, ...rest]
}
