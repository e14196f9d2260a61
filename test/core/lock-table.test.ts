// SPDX-License-Identifier: MIT
// The lock table against its oracle: random programs of arrivals, departures, downgrades, aborts and tries, compared after every step.
import { describe, expect, test } from 'vitest'
import { type Footprint, LockTable, type Ticket } from '../../src/core/lock-table.ts'
import { freshSeed, generator, shrink } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { claimsOfShape, Model, ModelRequest, randomShapes, treeOf, type Universe, universeOf } from './lock-table-model.ts'

/** One step of a program: what to do, and two numbers of which each kind of step makes what it needs. */
interface Step {
  readonly kind: 'enter' | 'try' | 'leave' | 'withdraw' | 'weaken'
  readonly pick: number
  readonly habit: number
}

const KINDS: readonly Step['kind'][] = ['enter', 'enter', 'enter', 'enter', 'enter', 'try', 'leave', 'leave', 'leave', 'withdraw', 'weaken']
const MOST_PRESENT = 14
const STEPS = 250
const GRANTS = scaled(2_000_000)

/** What a request does as soon as it is told that it may enter. */
const HABITS = ['stays', 'stays', 'stays', 'leaves', 'weakens', 'leaves and sends another', 'leaves and takes a waiting one along'] as const
type Habit = (typeof HABITS)[number]

interface Live {
  readonly model: ModelRequest
  readonly habit: Habit
  footprint: Footprint
  ticket: Ticket<Live> | null
  told: boolean
}

/** Runs one program on a table and on the oracle at once. Throws at the first difference. */
class Run {
  grants = 0
  withdrawals = 0
  waits = 0
  private readonly universe: Universe
  private readonly model: Model
  private readonly table: LockTable<Live>
  private readonly footprints: (Footprint | undefined)[] = []
  private readonly live = new Map<ModelRequest, Live>()
  private requests = 0
  private untold = 0

  constructor(universe: Universe, preferWriters: boolean) {
    this.universe = universe
    this.model = new Model(universe, preferWriters, () => this.untold++)
    this.table = new LockTable<Live>({ preferWriters, admit: (live) => this.admitted(live) })
  }

  step({ kind, pick, habit }: Step): void {
    if (kind === 'enter') this.enter(pick, HABITS[habit % HABITS.length]!)
    else if (kind === 'try') this.tryEnter(pick)
    else {
      const some = [...this.live.values()].filter((live) => live.told !== (kind === 'withdraw'))
      const live = some[pick % some.length]
      if (live === undefined) return
      if (kind === 'leave') this.leave(live)
      else if (kind === 'withdraw') this.withdraw(live)
      else this.weaken(live)
    }
    this.compare()
  }

  /** Lets everybody go, whoever holds first; then the table must be empty, so that the whole tree can be written. */
  finish(): void {
    for (let guard = 0; this.live.size > 0; guard++) {
      if (guard > MOST_PRESENT * 4) throw new Error(`${this.live.size} requests are stuck`)
      for (const live of [...this.live.values()]) if (live.told && this.live.has(live.model)) this.leave(live)
      this.compare()
    }
    const everything = this.table.footprint(claimsOfShape({ read: [], write: ['/'] }))
    if (!this.table.tryEnter(everything)) throw new Error('something was left in the table')
    this.table.leave(everything)
    for (const [shape, claims] of this.universe.claims.entries()) {
      const footprint = this.footprint(shape)
      if (!this.table.tryEnter(footprint)) throw new Error(`something was left at ${claims.read} ${claims.write}`)
      this.table.leave(footprint)
    }
  }

  private enter(pick: number, habit: Habit): void {
    if (this.live.size >= MOST_PRESENT) return
    const live = this.request(pick, habit)
    const expected = this.model.enter(live.model)
    live.ticket = this.table.enter(live.footprint, live)
    live.told = live.ticket === null
    this.live.set(live.model, live)
    if (live.told) this.grants++
    else this.waits++
    if (live.told !== expected) throw new Error(`request ${live.model.id} ${expected ? 'had to wait' : 'entered at once'}`)
  }

  private tryEnter(pick: number): void {
    if (this.live.size >= MOST_PRESENT) return
    const live = this.request(pick, 'stays')
    const expected = this.model.tryEnter(live.model)
    const entered = this.table.tryEnter(live.footprint)
    if (entered !== expected) throw new Error(`request ${live.model.id} ${expected ? 'was refused' : 'entered'} when it tried`)
    if (!entered) return
    live.told = true
    this.grants++
    this.live.set(live.model, live)
  }

  private leave(live: Live): void {
    this.live.delete(live.model)
    this.model.remove(live.model)
    this.table.leave(live.footprint)
  }

  private weaken(live: Live): void {
    if (live.model.shape >= this.universe.count) return
    this.model.weaken(live.model)
    const from = live.footprint
    live.footprint = this.footprint(live.model.shape)
    this.table.weaken(from, live.footprint)
  }

