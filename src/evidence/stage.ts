// SPDX-License-Identifier: MIT
// Where an examination takes place: a tree of its own in the lock space, beside all paths, and the workers that act in it.
import { randomBytes } from 'node:crypto'
import type { Lease } from '../core/lease.ts'
import type { LockSpace } from '../lock-space.ts'
import { nodeOf } from './hands.ts'
import type { Line } from './worker.ts'

/** Two users of one space, which may be one and the same. */
export interface Pair {
  readonly a: Line
  readonly b: Line
}

let leases = 1_000_000

/** A number for a lease; hands number their own from 1 on. */
export function aLease(): number {
  return ++leases
}

/** Keys that begin so lie below no path. */
const TREE = 'holdfast-verify:'
/** So many examinations of one space at once have a tree each that was used before; more of them get new names. */
const TREES = 16

export interface OwnTree {
  /** The key of its root. */
  readonly root: string
  /** Keeps other examinations out of it, until the space is closed. Null where so many run that each has a new name. */
  readonly guard: Lease | null
}

/**
 * A tree that no other examination of this space uses as long as ours runs. The names come back from run to run, as kernel files keep an empty
 * file for each place that was ever used.
 */
export async function ownTree(space: LockSpace): Promise<OwnTree> {
  for (let number = 1; number <= TREES; number++) {
    const guard = await space.tryWrite(nodeOf(`${TREE}taken-${number}`), { name: 'holdfast verify' })
    if (guard !== null) return { root: `${TREE}${number}`, guard }
  }
  return { root: TREE + randomBytes(6).toString('hex'), guard: null }
}
