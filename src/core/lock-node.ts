// SPDX-License-Identifier: MIT
// What a lock table is made of: nodes, the requests blocked at them, and where a set of claims lies. How they move is in lock-table.ts.
import type { Claims } from './claims.ts'
import { type Linked, LinkedList } from './linked-list.ts'
import { conflicting, MODES, type Mode } from './mode.ts'

/** A mode as a number: its place in {@link MODES}. */
export type ModeIndex = 0 | 1 | 2 | 3 | 4
export const IS = 0
export const IX = 1
export const S = 2
export const SIX = 3

const INDEX = Object.fromEntries(MODES.map((mode, index) => [mode, index])) as Record<Mode, ModeIndex>
/** By mode: the modes that it excludes. The relation is symmetric, so it also says who may be waiting for it to leave. */
export const EXCLUDED: readonly (readonly ModeIndex[])[] = MODES.map((mode) => conflicting(mode).map((other) => INDEX[other]))
/** By old mode and new mode: those that the old one excluded and the new one does not. */
export const FREED: readonly (readonly (readonly ModeIndex[])[])[] = EXCLUDED.map((before) =>
  EXCLUDED.map((after) => before.filter((mode) => !after.includes(mode))),
)

const DROPPED = -1

/** A place in the tree where requests stand. Plain fields and not an array: this is the hot path. */
export class Node {
  readonly key: string
  is = 0
  ix = 0
  s = 0
  six = 0
  x = 0
  /** s + six + x: those that a request to write something below has to wait for. */
  strong = 0
  gate: Gate | null = null
  aside: Aside | null = null

  constructor(key: string) {
    this.key = key
  }

  /** How many requests stand here that exclude `mode`. */
  against(mode: ModeIndex): number {
    if (mode === IX) return this.strong
    if (mode === IS) return this.x
    if (mode === S) return this.ix + this.six + this.x
    if (mode === SIX) return this.ix + this.s + this.six + this.x
    return this.is + this.ix + this.s + this.six + this.x
  }

  add(mode: ModeIndex, by: 1 | -1): void {
    if (mode === IX) this.ix += by
    else if (mode === IS) this.is += by
    else {
      this.strong += by
      if (mode === S) this.s += by
      else if (mode === SIX) this.six += by
      else this.x += by
    }
  }

  /** Whoever still points here cannot enter any more: it looks as if an X stood here that never leaves. */
  drop(): void {
    this.x = DROPPED
    this.strong = DROPPED
  }

  get dropped(): boolean {
    return this.x === DROPPED
  }

  get idle(): boolean {
    return (this.is | this.ix | this.s | this.six | this.x) === 0 && this.aside === null
  }
}

/** A waiting request, blocked at one node until `until` incompatible ones have gone from it. */
export class Blocked implements Linked<Blocked> {
  readonly ticket: Ticket<unknown>
  readonly node: Node
  readonly mode: ModeIndex
  until: number
  /** The next node at which the same request was blocked when it came. */
  readonly elsewhere: Blocked | null
  waiting = true
  previous: Blocked | null = null
  next: Blocked | null = null

  constructor(ticket: Ticket<unknown>, node: Node, mode: ModeIndex, until: number) {
    this.ticket = ticket
    this.node = node
    this.mode = mode
    this.until = until
    this.elsewhere = ticket.blocked
  }
}

/** Those blocked at one node. */
export class Gate {
  /** By mode: departures so far of requests that exclude it. */
  readonly gone: number[] = [0, 0, 0, 0, 0]
  /** By mode: those blocked, in the order of arrival, which is also the order of `until`. */
  readonly blocked: LinkedList<Blocked>[] = MODES.map(() => new LinkedList())
  size = 0

  append(entry: Blocked): void {
    this.blocked[entry.mode]!.add(entry)
    this.size++
  }

  remove(entry: Blocked): void {
    entry.waiting = false
    this.blocked[entry.mode]!.remove(entry)
    this.size--
  }
}

/** Readers that stand aside at a node of a table that prefers writers: those that it blocks as IS, and as S. */
export type Aside = readonly [Set<Ticket<unknown>>, Set<Ticket<unknown>>]

/** Where in the table a set of claims lies: worked out once, then reused as long as its nodes live. */
export class Footprint {
  /** @internal */
  readonly nodes: Node[]
  /** @internal */
  readonly modes: readonly ModeIndex[]
  /** @internal The same nodes, sorted: most are ancestors that a request means to write or to read below. */
  toWriteBelow: Node[] = []
  /** @internal */
  toReadBelow: Node[] = []
  /** @internal All others … */
  roots: Node[] = []
  /** @internal … and their modes. */
  rootModes: ModeIndex[] = []
  /** @internal */
  readonly claims: Claims

  constructor(claims: Claims, nodes: Node[]) {
    this.claims = claims
    this.nodes = nodes
    this.modes = claims.list.map(({ mode }) => INDEX[mode])
    this.sort()
  }

  /** @internal After `nodes` changed. */
  sort(): void {
    const { nodes, modes } = this
    const isRoot = (_: unknown, i: number): boolean => modes[i] !== IX && modes[i] !== IS
    this.toWriteBelow = nodes.filter((_, i) => modes[i] === IX)
    this.toReadBelow = nodes.filter((_, i) => modes[i] === IS)
    this.roots = nodes.filter(isRoot)
    this.rootModes = modes.filter(isRoot)
  }

  get readsOnly(): boolean {
    return this.claims.write.length === 0
  }
}

export type Stage = 'waiting' | 'admitted' | 'withdrawn'

/** A request that has to wait. */
export class Ticket<Owner> implements Linked<Ticket<Owner>> {
  /** @internal Neighbours among those that wait. */
  previous: Ticket<Owner> | null = null
  /** @internal */
  next: Ticket<Owner> | null = null
  readonly owner: Owner
  readonly footprint: Footprint
  /** @internal Its place in the order of arrival. */
  readonly position: number
  /** @internal */
  stage: Stage = 'waiting'
  /** @internal How many nodes still block it. */
  closed = 0
  /** @internal The nodes that blocked it when it came. */
  blocked: Blocked | null = null
  /** @internal The set in which it stands aside. */
  aside: Set<Ticket<unknown>> | null = null
  /** @internal */
  nextAdmitted: Ticket<Owner> | null = null

  constructor(owner: Owner, footprint: Footprint, position: number) {
    this.owner = owner
    this.footprint = footprint
    this.position = position
  }
}
