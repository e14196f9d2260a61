// SPDX-License-Identifier: MIT
// The oracle of the lock table: a list of requests in the order in which they came, and two rules. It knows nothing of modes, nodes or
// counts; whether two requests conflict is decided by their paths alone.
import { type Claims, claimsOf } from '../../src/core/claims.ts'
import { parsePath } from '../../src/core/path.ts'

/** Sub-trees to read and to write. */
export interface Shape {
  readonly read: readonly string[]
  readonly write: readonly string[]
}

/** Requests to draw from, what they claim, and which of them conflict. The shape `count + i` is what a downgrade leaves of the shape `i`. */
export interface Universe {
  readonly shapes: readonly Shape[]
  readonly claims: readonly Claims[]
  readonly count: number
  /** By shape and shape: 1 where they cannot be held at once. */
  readonly conflicts: readonly Uint8Array[]
}

/** One of the two paths is the other, or lies above it. */
export function overlap(a: string, b: string): boolean {
  const below = (upper: string, lower: string): boolean => upper === '/' || lower === upper || lower.startsWith(`${upper}/`)
  return below(a, b) || below(b, a)
}

/** Their sub-trees meet where at least one of them writes. */
export function conflict(a: Shape, b: Shape): boolean {
  const meet = (some: readonly string[], others: readonly string[]): boolean => some.some((one) => others.some((two) => overlap(one, two)))
  return meet(a.write, b.write) || meet(a.write, b.read) || meet(a.read, b.write)
}

export function claimsOfShape({ read, write }: Shape): Claims {
  const nodes = (paths: readonly string[]) => paths.map((path) => parsePath(path))
  return claimsOf(nodes(read), nodes(write))
}

export function universeOf(shapes: readonly Shape[]): Universe {
  const weaker = shapes.map(({ read, write }) => ({ read: [...read, ...write], write: [] }))
  const all = [...shapes, ...weaker]
  const claims = shapes.map(claimsOfShape)
  return {
    shapes: all,
    claims: [...claims, ...claims.map((one) => one.withoutWriting())],
    count: shapes.length,
    conflicts: all.map((a) => Uint8Array.from(all, (b) => (conflict(a, b) ? 1 : 0))),
  }
}

/** Requests over `paths`: one third reads, one third writes, the rest both, in either order, with up to three roots of a kind. */
export function randomShapes(next: () => number, paths: readonly string[], count: number): Shape[] {
  const some = (most: number): string[] => Array.from({ length: 1 + (next() % most) }, () => paths[next() % paths.length]!)
  return Array.from({ length: count }, () => {
    const kind = next() % 6
    if (kind < 2) return { read: some(kind === 0 ? 1 : 3), write: [] }
    if (kind < 4) return { read: [], write: some(kind === 2 ? 1 : 3) }
    return { read: some(2), write: some(2) }
  })
}

/** Every path of a tree with so many children at a node and so many levels, the root included. */
export function treeOf(children: number, levels: number): string[] {
  const paths = ['/']
  let level = ['']
  for (let depth = 0; depth < levels; depth++) {
    level = level.flatMap((parent) => Array.from({ length: children }, (_, i) => `${parent}/${String.fromCharCode(97 + i)}`))
    paths.push(...level)
  }
  return paths
}

export class ModelRequest {
  readonly id: number
  shape: number
  readonly writes: boolean
  granted = false

  constructor(id: number, shape: number, writes: boolean) {
    this.id = id
    this.shape = shape
    this.writes = writes
  }
}

/**
 * First come, first served: a request is granted when nothing that came before it, and is still here, conflicts with it.
 * Writers first: a writer is granted when nothing granted, and no writer that came before it, conflicts with it; a reader when
 * nothing granted, and no writer at all, conflicts with it.
 */
export class Model {
  readonly present: ModelRequest[] = []
  private readonly universe: Universe
  private readonly preferWriters: boolean
  /** Told of each request that is granted after it had to wait. */
  private readonly granted: (request: ModelRequest) => void

  constructor(universe: Universe, preferWriters: boolean, granted: (request: ModelRequest) => void) {
    this.universe = universe
    this.preferWriters = preferWriters
    this.granted = granted
  }

  enter(request: ModelRequest): boolean {
    request.granted = this.mayEnter(request, this.present.length)
    this.present.push(request)
    return request.granted
  }

  tryEnter(request: ModelRequest): boolean {
    if (!this.mayEnter(request, this.present.length)) return false
    request.granted = true
    this.present.push(request)
    return true
  }

  remove(request: ModelRequest): void {
    this.present.splice(this.present.indexOf(request), 1)
    this.letIn()
  }

  weaken(request: ModelRequest): void {
    request.shape += this.universe.count
    this.letIn()
  }

  private letIn(): void {
    for (let place = 0; place < this.present.length; place++) {
      const request = this.present[place]!
      if (request.granted || !this.mayEnter(request, place)) continue
      request.granted = true
      this.granted(request)
    }
  }

  private mayEnter(request: ModelRequest, place: number): boolean {
    const row = this.universe.conflicts[request.shape]!
    for (let i = 0; i < this.present.length; i++) {
      const other = this.present[i]!
      if (other === request || row[other.shape] === 0) continue
      if (this.preferWriters ? other.granted || (other.writes && (i < place || !request.writes)) : i < place) return false
    }
    return true
  }
}
