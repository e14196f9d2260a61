// SPDX-License-Identifier: MIT
// Nobody is let in beside somebody whom it excludes, on any transport: four ranks lock at random, and an oracle that knows nothing of locks reads what
// they have put down.
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FileMarks } from '../../src/evidence/marks.ts'
import { judge } from '../../src/evidence/oracle.ts'
import { freshSeed } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { type Launcher, launch } from './launchers.ts'

const RANKS = 4
/** Of each transport: 100,000 of them at the scale of a night's run, or twice that where more ranks than processors wait actively. */
const GRANTS: Readonly<Record<Launcher, number>> = { threads: 5_000, processes: 5_000, mpich: 2_500, openmpi: 2_500 }
const PROGRAM = new URL('../../build/test/programs/group-torture.js', import.meta.url)

describe('Four ranks that lock at random are never in each other\u2019s way', () => {
  for (const [i, launcher] of (['threads', 'processes', 'mpich', 'openmpi'] satisfies Launcher[]).entries()) {
    test(
      `on ${launcher}.`,
      async () => {
        const seed = freshSeed()
        const folder = mkdtempSync(join(tmpdir(), 'holdfast-group-'))
        const file = join(folder, 'marks')
        const fd = openSync(file, 'ax+')
        try {
          const each = Math.ceil(scaled(GRANTS[launcher]) / RANKS)
          const args = [file, `${each}`, `${seed}`, i % 2 === 0 ? 'first-come' : 'writers']
          await launch(launcher, RANKS, PROGRAM, args, AbortSignal.timeout(patience(60_000))).catch((error: unknown) => {
            throw new Error(`After ${new FileMarks(fd).read().length} marks, with the seed ${seed}: ${String(error)}`, { cause: error })
          })
          const verdict = judge(new FileMarks(fd).read())
          expect(verdict.grants, `seed ${seed}`).toBeGreaterThanOrEqual(each * RANKS)
          expect({ ...verdict, grants: 0 }, `seed ${seed}`).toEqual({ grants: 0, lost: 0, overlaps: [], tokenFaults: [] })
        } finally {
          closeSync(fd)
          rmSync(folder, { recursive: true })
        }
      },
      patience(70_000),
    )
  }
})
