// SPDX-License-Identifier: MIT
// The file through holdfast/hdf5: a session around each operation, and nothing else.
import { setTimeout as pause } from 'node:timers/promises'
import type { LockSpace } from 'holdfast'
import { File, ndArray, slice } from 'holdfast/hdf5'
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

/** Longer than any lease of a dead holder, on any engine; whoever waits so long is stuck. */
const STUCK_AFTER_MS = 60_000

export class LockedStudy implements Study {
  private readonly file: File
  private real: Measurements | null = null

  static async open(path: string, locks: LockSpace): Promise<LockedStudy> {
    return new LockedStudy(await File.open(path, 'r+', { locks, timeout: STUCK_AFTER_MS }))
  }

  private constructor(file: File) {
    this.file = file
  }

  async original(): Promise<Measurements> {
    this.real ??= await (await this.file.dataset(REAL)).read<Float64Array>()
    return this.real
  }

  async read(visit: Visit): Promise<Reading> {
    const realFrom = anywhere(await this.original())
    return await this.file.read(async (view, lease) => {
      visit.entered(lease.token)
      const log = await view.dataset(LOG)
      const count = Number(await log.attrs.get(COUNT))
      await pause(PAUSE_MS)
      const { data: tail } = await log.read<Float64Array>(slice(-TAIL_ROWS, null))
      const rows = await log.length
      const { data: real } = await (await view.dataset(REAL)).read<Float64Array>(slice(realFrom, realFrom + REAL_ROWS))
      visit.leaving()
      return { count, rows, tail, realFrom, real }
    })
  }

  async append(batch: Batch, visit: Visit): Promise<void> {
    const values = valuesOf(batch)
    await this.file.write(async (tx, lease) => {
      visit.entered(lease.token)
      const log = await tx.dataset(LOG)
      const [count, sum] = [await log.attrs.get(COUNT), await log.attrs.get(SUM)] as [bigint, bigint]
      await log.append(ndArray(values, [ROWS_IN_BATCH, COLUMNS]))
      await visit.halfway()
      await pause(PAUSE_MS)
      await log.attrs.set(COUNT, count + BigInt(ROWS_IN_BATCH))
      await log.attrs.set(SUM, sum + sumOf(values))
      visit.leaving()
    })
  }
}
