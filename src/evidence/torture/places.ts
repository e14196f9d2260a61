// SPDX-License-Identifier: MIT
// Where requests lie below the root of the tree: flat, in the middle, and deep; once, or in several copies of which each has a root of its own.

/** Of one copy. */
export const PLACES: readonly string[] = [
  '',
  ...Array.from({ length: 20 }, (_, i) => `/f${i}`),
  ...['/m', '/m/1', '/m/2', '/m/3', '/m/1/x', '/m/1/y', '/m/2/x', '/m/2/y', '/m/3/x'],
  ...['/d', '/d/2', '/d/2/3', '/d/2/3/4', '/d/2/3/4/5', '/d/2/3/4/5/6', '/d/2/3/4/5/6/7', '/d/2/3/4/5/6/7/8', '/d/2/3/4/5/6/7/9'],
]

/** The number of the place above all others. */
export const WHOLE = 0

const known = new Map<number, readonly string[]>()

/** All places, by their numbers, which have to fit into two bytes: of 1,000 trees they do. With one tree, it is the whole. */
export function placesOf(trees: number): readonly string[] {
  let places = known.get(trees)
  if (places === undefined) {
    places = trees === 1 ? PLACES : ['', ...Array.from({ length: trees }, (_, tree) => PLACES.map((place) => `/t${tree}${place}`)).flat()]
    known.set(trees, places)
  }
  return places
}

/** The number of a place of one copy among all places. */
export function placeIn(tree: number, place: number, trees: number): number {
  return trees === 1 ? place : 1 + tree * PLACES.length + place
}