  private withdraw(live: Live): void {
    this.withdrawals++
    this.live.delete(live.model)
    this.model.remove(live.model)
    if (!this.table.withdraw(live.ticket!)) throw new Error(`request ${live.model.id} waited, and could not be withdrawn`)
    if (this.table.withdraw(live.ticket!)) throw new Error(`request ${live.model.id} was withdrawn twice`)
  }

  private admitted(live: Live): void {
    if (live.told || !live.model.granted) throw new Error(`request ${live.model.id} was let in ${live.told ? 'twice' : 'too early'}`)
    live.told = true
    this.untold--
    this.grants++
    if (this.table.withdraw(live.ticket!)) throw new Error(`request ${live.model.id} was withdrawn after it had entered`)
    if (live.habit === 'stays') return
    if (live.habit === 'weakens') this.weaken(live)
    else this.leave(live)
    if (live.habit === 'leaves and sends another') this.enter(live.model.id * 7, 'stays')
    if (live.habit === 'leaves and takes a waiting one along') {
      const waiting = [...this.live.values()].find((other) => !other.model.granted)
      if (waiting !== undefined) this.withdraw(waiting)
    }
  }

  private request(pick: number, habit: Habit): Live {
    const shape = pick % this.universe.count
    const model = new ModelRequest(++this.requests, shape, this.universe.shapes[shape]!.write.length > 0)
    return { model, habit, footprint: this.footprint(shape), ticket: null, told: false }
  }

  /** Half of the requests share a footprint with others of their shape, the other half bring a fresh one. */
  private footprint(shape: number): Footprint {
    const fresh = (): Footprint => this.table.footprint(this.universe.claims[shape]!)
    if (this.requests % 2 === 0) return fresh()
    this.footprints[shape] ??= fresh()
    return this.footprints[shape]
  }

  private compare(): void {
    if (this.untold !== 0) throw new Error(`${this.untold} requests should have been let in`)
    let waiting = 0
    const { present } = this.model
    for (let i = 0; i < present.length; i++) {
      if (!present[i]!.granted) waiting++
      else for (let j = 0; j < i; j++) this.exclude(present[i]!, present[j]!)
    }
    if (this.table.waiting.size !== waiting) throw new Error(`${this.table.waiting.size} requests wait instead of ${waiting}`)
  }

  private exclude(a: ModelRequest, b: ModelRequest): void {
    if (b.granted && this.universe.conflicts[a.shape]![b.shape] === 1) throw new Error(`requests ${a.id} and ${b.id} both hold`)
  }
}

function program(next: () => number): Step[] {
  return Array.from({ length: STEPS }, () => ({ kind: KINDS[next() % KINDS.length]!, pick: next(), habit: next() }))
}

function failure(universe: Universe, preferWriters: boolean, steps: readonly Step[]): string | undefined {
  const run = new Run(universe, preferWriters)
  try {
    for (const step of steps) run.step(step)
    run.finish()
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

function report(universe: Universe, preferWriters: boolean, steps: readonly Step[], seed: number): Error {
  const shortest = shrink(steps, (fewer) => failure(universe, preferWriters, fewer) !== undefined)
  const lines = shortest.map(({ kind, pick, habit }) => {
    const shape = universe.shapes[pick % universe.count]
    return kind === 'enter'
      ? `enter ${JSON.stringify(shape)}, ${HABITS[habit % HABITS.length]}`
      : kind === 'try'
        ? `try ${JSON.stringify(shape)}`
        : kind
  })
  return new Error(`HOLDFAST_TEST_SEED=${seed}: ${failure(universe, preferWriters, shortest)}\n${lines.join('\n')}`)
}

/** Programs over ever new requests until so many were granted. */
function compareWithOracle(paths: readonly string[], preferWriters: boolean, grants: number): void {
  const seed = freshSeed()
  const next = generator(seed)
  let granted = 0
  let waited = 0
  let withdrawn = 0
  while (granted < grants) {
    const universe = universeOf(randomShapes(next, paths, 40))
    for (let i = 0; i < 25; i++) {
      const steps = program(next)
      const run = new Run(universe, preferWriters)
      try {
        for (const step of steps) run.step(step)
        run.finish()
      } catch {
        throw report(universe, preferWriters, steps, seed)
      }
      granted += run.grants
      waited += run.waits
      withdrawn += run.withdrawals
    }
  }
  expect(waited).toBeGreaterThan(granted / 5)
  expect(withdrawn).toBeGreaterThan(granted / 50)
}

const TREES: Readonly<Record<string, readonly string[]>> = {
  'a few names in one folder': treeOf(5, 1),
  'a small tree': treeOf(2, 3),
  'one deep path and its branches': Array.from({ length: 9 }, (_, i) => `/a${'/a'.repeat(i)}`).flatMap((path) => [path, `${path}/b`]),
}

describe.each([
  ['first come, first served', false],
  ['writers first', true],
] as const)('With %s, the table grants what an oracle grants', (_, preferWriters) => {
  test.each(Object.entries(TREES))(
    'over %s, after every arrival, departure, downgrade, abort and try',
    (_name, paths) => {
      compareWithOracle(paths, preferWriters, GRANTS / 6)
    },
    patience(60_000),
  )
})
