// SPDX-License-Identifier: MIT
// Which part of a dataset is meant: h5py's basic slicing, as plain data.
import type { Hdf5Error } from '../errors.ts'
import { problem, shown, shownShape, type Where } from '../where.ts'

/** From `start` up to, not including, `stop`, every `step`-th; negative ends count from the end, null stands for the end itself. */
export interface Slice {
  readonly start: number | null
  readonly stop: number | null
  readonly step: number | null
}

/** An index (which drops its axis), a slice, `null` for a whole axis, or `'...'` for as many whole axes as are missing. */
export type Index = number | Slice | null | '...'

/** One for each axis, from the first; axes that are not named are taken whole. */
export type Selection = readonly Index[]

/** A selection in a dataset of a known shape, every axis named and every end counted from the front. */
export interface ResolvedSelection {
  readonly start: number[]
  /** How many indices are taken of each axis, 1 where a single index was given. */
  readonly count: number[]
  /** 1 where no second index is taken. */
  readonly step: number[]
  /** The shape of the result: the counts, without the axes that a single index drops. */
  readonly shape: number[]
}

/**
 * Python's `slice`: `slice(5)` is the first five, `slice(2, 5)` the third to the fifth, `slice(-3, null)` the last three,
 * `slice(null, null, 2)` every other one.
 */
export function slice(stop: number | null): Slice
export function slice(start: number | null, stop: number | null, step?: number | null): Slice
export function slice(first: number | null, second?: number | null, step: number | null = null): Slice {
  return second === undefined ? { start: null, stop: first, step } : { start: first, stop: second, step }
}

/**
 * What a selection means in a dataset of this shape. Slices are clipped to the dataset, single indices are not.
 *
 * @throws Hdf5Error `HDF5_BOUNDS`
 */
export function resolve(selection: Selection, shape: readonly number[], where: Where): ResolvedSelection {
  const indices = perAxis(selection, shape, where)
  const resolved: ResolvedSelection = { start: [], count: [], step: [], shape: [] }
  for (const [axis, length] of shape.entries()) {
    const index = indices[axis] ?? null
    const [start, count, step] =
      typeof index === 'number' ? single(index, axis, length, where) : sliced(index ?? slice(null), axis, length, where)
    resolved.start.push(start)
    resolved.count.push(count)
    resolved.step.push(step)
    if (typeof index !== 'number') resolved.shape.push(count)
  }
  return resolved
}

/** One index for each axis; those of axes that are not named may be missing at the end. */
function perAxis(selection: Selection, shape: readonly number[], where: Where): (number | Slice | null)[] {
  if (!Array.isArray(selection)) throw malformed(where, `a selection is a list of indices, not ${shown(selection)}`)
  const ellipsis = selection.indexOf('...')
  if (ellipsis !== selection.lastIndexOf('...')) throw malformed(where, "only one '...' can stand in a selection")
  const named = selection.length - (ellipsis < 0 ? 0 : 1)
  if (named > shape.length) {
    const has = shape.length === 0 ? 'it is a scalar' : `it has ${shape.length} axes, of the shape ${shownShape(shape)}`
    throw malformed(where, `${named} ${named === 1 ? 'index is' : 'indices are'} too many: ${has}`)
  }
  const indices = selection.flatMap((index) => (index === '...' ? new Array<null>(shape.length - named).fill(null) : [index]))
  for (const [axis, index] of indices.entries()) {
    if (index === null || typeof index === 'number') continue
    if (typeof index !== 'object' || !('start' in index && 'stop' in index)) {
      throw malformed(where, `axis ${axis}: an index is a number, a slice, null or '...', not ${shown(index)}`)
    }
  }
  return indices
}

function single(index: number, axis: number, length: number, where: Where): [start: number, count: number, step: number] {
  if (!Number.isInteger(index)) throw malformed(where, `axis ${axis}: an index is an integer, not ${shown(index)}`)
  if (index < -length || index >= length) {
    throw malformed(where, `index ${index} is out of bounds for axis ${axis}, whose length is ${length}`)
  }
  return [(index < 0 ? index + length : index) + 0, 1, 1]
}

function sliced(part: Slice, axis: number, length: number, where: Where): [start: number, count: number, step: number] {
  for (const name of ['start', 'stop', 'step'] as const) {
    const end = part[name] ?? null
    if (end !== null && !Number.isInteger(end)) {
      throw malformed(where, `axis ${axis}: the ${name} of a slice is an integer or null, not ${shown(end)}`)
    }
  }
  const step = part.step ?? 1
  if (step < 1) throw malformed(where, `axis ${axis}: the step of a slice is at least 1, not ${step}`)
  const start = clipped(part.start ?? 0, length)
  const stop = clipped(part.stop ?? length, length)
  const count = stop <= start ? 0 : Math.floor((stop - start - 1) / step) + 1
  return [start, count, count > 1 ? step : 1]
}

function clipped(end: number, length: number): number {
  return end < 0 ? Math.max(0, end + length) : Math.min(end, length) + 0
}

function malformed(where: Where, message: string): Hdf5Error {
  return problem('HDF5_BOUNDS', where, `${message}.`)
}
