// SPDX-License-Identifier: MIT
// Four ranks that write the same path as fast as they can all have their turn, the home, which needs no message, no more often than the others.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { patience, scaled } from '../support/scale.ts'
import { type Launcher, launch } from './launchers.ts'

const RANKS = 4
/** Five seconds in a long run. */
const MS = Math.min(5_000, scaled(1_000))
/** With fewer cores than ranks and other work beside them, the system may favour one rank for most of so short a time: that is no fault of the locks. */
const PATIENT = { timeout: patience(35_000), retry: 2 }
const PROGRAM = new URL('../../build/test/programs/group-writers.js', import.meta.url)

describe('Four ranks that write for a while each get within a factor of two of the mean', () => {
  for (const launcher of ['threads', 'processes', 'mpich', 'openmpi'] satisfies Launcher[]) {
    test(`on ${launcher}.`, PATIENT, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-group-'))
      try {
        const file = join(folder, 'turns')
        await launch(launcher, RANKS, PROGRAM, [file, `${MS}`], AbortSignal.timeout(patience(30_000)))
        const lines = readFileSync(file, 'utf8').trim().split('\n')
        const turns = lines.map((line) => Number(line.split(' ')[1]))
        const mean = turns.reduce((sum, count) => sum + count, 0) / RANKS
        expect(turns).toHaveLength(RANKS)
        expect(Math.min(...turns), `${turns}`).toBeGreaterThan(mean / 2)
        expect(Math.max(...turns), `${turns}`).toBeLessThan(mean * 2)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})
