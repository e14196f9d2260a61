// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../support/file-folders.ts'
import { scaled } from '../../support/scale.ts'
import { openStored } from './library-files.ts'
import { askPython, type Content, type Described } from './library-oracle.ts'

const PROGRAM = new URL('../../../build/test/programs/library-threads.js', import.meta.url).pathname
const WRITERS = 3
/** One that goes on, and one that waits. */
const OTHERS = 2

describe('The HDF5 library of the system', () => {
  test('serves one thread of a process at a time, and outlives threads that end in the middle.', () => {
    const folder = temporaryFolder()
    const ended = scaled(12, 3)
    const files = Array.from({ length: WRITERS + ended + OTHERS }, (_, index) => join(folder, `${String(index).padStart(5, '0')}.h5`))
    askPython(files.map((file) => ({ file, run: "f = h5py.File(path, 'w'); f['d0'] = 0; f.attrs['last'] = 'd0'" })))
    const said = execFileSync(process.execPath, [PROGRAM, folder, String(ended), String(WRITERS)], { encoding: 'utf8', timeout: 120_000 })
    const report = JSON.parse(said)
    expect(report).toMatchObject({ together: 0 })
    expect(report.transactions).toBeGreaterThan(WRITERS * 60)
    // What was begun is rolled back.
    for (const file of files) openStored(file).close()
    for (const content of askPython(files.map((file) => ({ file }))) as Content[]) {
      const root = content['/'] as Described
      expect(root.links).toEqual([JSON.parse(root.attributes.last!.value as string)])
    }
  }, 150_000)
})
