// SPDX-License-Identifier: MIT
// The five modes against a matrix written by hand from the paper, and the laws of a lattice.
import { describe, expect, test } from 'vitest'
import { compatible, conflicting, join, MODES, type Mode, readingPartOf } from '../../src/core/mode.ts'

// Rows and columns IS, IX, S, SIX, X; a plus where two holders may stand together.
const MATRIX = ['++++-', '++---', '+-+--', '+----', '-----']
const pairs = MODES.flatMap((a) => MODES.map((b) => [a, b] as const))
const triples = pairs.flatMap(([a, b]) => MODES.map((c) => [a, b, c] as const))

/** What a mode allows beyond the others: the set whose union is the join, and whose inclusion is the order of the lattice. */
const RIGHTS: Readonly<Record<Mode, string>> = { IS: 'a', IX: 'ab', S: 'ac', SIX: 'abc', X: 'abcd' }
const atMost = (a: Mode, b: Mode): boolean => [...RIGHTS[a]].every((right) => RIGHTS[b].includes(right))

describe('Two holders on one node', () => {
  test.each(pairs)('%s beside %s: as the table of Gray et al. says', (a, b) => {
    expect(compatible(a, b)).toBe(MATRIX[MODES.indexOf(a)]![MODES.indexOf(b)] === '+')
  })

  test('It does not matter who came first.', () => {
    for (const [a, b] of pairs) expect(compatible(a, b)).toBe(compatible(b, a))
  })

  test('The modes that exclude a mode are those that it is not compatible with.', () => {
    for (const mode of MODES) expect(conflicting(mode)).toEqual(MODES.filter((other) => !compatible(mode, other)))
  })

  test('A stronger mode excludes at least what a weaker one excludes.', () => {
    for (const [weak, strong] of pairs.filter(([a, b]) => atMost(a, b)))
      expect(conflicting(strong)).toEqual(expect.arrayContaining([...conflicting(weak)]))
  })
})

describe('Joining the modes of one request on one node', () => {
  test('Reading all and writing something below is SIX.', () => {
    expect(join('S', 'IX')).toBe('SIX')
    expect(join('IX', 'S')).toBe('SIX')
  })

  test('The join is the weakest mode that gives both.', () => {
    for (const [a, b] of pairs) {
      const both = MODES.filter((mode) => atMost(a, mode) && atMost(b, mode))
      expect(both).toContain(join(a, b))
      expect(both.every((mode) => atMost(join(a, b), mode))).toBe(true)
    }
  })

  test('Order and repetition do not matter.', () => {
    for (const [a, b] of pairs) expect(join(a, b)).toBe(join(b, a))
    for (const [a, b, c] of triples) expect(join(a, join(b, c))).toBe(join(join(a, b), c))
    for (const mode of MODES) expect(join(mode, mode)).toBe(mode)
  })

  test('The join excludes whatever one of its parts excludes, and nothing else but what the two make together.', () => {
    for (const [a, b] of pairs) {
      const either = MODES.filter((mode) => !compatible(a, mode) || !compatible(b, mode))
      expect(conflicting(join(a, b))).toEqual(either)
    }
  })
})

describe('What is left of a mode without writing', () => {
  test('It never writes, never grows, and keeps all reading.', () => {
    expect(Object.fromEntries(MODES.map((mode) => [mode, readingPartOf(mode)]))).toEqual({ IS: 'IS', IX: 'IS', S: 'S', SIX: 'S', X: 'S' })
    for (const mode of MODES) expect(atMost(readingPartOf(mode), mode)).toBe(true)
  })
})
