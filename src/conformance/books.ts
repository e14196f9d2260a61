// SPDX-License-Identifier: MIT
// The oracle: decides who may be in, knowing nothing of modes, claims or engines. A request is, for it, a set of leaves of a small tree that are
// read or written. A lease counts as held from after its grant was reported until before its release was sent, so that whatever overlaps
// in the books has overlapped in truth.
import assert from 'node:assert/strict'
import type { LockRequest, Paths } from '../lock-space.ts'

/** Every place in the tree of the torture: several depths, leaves beside branches, and names that begin alike. */
export const PLACES: readonly string[] = ['/', '/a', '/a/1', '/a/2', '/a/2/x', '/a/2/y', '/ab', '/ab/1', '/b']
const LEAVES = PLACES.filter((place) => place !== '/' && !PLACES.some((other) => other.startsWith(`${place}/`)))

interface Leaf {
  readers: number
  writers: number
  /** The largest tokens that have read and written here. */
  readToken: bigint
  writeToken: bigint
}

interface Shares {
  readonly read: readonly string[]
  readonly write: readonly string[]
}

export class Books {
  private readonly leaves = new Map<string, Leaf>(LEAVES.map((leaf) => [leaf, { readers: 0, writers: 0, readToken: -1n, writeToken: -1n }]))
  entries = 0

  /** A grant was reported. Throws when it overlaps one that excludes it, or when its token is not above those that it follows. */
  enter(request: LockRequest, token: bigint): void {
    this.entries++
    const { read, write } = sharesOf(request)
    for (const name of read) {
      const leaf = this.leaves.get(name)!
      assert.equal(leaf.writers, 0, `Exclusion broken: ${name} is read while it is written`)
      assert.ok(token > leaf.writeToken, `Token ${token} reads ${name} after token ${leaf.writeToken} wrote it`)
      leaf.readers++
      if (token > leaf.readToken) leaf.readToken = token
    }
    for (const name of write) {
      const leaf = this.leaves.get(name)!
      assert.equal(leaf.writers, 0, `Exclusion broken: ${name} is written twice at once`)
      assert.equal(leaf.readers, 0, `Exclusion broken: ${name} is written while it is read`)
      assert.ok(token > leaf.writeToken, `Token ${token} writes ${name} after token ${leaf.writeToken} wrote it`)
      assert.ok(token > leaf.readToken, `Token ${token} writes ${name} after token ${leaf.readToken} read it`)
      leaf.writers++
      leaf.writeToken = token
    }
  }

  /** A release is about to be sent. */
  leave(request: LockRequest): void {
    const { read, write } = sharesOf(request)
    for (const name of read) this.leaves.get(name)!.readers--
    for (const name of write) this.leaves.get(name)!.writers--
  }

  /** A downgrade is about to be sent; answers what is held from then on. */
  weaken(request: LockRequest): LockRequest {
    const { write } = sharesOf(request)
    for (const name of write) {
      const leaf = this.leaves.get(name)!
      leaf.writers--
      leaf.readers++
    }
    return { read: [...listed(request.read), ...listed(request.write)] }
  }
}

/** True when the two cannot be held at once. */
export function conflict(one: LockRequest, other: LockRequest): boolean {
  const meet = (some: Paths | undefined, others: Paths | undefined) =>
    listed(some).some((path) => listed(others).some((place) => covers(path, place) || covers(place, path)))
  return meet(one.write, other.write) || meet(one.write, other.read) || meet(one.read, other.write)
}

function sharesOf({ read, write }: LockRequest): Shares {
  const written = leavesUnder(write)
  return { read: leavesUnder(read).filter((leaf) => !written.includes(leaf)), write: written }
}

function leavesUnder(paths: Paths | undefined): readonly string[] {
  return LEAVES.filter((leaf) => listed(paths).some((path) => covers(path, leaf)))
}

function covers(above: string, below: string): boolean {
  return above === '/' || above === below || below.startsWith(`${above}/`)
}

function listed(paths: Paths | undefined): readonly string[] {
  return paths === undefined ? [] : ([paths].flat() as string[])
}

/** Numbers that look random and are the same in every run (mulberry32). */
export class Dice {
  private state: number

  constructor(seed: number) {
    this.state = seed
  }

  /** From 0 to 1, 1 not included. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** One to three places to read and to write, in any order, some above others, some twice. */
  request(): LockRequest {
    const chosen = Array.from({ length: 1 + this.below(3) }, () => ({
      place: PLACES[this.below(PLACES.length)]!,
      write: this.next() < 0.4,
    }))
    const read = chosen.filter(({ write }) => !write).map(({ place }) => place)
    const write = chosen.filter((choice) => choice.write).map(({ place }) => place)
    return { ...(read.length > 0 && { read }), ...(write.length > 0 && { write }) }
  }
}
