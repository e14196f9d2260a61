// SPDX-License-Identifier: MIT
// The file that all work on: a copy of a real HDF5 file, to which a log is added that grows; and what readers and writers do with it. How
// they get at it is said elsewhere: locked-study.ts, bare-study.ts.
import { copyFile, open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { File } from 'holdfast/hdf5'
import { type Batch, batchesIn, COLUMNS, ROWS_IN_BATCH } from './batches.ts'

export const STUDY_NAME = 'compressed.h5'
/** Measurements that came with the file, 100 × 100 float64 in gzip. */
export const REAL = '/gzip'
/** What is appended: rows of float64 in gzip. Its attributes say how many rows there are and what they add up to, and must always agree. */
export const LOG = '/log/rows'
export const COUNT = 'count'
export const SUM = 'sum'

/** So many rows of each a reader looks at. */
export const TAIL_ROWS: number = 3 * ROWS_IN_BATCH
export const REAL_ROWS = 20
/** Between two changes, and between two reads, of one operation, as a computation would make it. */
export const PAUSE_MS = 2

/** A file as one process gets at it. */
export interface Study {
  /** All of {@link REAL}, read once. */
  original(): Promise<Measurements>
  /** The end of the log, and a part of the measurements. */
  read(visit: Visit): Promise<Reading>
  /** Adds the rows, then brings the attributes up to date. */
  append(batch: Batch, visit: Visit): Promise<void>
}

/** What an operation tells of its way. */
export interface Visit {
  entered(token: bigint | null): void
  /** After the first change, before the others. */
  halfway(): Promise<void>
  leaving(): void
}

export interface Measurements {
  readonly data: Float64Array
  readonly shape: readonly number[]
}

export interface Reading {
  readonly count: number
  readonly rows: number
  readonly tail: Float64Array
  readonly realFrom: number
  readonly real: Float64Array
}

/** Whether everything that was read belongs together. */
export function isWhole({ count, rows, tail, realFrom, real }: Reading, { data, shape }: Measurements): boolean {
  if (count !== rows || tail.length !== Math.min(rows, TAIL_ROWS) * COLUMNS || batchesIn(tail).includes(null)) return false
  const columns = shape[1]!
  return real.length === REAL_ROWS * columns && real.every((value, at) => value === data[realFrom * columns + at])
}

/** Where a reader starts to read the measurements. */
export function anywhere({ shape }: Measurements): number {
  return Math.floor(Math.random() * (shape[0]! - REAL_ROWS))
}

/** The file in `examples/data`, wherever this program was compiled to. */
export function sourceFile(): string {
  return fileURLToPath(new URL(`examples/data/${STUDY_NAME}`, import.meta.resolve('holdfast/package.json')))
}

/** Copies the real file to `path`, and adds an empty log. */
export async function prepareStudy(path: string): Promise<void> {
  await copyFile(sourceFile(), path)
  await using file = await File.open(path, 'r+')
  await file.write(async (tx) => {
    const growing = { shape: [0, COLUMNS], maxShape: [null, COLUMNS], chunks: [4 * ROWS_IN_BATCH, COLUMNS] }
    const log = await tx.createDataset(LOG, { ...growing, dtype: 'float64', gzip: true })
    await log.attrs.set(COUNT, 0n)
    await log.attrs.set(SUM, 0n)
  })
}

const SIGNATURE = '\x89HDF\r\n\x1a\n'

/** Whether the file is marked as torn: its HDF5 signature is away, so no program takes it for whole. Looks at the bytes, past every lock. */
export async function isMarked(path: string): Promise<boolean> {
  const handle = await open(path)
  try {
    const { buffer } = await handle.read(Buffer.alloc(SIGNATURE.length), 0, SIGNATURE.length, 0)
    return buffer.toString('latin1') !== SIGNATURE
  } finally {
    await handle.close()
  }
}
