// SPDX-License-Identifier: MIT
// What happens in a simulated world: who is there, and step by step what they do and what befalls them. Plain data, so that it can be drawn at random,
// shortened, printed and played again.
import fc from 'fast-check'
import type { Preference } from '../../src/core/backend.ts'
import type { Shape } from '../core/lock-table-model.ts'
import type { Habits } from './sim-client.ts'

/** Of all sessions, in ms: the margin is 50 ms then, which clocks may use up. */
export const LEASE_MS = 1_000

export interface Person {
  readonly habits: Habits
  /** So much faster than the world's time its clocks are. */
  readonly drift: number
  readonly latencyUs: number
}

export interface Setting {
  readonly people: readonly Person[]
  readonly serverDrift: number
  readonly prefer: Preference
  readonly coldStartGrace: boolean
  /** For what the code under test draws. */
  readonly seed: number
}

/** `after`: ms since the step before. `who`: one of the people. */
export type Step = { readonly after: number } & (
  | { readonly do: 'ask'; readonly who: number; readonly shape: number; readonly patience: 'try' | 'long' | number; readonly hold: number }
  | { readonly do: 'release' | 'downgrade' | 'abort'; readonly who: number; readonly which: number }
  | { readonly do: 'slow'; readonly who: number; readonly way: 'up' | 'down'; readonly of: 0 | 1; readonly ms: number }
  | { readonly do: 'stall'; readonly who: number; readonly ms: number }
  | Cut
  | { readonly do: 'stop'; readonly who: number; readonly ms: number; readonly suspend: boolean; readonly readsFirst: boolean }
  | { readonly do: 'kill'; readonly who: number }
  | { readonly do: 'freeze'; readonly ms: number }
  | { readonly do: 'set the clock'; readonly ms: number }
  | { readonly do: 'restart'; readonly keepsData: boolean; readonly away: number }
  | { readonly do: 'cut the replica' }
  | { readonly do: 'fail over'; readonly away: number }
)

export interface Cut {
  readonly do: 'cut'
  readonly who: number
  /** At once, or when the client, or the server, next writes something. */
  readonly when: 'now' | 'write' | 'reply'
  readonly what: 'all' | 'messages'
  /** After so many ms what was under way to the server arrives; null: never. */
  readonly late: number | null
  /** For so many ms there is no way to the server. */
  readonly away: number
}

export interface Schedule {
  readonly setting: Setting
  readonly steps: readonly Step[]
}

export const SHAPES: readonly Shape[] = [
  { read: [], write: ['/a'] },
  { read: ['/a'], write: [] },
  { read: [], write: ['/a/b'] },
  { read: ['/a/b'], write: [] },
  { read: [], write: ['/c'] },
  { read: ['/a'], write: ['/c'] },
  { read: ['/c'], write: ['/a/b'] },
  { read: ['/a'], write: ['/a/b'] },
  { read: ['/'], write: [] },
  { read: [], write: ['/'] },
]

export const WHOLE_TREE: number = SHAPES.length - 1

/** Together they stay within the margin, over one lease: 20 ms, and one step ahead of 20 ms. */
const DRIFTS = [0, 0.01, -0.01]
const STEPS_AHEAD_MS = 20

const PEOPLE = 3
const GAPS = [0, 1, 3, 10, 40, 120, 340, 700]
const WHILES = [30, 250, 700, 990, 1_300]

const who: fc.Arbitrary<number> = fc.nat(PEOPLE - 1)
const after: fc.Arbitrary<number> = fc.constantFrom(...GAPS)
const which: fc.Arbitrary<number> = fc.nat(3)
const ms: fc.Arbitrary<number> = fc.constantFrom(...WHILES)
const away: fc.Arbitrary<number> = fc.constantFrom(0, 30, 400, 1_200)

const NEAR_US = [100, 2_000]
const FAR_US = [15_000, 50_000]

function person(latencies: readonly number[]): fc.Arbitrary<Person> {
  return fc.record({
    habits: fc.record({ resends: fc.boolean(), queues: fc.boolean(), twoConnections: fc.boolean() }),
    drift: fc.constantFrom(...DRIFTS),
    latencyUs: fc.constantFrom(...latencies),
  })
}

