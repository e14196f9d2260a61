// SPDX-License-Identifier: MIT
// What lies in the file when everybody has gone, read through Holdfast. It copes with a file that was ruined.
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Dataset, File, type Group, slice } from 'holdfast/hdf5'
import { type Batch, batchesIn, COLUMNS, ROWS_IN_BATCH, sumOf } from './batches.ts'
import { COUNT, LOG, SUM } from './study.ts'

/** A library that reads a ruined file may never come back. */
const PATIENCE_MS = 20_000
const ROWS_AT_ONCE: number = 16 * ROWS_IN_BATCH

/** The datasets that came with the file: their shapes, types and values as digests, by name. */
export type Contents = Readonly<Record<string, string>>

export interface Inspection {
  /** Why the file cannot be read, null when it can. */
  readonly unreadable: string | null
  /** In the order of the log; null for rows that are no batch, or cannot be read. */
  readonly batches: readonly (Batch | null)[]
  /** What the rows add up to, as far as they can be read. */
  readonly sum: bigint
  /** The attributes; null when they cannot be read. */
  readonly noted: { readonly count: bigint; readonly sum: bigint } | null
  readonly rows: number
  /** Of the bytes of the log. */
  readonly digest: string
  readonly contents: Contents
}

export async function inspect(path: string): Promise<Inspection> {
  const over = new AbortController()
  try {
    const late = pause(PATIENCE_MS, 'the library does not come back', { signal: over.signal }).then(unreadable, unreadable)
    return await Promise.race([look(path).catch((error: Error) => unreadable(error.message)), late])
  } finally {
    over.abort()
  }
}

/** What a file holds beside the log. */
export async function contentsOf(path: string): Promise<Contents> {
  await using file = await File.open(path)
  return await file.read(contentsIn)
}

async function look(path: string): Promise<Inspection> {
  await using file = await File.open(path)
  return await file.read(async (view) => {
    const log = await view.dataset(LOG)
    const rows = await log.length
    const hash = createHash('sha256')
    const batches: (Batch | null)[] = []
    let sum = 0n
    for (let from = 0; from < rows; from += ROWS_AT_ONCE) {
      const part = await readOrNothing(log, from, Math.min(rows, from + ROWS_AT_ONCE))
      hash.update(part)
      batches.push(...batchesIn(part))
      if (part.every(Number.isSafeInteger)) sum += sumOf(part)
    }
    const noted = await notedIn(log)
    return { unreadable: null, batches, sum, noted, rows, digest: hash.digest('hex'), contents: await contentsIn(view) }
  })
}

async function readOrNothing(log: Dataset, from: number, to: number): Promise<Float64Array> {
  try {
    return (await log.read<Float64Array>(slice(from, to))).data
  } catch {
    return new Float64Array((to - from) * COLUMNS).fill(Number.NaN)
  }
}

async function notedIn(log: Dataset): Promise<Inspection['noted']> {
  try {
    const [count, sum] = [await log.attrs.get(COUNT), await log.attrs.get(SUM)]
    return typeof count === 'bigint' && typeof sum === 'bigint' ? { count, sum } : null
  } catch {
    return null
  }
}

async function contentsIn(view: Group): Promise<Contents> {
  const found: Record<string, string> = {}
  const names: string[] = []
  await view.visitItems((name, object) => {
    if (object.kind === 'dataset' && `/${name}` !== LOG) names.push(name)
  })
  for (const name of names.sort()) found[name] = await digestOf(await view.dataset(name)).catch((error: Error) => error.message)
  return found
}

async function digestOf(dataset: Dataset): Promise<string> {
  const { data, shape } = await dataset.read()
  const bytes = ArrayBuffer.isView(data) ? data : JSON.stringify(data)
  return `${JSON.stringify(shape)} ${createHash('sha256').update(bytes).digest('hex')}`
}

function unreadable(reason: unknown): Inspection {
  const nothing = { batches: [], sum: 0n, noted: null, rows: 0, digest: '', contents: {} }
  return { unreadable: String(reason), ...nothing }
}
