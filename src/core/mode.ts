// SPDX-License-Identifier: MIT
// The five modes of multi-granularity locking (J. Gray, R. Lorie, G. Putzolu, I. Traiger, "Granularity of Locks and Degrees of
// Consistency in a Shared Data Base", 1976). The tables below are the whole of it.

/**
 * How a node is locked.
 *
 * | mode | the holder |
 * |---|---|
 * | `IS` | reads something below this node |
 * | `IX` | writes something below this node |
 * | `S` | reads this node and everything below it |
 * | `SIX` | reads all of it and writes something below it |
 * | `X` | writes this node and everything below it |
 */
export type Mode = 'IS' | 'IX' | 'S' | 'SIX' | 'X'

export const MODES: readonly Mode[] = ['IS', 'IX', 'S', 'SIX', 'X']

const COMPATIBLE: Readonly<Record<Mode, readonly Mode[]>> = {
  IS: ['IS', 'IX', 'S', 'SIX'],
  IX: ['IS', 'IX'],
  S: ['IS', 'S'],
  SIX: ['IS'],
  X: [],
}

/** True when two holders may have these modes on one node at once. */
export function compatible(a: Mode, b: Mode): boolean {
  return COMPATIBLE[a].includes(b)
}

/** The modes that exclude `mode`. */
export function conflicting(mode: Mode): readonly Mode[] {
  return MODES.filter((other) => !compatible(mode, other))
}

const JOIN: Readonly<Record<Mode, Readonly<Record<Mode, Mode>>>> = {
  IS: { IS: 'IS', IX: 'IX', S: 'S', SIX: 'SIX', X: 'X' },
  IX: { IS: 'IX', IX: 'IX', S: 'SIX', SIX: 'SIX', X: 'X' },
  S: { IS: 'S', IX: 'SIX', S: 'S', SIX: 'SIX', X: 'X' },
  SIX: { IS: 'SIX', IX: 'SIX', S: 'SIX', SIX: 'SIX', X: 'X' },
  X: { IS: 'X', IX: 'X', S: 'X', SIX: 'X', X: 'X' },
}

/** The weakest mode that gives both: the join of the lattice, in which S ∨ IX = SIX. */
export function join(a: Mode, b: Mode): Mode {
  return JOIN[a][b]
}

const WITHOUT_WRITING: Readonly<Record<Mode, Mode>> = { IS: 'IS', IX: 'IS', S: 'S', SIX: 'S', X: 'S' }

/** What is left of a mode when its holder stops writing and goes on reading. */
export function readingPartOf(mode: Mode): Mode {
  return WITHOUT_WRITING[mode]
}
