// SPDX-License-Identifier: MIT
// A resource that checks tokens: it remembers for each place the largest that it has seen, and refuses writes with a smaller one. It stands for what is to be
// protected by locks, and is all that helps against a holder that was paused for longer than its lease and writes on.
import { PLACES } from './requests.ts'

/** By place, all that a lease for it covers. */
const COVERED: readonly (readonly number[])[] = PLACES.map((above) =>
  PLACES.flatMap((place, number) => (place === above || place.startsWith(`${above}/`) ? [number] : [])),
)

export class Fenced {
  private readonly cells: BigInt64Array

  /** @param cells in memory that all writers share. */
  constructor(cells: BigInt64Array) {
    this.cells = cells
  }

  /** Writes at these places and all below. False when it is refused at one of them: somebody with a larger token was there. */
  write(places: readonly number[], token: bigint): boolean {
    return places.every((place) => COVERED[place]!.every((cell) => this.enter(cell, token)))
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