function setting(coldStartGrace: fc.Arbitrary<boolean>, latencies: readonly number[]): fc.Arbitrary<Setting> {
  return fc.record({
    people: fc.array(person(latencies), { minLength: PEOPLE, maxLength: PEOPLE }),
    serverDrift: fc.constantFrom(...DRIFTS),
    prefer: fc.constantFrom<Preference[]>('first-come', 'writers'),
    coldStartGrace,
    seed: fc.nat(1_000),
  })
}

const ask: fc.Arbitrary<Step> = fc.record({
  after,
  do: fc.constant('ask' as const),
  who,
  shape: fc.oneof(fc.constantFrom(0, 1), fc.nat(SHAPES.length - 1)),
  patience: fc.constantFrom<('try' | 'long' | number)[]>('long', 'try', 25, 300, 'long'),
  hold: fc.constantFrom(20, 5, 200, 1_500, 5_000),
})

type Weighted = fc.WeightedArbitrary<Step>

function often(weight: number, arbitrary: fc.Arbitrary<Step>): Weighted {
  return { weight, arbitrary }
}

const work: readonly Weighted[] = [
  often(12, ask),
  often(3, fc.record({ after, do: fc.constantFrom('release', 'downgrade', 'abort'), who, which })),
]

const slow: Weighted = often(
  3,
  fc.record({ after, do: fc.constant('slow' as const), who, way: fc.constantFrom('up', 'down'), of: fc.constantFrom(0, 1), ms }),
)
const cut: Weighted = often(
  4,
  fc.record({
    after,
    do: fc.constant('cut' as const),
    who,
    when: fc.constantFrom('now', 'write', 'reply'),
    what: fc.constantFrom('all', 'messages'),
    late: fc.constantFrom(null, 0, 60, 400, 60),
    away,
  }),
)
const freeze: Weighted = often(1, fc.record({ after, do: fc.constant('freeze' as const), ms }))
const restart: Weighted = often(1, fc.record({ after, do: fc.constant('restart' as const), keepsData: fc.constant(true), away }))
const forget: Weighted = often(2, fc.record({ after, do: fc.constant('restart' as const), keepsData: fc.constant(false), away }))
const setClock: Weighted = often(
  1,
  fc.record({ after, do: fc.constant('set the clock' as const), ms: fc.constantFrom(STEPS_AHEAD_MS, -300) }),
)

const faults: readonly Weighted[] = [
  slow,
  cut,
  freeze,
  restart,
  often(1, fc.record({ after, do: fc.constant('stall' as const), who, ms })),
  often(3, fc.record({ after, do: fc.constant('stop' as const), who, ms, suspend: fc.boolean(), readsFirst: fc.boolean() })),
  often(1, fc.record({ after, do: fc.constant('kill' as const), who })),
]

const failovers: readonly Weighted[] = [
  often(2, fc.record({ after, do: fc.constant('cut the replica' as const) })),
  often(2, fc.record({ after, do: fc.constant('fail over' as const), away })),
]

const MOST_STEPS = 30

function schedule(
  grace: fc.Arbitrary<boolean>,
  kinds: readonly Weighted[],
  latencies: readonly number[] = [...NEAR_US, ...FAR_US],
): fc.Arbitrary<Schedule> {
  return fc.record({
    setting: setting(grace, latencies),
    steps: fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: MOST_STEPS, size: 'max' }),
  })
}

const without: fc.Arbitrary<boolean> = fc.constant(false)

/** A server that keeps its data: two valid leases never exclude each other. */
export const keptData: fc.Arbitrary<Schedule> = schedule(without, [...work, ...faults, setClock])
/** A server that may forget everything, and clients that wait until nobody can count on what it has forgotten. */
export const coldStarts: fc.Arbitrary<Schedule> = schedule(fc.constant(true), [...work, ...faults, setClock, forget])
/**
 * A server that may forget: nothing is promised for what it forgot, and everything for the rest. Nobody sets its clock: tokens rise as far as the
 * clocks of the servers agree.
 */
export const forgetful: fc.Arbitrary<Schedule> = schedule(fc.boolean(), [...work, ...faults, forget, ...failovers])

/** Fewer kinds of faults, and more of each. */
export const reconnects: fc.Arbitrary<Schedule> = schedule(without, [...work, slow, cut, freeze, restart], FAR_US)
export const amnesia: fc.Arbitrary<Schedule> = schedule(without, [...work, ...failovers])
