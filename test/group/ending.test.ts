// SPDX-License-Identifier: MIT
// A program that ends without giving back what it holds does not keep the others waiting.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { patience } from '../support/scale.ts'
import { type Launcher, launch } from './launchers.ts'

const RANKS = 3
const HOME = 0
const PROGRAM = new URL('../../build/test/programs/group-forgetful.js', import.meta.url)

/** Who ends, and how; where the home must not: on threads and processes its exit is the end of the group. */
const ENDS: readonly (readonly [launcher: Launcher, rank: number, how: 'end' | 'exit'])[] = [
  ['threads', 1, 'end'],
  ['threads', HOME, 'end'],
  ['processes', 1, 'exit'],
  ['processes', HOME, 'end'],
  ['mpich', HOME, 'end'],
  ['mpich', 1, 'exit'],
  ['openmpi', HOME, 'exit'],
]

describe('A rank that ends with a lock in its hands leaves it to the others', () => {
  for (const [launcher, rank, how] of ENDS) {
    const who = rank === HOME ? 'the home' : 'another rank'
    test(
      `on ${launcher}: ${who}, ${how === 'end' ? 'as its program is over' : 'by process.exit'}.`,
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'holdfast-group-'))
        try {
          const file = join(folder, 'granted')
          await launch(launcher, RANKS, PROGRAM, [file, `${rank}`, how], AbortSignal.timeout(patience(15_000)))
          const others = [0, 1, 2].filter((other) => other !== rank)
          expect(readFileSync(file, 'utf8').trim().split('\n').map(Number).sort()).toEqual(others)
        } finally {
          rmSync(folder, { recursive: true })
        }
      },
      patience(20_000),
    )
  }
})
