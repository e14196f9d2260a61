// SPDX-License-Identifier: MIT
// Random requests in a small tree: reads, writes and both at once, at several depths, some of them only tried and some given up soon. What was
// granted is for the oracle to judge.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isLockError } from '../core/errors.ts'
import type { Hands } from './hands.ts'
import type { Roots } from './oracle.ts'
import { Dice } from './torture/dice.ts'

export interface StormPlan {
  /** The root of the tree. */
  readonly root: string
  readonly seed: number
  /** How many requests are under way at once. */
  readonly tasks: number
  /** Ends after so long, or so many requests of each task. */
  readonly forMs: number
  readonly rounds: number
  /** Whoever waits for longer fails with `LOCK_TIMEOUT`. */
  readonly patienceMs: number
}

export interface StormCount {
  readonly granted: number
  /** Tries that were answered busy, and requests that gave up. */
  readonly refused: number
}

export async function storm(hands: Hands, { root, seed, tasks, forMs, rounds, patienceMs }: StormPlan): Promise<StormCount> {
  const dice = new Dice(seed, 'storm')
  const end = performance.now() + forMs
  let [granted, refused] = [0, 0]
  const task = async (): Promise<void> => {
    for (let round = 0; round < rounds && performance.now() < end; round++) {
      const lease = hands.next()
      if (await ask(hands, lease, request(dice, root), dice, patienceMs)) {
        granted++
        if (dice.next() < 0.5) await nextTurn()
        await hands.release(lease)
      } else refused++
      // An engine that answers at once would keep the others of this thread out of their turn.
      if (round % 16 === 0) await nextTurn()
    }
  }
  await Promise.all(Array.from({ length: tasks }, task))
  return { granted, refused }
}

/** False when it was busy, or gave up as the dice had it. */
async function ask(hands: Hands, lease: number, roots: Roots, dice: Dice, patienceMs: number): Promise<boolean> {
  const manner = dice.next()
  if (manner < 0.2) return (await hands.tryTake(lease, roots)) !== null
  const impatient = manner < 0.3
  try {
    await hands.take(lease, roots, impatient ? Math.ceil(4 * dice.next()) : patienceMs)
    return true
  } catch (error) {
    if (impatient && isLockError(error, 'LOCK_TIMEOUT')) return false
    throw error
  }
}

const BELOW: readonly string[] = ['/a', '/a/1', '/a/2', '/a/2/x', '/b', '/b/1', '/c']

/** One or two places to read or write; the whole tree seldom. */
function request(dice: Dice, root: string): Roots {
  const read: string[] = []
  const write: string[] = []
  const count = dice.next() < 0.6 ? 1 : 2
  for (let i = 0; i < count; i++) {
    const place = dice.next() < 0.04 ? '' : dice.one(BELOW)
    ;(dice.next() < 0.4 ? write : read).push(root + place)
  }
  return { read, write }
}
