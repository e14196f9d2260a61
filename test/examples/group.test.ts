// SPDX-License-Identifier: MIT
// One HDF5 file and many ranks, as in mpilock's documentation: the same outcome under each launcher.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { File } from '../../src/hdf5/index.ts'
import { LAUNCHERS, run } from '../group/window-ranks.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-example-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('The example of a shared file', () => {
  test.each(LAUNCHERS)('comes to the same end under %s', { timeout: 60_000 }, async (launcher) => {
    const path = join(folder, `${launcher}.h5`)
    const { stdout, stderr, failure } = await run(launcher, 4, '../../examples/group/main', [path])
    expect(failure, stderr).toBeNull()
    const energy = Float64Array.from({ length: 4_000 }, (_, i) => Math.sin(i / 100) ** 2).reduce((sum, x) => sum + x)
    expect(stdout.trim().split('\n').sort()).toEqual(
      [0, 1, 2, 3].map((rank) => `rank ${rank} of 4: the energy of ${path} is ${energy.toFixed(3)}`),
    )
    const file = await File.open(path)
    expect([...(await file.keys())].sort()).toEqual(['energy', 'energy-0', 'energy-1', 'energy-2', 'energy-3', 'signal'])
  })
})
