// SPDX-License-Identifier: MIT
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/file-folders.ts'
import { useOwnLocks } from '../support/hdf5-files.ts'
import { freshSeed, generator } from '../support/random.ts'
import { hasH5py } from '../support/rival.ts'
import { patience, scaled } from '../support/scale.ts'
import { difference, shortest } from './oracle/compare.ts'
import { H5py } from './oracle/h5py.ts'
import { ProgramMaker } from './oracle/programs.ts'

useOwnLocks()

let h5py: H5py
beforeAll(() => {
  h5py = new H5py()
})
afterAll(() => h5py.end())

const LIBVERS = [null, 'latest', 'v108'] as const
const OPERATIONS = 30

describe.runIf(hasH5py)('A random program of operations', () => {
  test(
    'leaves the same file when we do it as when h5py does it, for both readers.',
    async () => {
      const seed = freshSeed()
      const programs = scaled(80)
      for (let program = 0; program < programs; program++) {
        const folder = temporaryFolder()
        const operations = new ProgramMaker(generator(seed + program)).program(OPERATIONS)
        const libver = LIBVERS[program % LIBVERS.length]!
        const found = await difference(h5py, folder, libver, operations)
        if (found === null) continue
        const short = await shortest(operations, async (shorter) => (await difference(h5py, folder, libver, shorter)) !== null)
        const shown = { libver, program: short, difference: (await difference(h5py, folder, libver, short)) ?? found }
        expect.fail(`HOLDFAST_TEST_SEED=${seed + program}\n${JSON.stringify(shown, null, 1)}`)
      }
    },
    patience(90_000),
  )
})
