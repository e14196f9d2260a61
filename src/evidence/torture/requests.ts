// SPDX-License-Identifier: MIT
// What is asked for: an endless list of random requests for each task, which depends on nothing but the seed.
import { Dice } from './dice.ts'

/** Where requests lie below the root of the tree: flat, in the middle, and deep. */
export const PLACES: readonly string[] = [
  '',
  ...Array.from({ length: 20 }, (_, i) => `/f${i}`),
  ...['/m', '/m/1', '/m/2', '/m/3', '/m/1/x', '/m/1/y', '/m/2/x', '/m/2/y', '/m/3/x'],
  ...['/d', '/d/2', '/d/2/3', '/d/2/3/4', '/d/2/3/4/5', '/d/2/3/4/5/6', '/d/2/3/4/5/6/7', '/d/2/3/4/5/6/7/8', '/d/2/3/4/5/6/7/9'],
]
const FLAT = places(/^\/f/)
const DEEP = places(/^\/[md]/)
const ALL_BUT_THE_ROOT = places(/^\//)
const THE_ROOT = 0

/** A request names so many places at most, to read and to write each. */
export const MOST_ROOTS = 4

/** Try: never waits. Time-out and abort: gives up after `afterMs`, unless it was granted before. Wait: as long as it takes. */
export type Manner = 'try' | 'time-out' | 'abort' | 'wait'

/** One request, and what becomes of the lease that it gets. */
export interface Step {
  /** By their numbers in {@link PLACES}. */
  readonly read: readonly number[]
  readonly write: readonly number[]
  readonly manner: Manner
  readonly afterMs: number
  /** 0: given back at once. Less than 1: in the next turn. */
  readonly holdMs: number
  /** Half-way it is weakened to reading, if it writes. */
  readonly weaken: boolean
}

/** The requests of one task. */
export class Requests {
  private readonly dice: Dice
  private readonly unitMs: number

  /** @param unitMs the time that a lease lasts, or what is taken for it: some are held for longer than that. */
  constructor(seed: number, worker: number, life: number, task: number, unitMs: number) {
    this.dice = new Dice(seed, 'requests', worker, life, task)
    this.unitMs = unitMs
  }

  next(): Step {
    const { dice } = this
    const [read, write] = this.roots()
    const manner = dice.next()
    return {
      read,
      write,
      manner: manner < 0.12 ? 'try' : manner < 0.16 ? 'time-out' : manner < 0.22 ? 'abort' : 'wait',
      afterMs: dice.below(30),
      holdMs: this.holdMs(),
      weaken: dice.next() < 0.15,
    }
  }

  private roots(): [number[], number[]] {
    const { dice } = this
    const [read, write]: [number[], number[]] = [[], []]
    const shape = dice.next()
    const add = (place: number, writing: number): void => {
      const list = dice.next() < writing ? write : read
      if (list.length < MOST_ROOTS && !list.includes(place)) list.push(place)
    }
    if (shape < 0.5) add(dice.one(FLAT), 0.5)
    else if (shape < 0.75) add(dice.one(DEEP), 0.4)
    else if (shape < 0.995) for (let i = 1 + dice.below(4); i >= 0; i--) add(dice.one(ALL_BUT_THE_ROOT), 0.35)
    else add(THE_ROOT, 0.5)
    return [read, write]
  }

  private holdMs(): number {
    const { dice } = this
    const kind = dice.next()
    const share = dice.next()
    // Whoever holds for long keeps many others waiting: it is rare, or little would happen.
    if (kind < 0.75) return 0
    if (kind < 0.985) return share
    if (kind < 0.997) return 1 + 3 * share
    if (kind < 0.99995) return 20 * share
    return 1.5 * this.unitMs * share
  }
}

function places(pattern: RegExp): readonly number[] {
  return PLACES.flatMap((place, number) => (pattern.test(place) ? [number] : []))
}
