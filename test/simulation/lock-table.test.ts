// SPDX-License-Identifier: MIT
// The lock table in thousands of worlds a second: whoever comes, goes, gives up or weakens its lock is a choice, the oracle of the simulation judges
// what came of it, and when all have gone nobody is left waiting.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Footprint, LockTable, type Ticket } from '../../src/core/lock-table.ts'
import { judge, type Mark } from '../../src/evidence/oracle.ts'
import { universeOf } from '../core/lock-table-model.ts'
import { freshSeed } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { measured } from './rate.ts'
import { SHAPES } from './schedule.ts'

const FOR_EVER = 2n ** 63n - 1n
const { shapes, claims, count } = universeOf(SHAPES)

interface Choice {
  readonly do: 'come' | 'try' | 'go' | 'give up' | 'weaken'
  readonly which: number
}

/** Rules of the table that can be left out. */
type Flaw = 'a try looks' | 'who gives up is gone' | 'who goes lets in'

interface Guest {
  readonly number: number
  readonly shape: number
  footprint: Footprint
  ticket: Ticket<Guest> | null
  held: boolean
}

class Table {
  readonly marks: Mark[] = []
  private readonly table: LockTable<Guest>
  private readonly flaw: Flaw | null
  private present: Guest[] = []
  private now = 0n
  private tokens = 0n
  private numbers = 0

  constructor(preferWriters: boolean, flaw: Flaw | null) {
    this.table = new LockTable<Guest>({ preferWriters, admit: (guest) => this.enters(guest) })
    this.flaw = flaw
  }

  step({ do: what, which }: Choice): void {
    this.now++
    const guest = this.present[which % Math.max(1, this.present.length)]
    if (what === 'come' || what === 'try') this.comes(which % count, what === 'try')
    else if (guest === undefined) return
    else if (what === 'weaken') this.weakens(guest)
    else if (what === 'give up' && !guest.held) this.givesUp(guest)
    else if (what === 'go' && guest.held) this.goes(guest)
  }

  /** All go, as they can. Answers how many are left. */
  end(): number {
    for (let guest = this.present.find(({ held }) => held); guest !== undefined; guest = this.present.find(({ held }) => held)) {
      this.now++
      this.goes(guest)
    }
    return this.present.length + this.table.waiting.size
  }

  private comes(shape: number, tries: boolean): void {
    const footprint = this.table.footprint(claims[shape]!)
    const guest: Guest = { number: ++this.numbers, shape, footprint, ticket: null, held: false }
    if (tries) {
      if (this.table.tryEnter(footprint) || this.flaw === 'a try looks') this.enters(guest)
      if (guest.held) this.present.push(guest)
      return
    }
    this.present.push(guest)
    guest.ticket = this.table.enter(footprint, guest)
    if (guest.ticket === null) this.enters(guest)
  }

  private enters(guest: Guest): void {
    guest.held = true
    const { read, write } = shapes[guest.shape]!
    const token = ++this.tokens
    this.marks.push({ word: 'granted', who: 'table', lease: guest.number, at: this.now, deadline: FOR_EVER, token, read, write })
  }

  private goes(guest: Guest): void {
    this.leaves(guest)
    this.marks.push({ word: 'released', who: 'table', lease: guest.number, at: this.now })
    if (this.flaw !== 'who goes lets in' || this.table.waiting.size === 0) this.table.leave(guest.footprint)
  }

  private givesUp(guest: Guest): void {
    this.leaves(guest)
    if (this.flaw !== 'who gives up is gone') this.table.withdraw(guest.ticket!)
  }

  private weakens(guest: Guest): void {
    if (!guest.held || guest.footprint.readsOnly) return
    this.marks.push({ word: 'weakened', who: 'table', lease: guest.number, at: this.now })
    const weaker = this.table.footprint(claims[guest.shape + count]!)
    this.table.weaken(guest.footprint, weaker)
    guest.footprint = weaker
  }

  private leaves(guest: Guest): void {
    this.present = this.present.filter((other) => other !== guest)
  }
}

const choice: fc.Arbitrary<Choice> = fc.record({
  do: fc.constantFrom('come', 'come', 'go', 'come', 'go', 'try', 'give up', 'weaken'),
  which: fc.nat(59),
})
const choices: fc.Arbitrary<Choice[]> = fc.array(choice, { maxLength: 40, size: 'max' })

function faultsOf(preferWriters: boolean, steps: readonly Choice[], flaw: Flaw | null = null): readonly string[] {
  const table = new Table(preferWriters, flaw)
  for (const step of steps) table.step(step)
  const left = table.end()
  const { overlaps, tokenFaults } = judge(table.marks)
  return [...overlaps, ...tokenFaults, ...(left > 0 ? [`${left} are left`] : [])]
}

describe('In the lock table', () => {
  test.each([
    ['First come, first served', false],
    ['Writers first', true],
  ])(
    '%s: no two are let in that exclude each other, and nobody is left waiting.',
    (order, preferWriters) => {
      const runs = scaled(2_000)
      const rate = measured()
      fc.assert(
        fc.property(choices, (steps) => {
          expect(faultsOf(preferWriters, steps)).toEqual([])
        }),
        { seed: freshSeed(), numRuns: runs },
      )
      console.info(rate(order, runs))
    },
    patience(30_000),
  )

  test.each<Flaw>(['a try looks', 'who gives up is gone', 'who goes lets in'])('It is found out when the rule is lost that %s.', (flaw) => {
    const found = fc.check(
      fc.property(choices, (steps) => faultsOf(false, steps, flaw).length === 0),
      { seed: freshSeed(), numRuns: 500 },
    )
    expect(found.failed).toBe(true)
    expect(found.counterexample![0].length).toBeLessThan(6)
  })
})
