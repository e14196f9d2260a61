// SPDX-License-Identifier: MIT
// The same operations with h5wasm alone, as any program would do them: open the file, work, close it. No lock, no journal.
import { setTimeout as pause } from 'node:timers/promises'
import { type Batch, COLUMNS, ROWS_IN_BATCH, sumOf, valuesOf } from './batches.ts'
import {
  anywhere,
  COUNT,
  LOG,
  type Measurements,
  PAUSE_MS,
  REAL,
  REAL_ROWS,
  type Reading,
  type Study,
  SUM,
  TAIL_ROWS,
  type Visit,
} from './study.ts'

/** What is used of h5wasm, whose own types need others. */
interface BareDataset {
  readonly shape: readonly number[]
  readonly attrs: Readonly<Record<string, { readonly value: unknown } | undefined>>
  slice(ranges: number[][]): unknown
  write_slice(ranges: number[][], data: Float64Array): void
  resize(shape: number[]): unknown
  create_attribute(name: string, value: bigint, shape: null, dtype: string): unknown
  delete_attribute(name: string): unknown
}

interface BareFile {
  readonly file_id: bigint
  get(path: string): BareDataset | null
  close(): unknown
}

interface Bare {
  readonly ready: Promise<unknown>
  readonly File: new (path: string, mode: 'r' | 'a') => BareFile
}

export class BareStudy implements Study {
  private readonly path: string
  private readonly bare: Bare
  private real: Measurements | null = null

  static async open(path: string): Promise<BareStudy> {
    const bare = (await import('h5wasm/node')) as unknown as Bare
    await bare.ready
    return new BareStudy(path, bare)
  }

  private constructor(path: string, bare: Bare) {
    this.path = path
    this.bare = bare
  }

  async original(): Promise<Measurements> {
    this.real ??= await this.within('r', async (file) => {
      const real = dataset(file, REAL)
      return { data: numbers(real.slice([])), shape: real.shape }
    })
    return this.real
  }

  async read(visit: Visit): Promise<Reading> {
    const realFrom = anywhere(await this.original())
    visit.entered(null)
    return await this.within('r', async (file) => {
      const count = Number(whole(dataset(file, LOG), COUNT))
      await pause(PAUSE_MS)
      const log = dataset(file, LOG)
      const rows = log.shape[0]!
      const tail = rows === 0 ? new Float64Array(0) : numbers(log.slice([[Math.max(0, rows - TAIL_ROWS), rows], []]))
      const real = numbers(dataset(file, REAL).slice([[realFrom, realFrom + REAL_ROWS], []]))
      visit.leaving()
      return { count, rows, tail, realFrom, real }
    })
  }

  async append(batch: Batch, visit: Visit): Promise<void> {
    const values = valuesOf(batch)
    visit.entered(null)
    await this.within('a', async (file) => {
      const log = dataset(file, LOG)
      const [count, sum, rows] = [whole(log, COUNT), whole(log, SUM), log.shape[0]!]
      log.resize([rows + ROWS_IN_BATCH, COLUMNS])
      log.write_slice([[rows, rows + ROWS_IN_BATCH], []], values)
      await visit.halfway()
      await pause(PAUSE_MS)
      change(log, COUNT, count + BigInt(ROWS_IN_BATCH))
      change(log, SUM, sum + sumOf(values))
    })
    visit.leaving()
  }

  private async within<Result>(mode: 'r' | 'a', work: (file: BareFile) => Promise<Result>): Promise<Result> {
    const file = new this.bare.File(this.path, mode)
    if (file.file_id < 0) throw new Error('The file cannot be opened.')
    try {
      return await work(file)
    } finally {
      file.close()
    }
  }
}

// h5wasm does not always throw when something is missing, so what it gives is looked at, as a careful program does.

function dataset(file: BareFile, path: string): BareDataset {
  const found = file.get(path)
  if (found === null) throw new Error(`${path} is gone.`)
  return found
}

function whole(from: BareDataset, attribute: string): bigint {
  const value = from.attrs[attribute]?.value
  if (typeof value !== 'bigint') throw new Error(`The attribute ${attribute} is gone.`)
  return value
}

function numbers(read: unknown): Float64Array {
  if (!(read instanceof Float64Array)) throw new Error('The values cannot be read.')
  return read
}

function change(of: BareDataset, attribute: string, value: bigint): void {
  of.delete_attribute(attribute)
  of.create_attribute(attribute, value, null, '<q')
}
