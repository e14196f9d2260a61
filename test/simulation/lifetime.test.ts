// SPDX-License-Identifier: MIT
// The lifetime of a session of ZooKeeper, with every delay a choice: a leader that reckons when the session ends, a server that tells it now and then
// whom it has heard of, and a client behind it. At the end the server dies, or is cut off from the leader and goes on answering by itself.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Lifetime } from '../../src/backends/zookeeper/wire/lifetime.ts'
import { freshSeed } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { measured } from './rate.ts'

const NS = 1_000_000n

/** Parts of the time-out, in thousandths. */
interface Exchange {
  readonly pause: number
  readonly thither: number
  readonly back: number
  /** The leader had to do with the answer. */
  readonly asksLeader: boolean
}

interface Life {
  readonly ticks: number
  /** Of a half tick, in thousandths, when the first report is due. */
  readonly firstReport: number
  /** When the leader had made the session, after we had asked for it. */
  readonly made: number
  readonly exchanges: readonly Exchange[]
  /** The server is dead or cut off after so many of them have arrived. */
  readonly over: number
  readonly answersStill: boolean
}

const TIMEOUT_MS = 1_000

/** A rule that can be broken. */
type Flaw =
  | 'an answer counts from when it was asked for'
  | 'only the answers of the leader count'
  | 'an answer counts only when another follows'

function play(life: Life, flaw: Flaw | null = null): { readonly deadline: number; readonly end: number } {
  const lifetime = new Lifetime()
  const halfTick = TIMEOUT_MS / life.ticks / 2
  const nano = (ms: number): bigint => BigInt(Math.round(ms * 1_000)) * (NS / 1_000n)
  lifetime.welcomed(0n, nano(life.made), TIMEOUT_MS)
  let end = life.made + TIMEOUT_MS
  let reported = (life.firstReport / 1_000) * halfTick
  let touched = false
  let [now, arrivedBefore, answeredBefore] = [life.made, 0, 0]
  const reportUntil = (time: number): void => {
    for (; reported <= time; reported += halfTick) {
      if (touched) end = reported + TIMEOUT_MS
      touched = false
    }
  }
  for (const [i, { pause, thither, back, asksLeader }] of life.exchanges.entries()) {
    now += pause
    const sent = now
    const arrives = Math.max(arrivedBefore, sent + thither)
    arrivedBefore = arrives
    const over = i >= life.over
    if (!over) {
      reportUntil(arrives)
      if (arrives >= end) break
      touched = true
    } else if (!life.answersStill) break
    const heard = Math.max(answeredBefore, arrives + back)
    answeredBefore = heard
    const leaders = asksLeader && !over
    if (flaw === 'an answer counts from when it was asked for') lifetime.proved(nano(heard), nano(heard))
    else if (leaders || flaw === 'only the answers of the leader count') lifetime.proved(nano(sent), nano(heard))
    if (flaw === 'an answer counts only when another follows') lifetime.deadline = nano(sent + TIMEOUT_MS * 0.92)
  }
  return { deadline: Number(lifetime.deadline) / Number(NS), end }
}

const delay: fc.Arbitrary<number> = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, fc.nat(600))
const exchange: fc.Arbitrary<Exchange> = fc.record({ pause: fc.nat(400), thither: delay, back: delay, asksLeader: fc.boolean() })
const life: fc.Arbitrary<Life> = fc.record({
  ticks: fc.integer({ min: 2, max: 20 }),
  firstReport: fc.nat(1_000),
  made: fc.nat(50),
  exchanges: fc.array(exchange, { maxLength: 25, size: 'max' }),
  over: fc.nat(25),
  answersStill: fc.boolean(),
})

describe('The deadline of a session of ZooKeeper', () => {
  test(
    'comes before the leader ends it, whatever is late and whoever dies.',
    () => {
      const runs = scaled(4_000)
      const rate = measured()
      fc.assert(
        fc.property(life, (one) => {
          const { deadline, end } = play(one)
          return deadline < end
        }),
        { seed: freshSeed(), numRuns: runs },
      )
      console.info(rate('lifetimes', runs))
    },
    patience(30_000),
  )

  test.each<Flaw>([
    'an answer counts from when it was asked for',
    'only the answers of the leader count',
    'an answer counts only when another follows',
  ])('comes too late, in some, when the rule is lost that %s.', (flaw) => {
    const late = fc.property(life, (one) => {
      const { deadline, end } = play(one, flaw)
      return deadline < end
    })
    expect(fc.check(late, { seed: freshSeed(), numRuns: 20_000 }).failed).toBe(true)
  })
})
