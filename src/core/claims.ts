// SPDX-License-Identifier: MIT
// A request names roots of sub-trees to read and to write; claims are what that means node by node: S or X on the roots,
// IS or IX on everything above them, joined where they meet, and nothing below a root that already covers it.
import { invalid } from './errors.ts'
import { compatible, join, type Mode, readingPartOf } from './mode.ts'
import type { LockNode } from './path.ts'

/** One node and the mode in which a request needs it. */
export interface Claim {
  readonly key: string
  readonly mode: Mode
}

/** The claims of one request, in the one order in which every request takes its nodes: by key, an ancestor before what is below it. */
export class Claims implements Iterable<Claim> {
  readonly list: readonly Claim[]
  /** The keys of the sub-trees asked for, after pruning: what to show to people. */
  readonly read: readonly string[]
  readonly write: readonly string[]
  /** A place for one backend (`memoOf`) to remember what it worked out of these claims (`memo`). */
  memoOf: unknown = undefined
  memo: unknown = undefined

  constructor(list: readonly Claim[], read: readonly string[], write: readonly string[]) {
    this.list = list
    this.read = read
    this.write = write
  }

  [Symbol.iterator](): Iterator<Claim> {
    return this.list[Symbol.iterator]()
  }

  /** What is left when the holder stops writing and goes on reading the same sub-trees. */
  withoutWriting(): Claims {
    if (this.write.length === 0) return this
    const weaker = this.list.map(({ key, mode }) => ({ key, mode: readingPartOf(mode) }))
    return new Claims(weaker, [...this.read, ...this.write].sort(byKey), [])
  }

  /** The first claim of ours that a claim of `other` excludes, if any. */
  conflictWith(other: Claims): Claim | undefined {
    return conflictBetween(this.list, other.list)
  }
}

/**
 * The claims of a request that reads and writes these sub-trees.
 *
 * @throws LockError `LOCK_INVALID` when it names nothing.
 */
export function claimsOf(read: readonly LockNode[], write: readonly LockNode[]): Claims {
  if (read.length === 0 && write.length === 0) throw invalid('The request names no path, neither to read nor to write.')
  const roots = new Map<string, 'S' | 'X'>()
  for (const node of read) roots.set(node.key, 'S')
  for (const node of write) roots.set(node.key, 'X')

  const modes = new Map<string, Mode>()
  const add = (key: string, mode: Mode): void => {
    const known = modes.get(key)
    modes.set(key, known === undefined ? mode : join(known, mode))
  }
  const kept = { S: new Set<string>(), X: new Set<string>() }
  const keep = (node: LockNode, mode: 'S' | 'X', intent: 'IS' | 'IX'): void => {
    const covered = node.ancestors.some((key) => roots.get(key) === 'X' || (mode === 'S' && roots.has(key)))
    if (covered || roots.get(node.key) !== mode || kept[mode].has(node.key)) return
    kept[mode].add(node.key)
    add(node.key, mode)
    for (const key of node.ancestors) add(key, intent)
  }
  for (const node of read) keep(node, 'S', 'IS')
  for (const node of write) keep(node, 'X', 'IX')

  const list = Array.from(modes, ([key, mode]) => ({ key, mode })).sort((a, b) => byKey(a.key, b.key))
  return new Claims(list, [...kept.S].sort(byKey), [...kept.X].sort(byKey))
}

/** The first of the one's claims that a claim of the other excludes, if any. */
export function conflictBetween(ours: readonly Claim[], theirs: readonly Claim[]): Claim | undefined {
  const modes = new Map(theirs.map(({ key, mode }) => [key, mode]))
  return ours.find(({ key, mode }) => {
    const other = modes.get(key)
    return other !== undefined && !compatible(mode, other)
  })
}

/** Keys are all different. */
function byKey(a: string, b: string): number {
  return a < b ? -1 : 1
}
