// SPDX-License-Identifier: MIT
// A resource that checks tokens: it remembers for each place the largest that it has seen, and refuses writes with a smaller one. It stands for what is to be
// protected by locks, and is all that helps against a holder that was paused for longer than its lease and writes on.
import { placesOf } from './places.ts'

export class Fenced {
  private readonly cells: BigInt64Array
  /** By place, all that a lease for it covers. */
  private readonly covered: readonly (readonly number[])[]

  /** @param cells one for each place of so many trees, in memory that all writers share. */
  constructor(cells: BigInt64Array, trees: number) {
    this.cells = cells
    this.covered = coveredBy(placesOf(trees))
  }

  /** Writes at these places and all below. False when it is refused at one of them: somebody with a larger token was there. */
  write(places: readonly number[], token: bigint): boolean {
    return places.every((place) => this.covered[place]!.every((cell) => this.enter(cell, token)))
  }

  private enter(cell: number, token: bigint): boolean {
    const { cells } = this
    for (let seen = Atomics.load(cells, cell); token >= seen; ) {
      const found = Atomics.compareExchange(cells, cell, seen, token)
      if (found === seen) return true
      seen = found
    }
    return false
  }
}

function coveredBy(places: readonly string[]): readonly (readonly number[])[] {
  const covered: number[][] = places.map(() => [])
  const numbers = new Map(places.map((place, number) => [place, number]))
  for (const [number, place] of places.entries()) {
    for (let above = place; ; above = above.slice(0, above.lastIndexOf('/'))) {
      covered[numbers.get(above)!]!.push(number)
      if (above === '') break
    }
  }
  return covered
}
