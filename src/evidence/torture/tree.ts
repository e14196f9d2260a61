// SPDX-License-Identifier: MIT
// Where it all happens: a tree of its own in the lock space, beside all paths; and what is left in it when everybody has gone.
import { randomBytes } from 'node:crypto'
import type { Holder } from '../../core/inspection.ts'
import type { Lease } from '../../core/lease.ts'
import type { LockSpace } from '../../lock-space.ts'
import { soon } from '../bounded.ts'
import { nodeOf } from '../hands.ts'

/** Keys that begin so lie below no path. */
const TREE = 'holdfast-torture:'
/** Where the pulses of workers are. */
export const PULSES: string = `${TREE}pulses`
/** Names come back from run to run, as kernel files keep an empty file for each place that was ever used. */
const TREES = 8
const NAME = 'holdfast torture'

/** The first tree, for those who have the space to themselves. */
export const FIRST_TREE: string = `${TREE}1`

/** A tree that no other run uses as long as the guard is held, which is null where so many run that each has a new name. */
export async function guardedTree(locks: LockSpace): Promise<{ readonly root: string; readonly guard: Lease | null }> {
  for (let number = 1; number <= TREES; number++) {
    const guard = await locks.tryWrite(nodeOf(`${TREE}taken-${number}`), { name: NAME })
    if (guard !== null) return { root: TREE + number, guard }
  }
  return { root: TREE + randomBytes(6).toString('hex'), guard: null }
}

/** Tries for so long to have the whole tree, as the leases of the dead may last a while, and says what is in the way, or still to be seen there. */
export async function leftIn(locks: LockSpace, root: string, withinMs: number): Promise<readonly string[]> {
  const left: string[] = []
  const all = await soon(withinMs, () => locks.tryWrite(nodeOf(root), { name: NAME }))
  if (all === null) left.push(`nobody can have the whole tree after ${withinMs} ms`)
  await all?.release()
  // What is shown comes from all the others, and may be a moment old.
  const clean = await soon(withinMs, async () => ((await seen(locks, root)).length === 0 ? true : null))
  return clean === null ? [...left, ...(await seen(locks, root))] : left
}

async function seen(locks: LockSpace, root: string): Promise<readonly string[]> {
  const { holders, waiters } = await locks.inspect()
  return [...holders, ...waiters].filter(({ read, write }) => [...read, ...write].some((key) => isBelow(key, root))).map(inWords)
}

function isBelow(key: string, root: string): boolean {
  return key === root || key.startsWith(`${root}/`)
}

function inWords({ state, read, write, owner }: Holder): string {
  const what = [...write.map((key) => `write ${key}`), ...read.map((key) => `read ${key}`)].join(', ')
  return `${state}: ${what} (process ${owner.pid})`
}
