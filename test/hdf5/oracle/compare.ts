// SPDX-License-Identifier: MIT
// One program done by us and by h5py, each on a file of its own, and each file read by both: all of it must agree.
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { File } from '../../../src/hdf5/index.ts'
import type { H5py, Outcome } from './h5py.ts'
import type { Operation } from './programs.ts'
import { dumpFile, runProgram } from './run-program.ts'

export interface Difference {
  readonly operation?: Operation
  readonly what: string
  readonly ours: unknown
  readonly theirs: unknown
}

let files = 0

/** The first thing in which we and h5py differ. */
export async function difference(
  h5py: H5py,
  folder: string,
  libver: string | null,
  operations: readonly Operation[],
): Promise<Difference | null> {
  const paths = { ours: join(folder, `${++files} ours.h5`), theirs: join(folder, `${files} theirs.h5`) }
  const file = await File.open(paths.ours, 'w')
  const ours = await runProgram(file, operations)
  if (ours.some(saves)) return null
  const theirs = await h5py.run(paths.theirs, libver, operations)
  for (const [index, operation] of operations.entries()) {
    const [mine, other] = [ours[index]!, theirs[index]!]
    if (!agree(mine, other)) return { operation, what: 'outcome', ours: mine, theirs: other }
  }
  const expected = await h5py.dump(paths.theirs)
  const written = await h5py.dump(paths.ours)
  const found = firstDifference(written, expected)
  if (found !== null) return { ...found, what: `${found.what} of our file, read by h5py` }
  for (const [name, path] of Object.entries(paths)) {
    const read = firstDifference(await dumpFile(await File.open(path)), withoutFill(expected))
    if (read !== null) return { ...read, what: `${read.what} of ${name}, read by us` }
  }
  return null
}

/** We refuse to make a dataset of one chunk empty, as HDF5 then damages the file: nothing can be compared with what h5py leaves. */
function saves(outcome: Outcome): boolean {
  return 'error' in outcome && outcome.error.startsWith('HDF5_UNSUPPORTED') && outcome.error.includes('one chunk for good')
}

function agree(ours: Outcome, theirs: Outcome): boolean {
  return 'error' in ours || 'error' in theirs ? 'error' in ours && 'error' in theirs : isDeepStrictEqual(ours.answer, theirs.answer)
}

function firstDifference(ours: Record<string, unknown>, theirs: Record<string, unknown>): Difference | null {
  for (const path of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
    if (!isDeepStrictEqual(ours[path], theirs[path])) return { what: path, ours: ours[path], theirs: theirs[path] }
  }
  return null
}

/** We do not tell fill values. */
function withoutFill(dump: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(dump).map(([path, object]) => {
      const { fill: _, ...rest } = object as Record<string, unknown>
      return [path, rest]
    }),
  )
}

/** The shortest program found that still shows a difference: pieces are left out, halves first. */
export async function shortest(
  operations: readonly Operation[],
  differs: (shorter: readonly Operation[]) => Promise<boolean>,
): Promise<readonly Operation[]> {
  let best = operations
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.length; ) {
      const shorter = [...best.slice(0, start), ...best.slice(start + size)]
      if (await differs(shorter)) best = shorter
      else start += size
    }
  }
  return best
}
