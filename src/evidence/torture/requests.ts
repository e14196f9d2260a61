// SPDX-License-Identifier: MIT
// What is asked for: an endless list of random requests for each task, which depends on nothing but the seed.
import { Dice } from './dice.ts'
import { PLACES, placeIn, WHOLE } from './places.ts'

const FLAT = places(/^\/f/)
const DEEP = places(/^\/[md]/)
const ALL_BUT_THE_ROOT = places(/^\//)
const THE_ROOT = 0

/** With several trees, a task stays in one for so many requests on an average, so that whoever waits there does not keep all others waiting. */
const STAY = 200
/** One of so many requests with several places has them in several trees; and of those for a whole tree, for all trees. */
const APART = 40
const ALL_OF_THEM = 40

/** A request names so many places at most, to read and to write each. */
export const MOST_ROOTS = 4

/** Try: never waits. Time-out and abort: gives up after `afterMs`, unless it was granted before. Wait: as long as it takes. */
export type Manner = 'try' | 'time-out' | 'abort' | 'wait'

/** One request, and what becomes of the lease that it gets. */
export interface Step {
  /** By their numbers among all places. */
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
  /** Which tree: with these the other dice fall as they do with one tree. */
  private readonly treeDice: Dice
  private readonly unitMs: number
  private readonly trees: number
  private tree: number

  /** @param unitMs the time that a lease lasts, or what is taken for it: some are held for longer than that. */
  constructor(seed: number, worker: number, life: number, task: number, unitMs: number, trees = 1) {
    this.dice = new Dice(seed, 'requests', worker, life, task)
    this.treeDice = new Dice(seed, 'trees', worker, life, task)
    this.unitMs = unitMs
    this.trees = trees
    this.tree = this.treeDice.below(trees)
  }

  next(): Step {
    const { dice } = this
    const [read, write] = this.trees === 1 ? this.roots() : this.amongTrees(this.roots())
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

  private amongTrees([read, write]: readonly [readonly number[], readonly number[]]): [number[], number[]] {
    const { treeDice, trees } = this
    if (treeDice.below(STAY) === 0) this.tree = treeDice.below(trees)
    const whole = read[0] === THE_ROOT || write[0] === THE_ROOT
    if (whole && treeDice.below(ALL_OF_THEM) === 0) return [read.map(() => WHOLE), write.map(() => WHOLE)]
    const apart = read.length + write.length > 1 && treeDice.below(APART) === 0
    const chosen = (place: number): number => placeIn(apart ? treeDice.below(trees) : this.tree, place, trees)
    return [read.map(chosen), write.map(chosen)]
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
