// SPDX-License-Identifier: MIT
// From what a lease claims node by node back to the sub-trees that it may read and write: all that the oracle wants to know.
import type { Roots } from '../../src/evidence/oracle.ts'
import type { Claim } from '../../src/index.ts'

export function rootsOf(claims: readonly Claim[]): Roots {
  const keysIn = (...modes: readonly string[]): readonly string[] => claims.flatMap(({ key, mode }) => (modes.includes(mode) ? [key] : []))
  return { read: keysIn('S', 'SIX'), write: keysIn('X') }
}
