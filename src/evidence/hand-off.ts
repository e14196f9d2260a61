// SPDX-License-Identifier: MIT
// How long it takes from a release until the next in line knows that it was let in. Several hands pass one lock around; each holds it until the
// others have surely asked, so that nearly every release meets somebody who waits.
import { setTimeout as pause } from 'node:timers/promises'
import { bootNow } from '../native/clock.ts'
import type { Hands } from './hands.ts'

export interface HandOffPlan {
  readonly key: string
  readonly holdMs: number
  /** Ends after so long, or so many rounds. */
  readonly forMs: number
  readonly rounds: number
  /** Whoever is not let in within this time fails with `LOCK_TIMEOUT`. */
  readonly patienceMs: number
}

/** One holder's turn, in nanoseconds of CLOCK_BOOTTIME. */
export interface Pass {
  readonly asked: bigint
  readonly granted: bigint
  readonly released: bigint
}

export async function handOff(hands: Hands, { key, holdMs, forMs, rounds, patienceMs }: HandOffPlan): Promise<Pass[]> {
  const passes: Pass[] = []
  const end = performance.now() + forMs
  while (passes.length < rounds && performance.now() < end) {
    const lease = hands.next()
    const asked = bootNow()
    const { at: granted } = await hands.take(lease, { read: [], write: [key] }, patienceMs)
    await pause(holdMs)
    passes.push({ asked, granted, released: await hands.release(lease) })
  }
  return passes
}

/**
 * Milliseconds from each release to the next grant, where whoever was let in had asked before the release.
 *
 * @param leastWaitMs before the release: one who asked a moment before may have been on the way still.
 */
export function handOffTimes(turns: readonly (readonly Pass[])[], leastWaitMs: number): number[] {
  const passes = turns.flatMap((some, who) => some.map((pass) => ({ ...pass, who }))).sort((a, b) => (a.granted < b.granted ? -1 : 1))
  const leastWait = BigInt(Math.round(leastWaitMs * 1e6))
  return passes.flatMap(({ asked, granted, who }, i) => {
    const before = passes[i - 1]
    if (before === undefined || before.who === who || asked + leastWait > before.released) return []
    return [Number(granted - before.released) / 1e6]
  })
}
