// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type OpenLibraryFile, openLibrary } from '../../../src/hdf5/engine/library/index.ts'
import type { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { openIds, openStored } from './library-files.ts'
import { askPython, contentOf } from './library-oracle.ts'

type Step = 'read' | 'write' | 'truncate'

/** Lets the call number `at` of one kind fail, and all that follow it. Answers how many calls there were. */
function failing(stored: StoredFile, step: Step, at: number): () => number {
  let calls = 0
  const real = stored[step].bind(stored) as (...parameters: unknown[]) => never
  const patched = stored as unknown as Record<string, unknown>
  patched[step] = (...parameters: unknown[]): unknown => {
    if (calls++ < at || (step !== 'read' && patched.discarding)) return real(...parameters)
    const error = Object.assign(new Error('injected'), { code: step === 'read' ? 'EIO' : 'ENOSPC' })
    if (step !== 'read') patched.failed ??= error
    throw error
  }
  return () => calls
}

const program = (version: string): string => `
f = h5py.File(path, 'w', libver=${version})
for i in range(40): f[f'g/d{i}'] = np.arange(30)
f.create_dataset('chunked', data=np.arange(3000.), chunks=(100,), compression=1)
f['chunked'].attrs['a'] = 'old'
`

const WORK: readonly ((library: OpenLibraryFile) => void)[] = [
  (library) => library.deleteLink('/g'),
  (library) => library.deleteLink('/chunked'),
  (library) => {
    const shape = { shape: [9], maxShape: [null], chunks: [3], gzip: 1, shuffle: true }
    library.createDataset('/g/new', { dtype: 'string', ...shape, fillValue: 'text' })
    library.setAttribute('/chunked', 'a', 'string', [2], ['new', 'newer'])
    library.deleteLink('/g/d17')
  },
]

describe('A failure below the HDF5 library', () => {
  test('at any read, write or truncation is told as what it is, and the file can be rolled back byte for byte.', () => {
    const folder = temporaryFolder()
    const versions = ["('earliest', 'v110')", "('v110', 'v110')"]
    const files = versions.map((_, index) => join(folder, `${index}.h5`))
    askPython(files.map((file, index) => ({ file, run: program(versions[index]!) })))
    let failures = 0
    for (const step of ['write', 'truncate', 'read'] as const) {
      for (const file of files) {
        const before = readFileSync(file)
        for (const work of WORK) {
          for (let at = 0, isOver = false; !isOver; at++) {
            const stored = openStored(file)
            const count = failing(stored, step, at)
            let failure: unknown
            try {
              const library = openLibrary(stored, 'a test')
              try {
                work(library)
              } finally {
                library.close()
              }
            } catch (error) {
              failure = error
            }
            isOver = count() <= at
            if (!isOver) {
              failures++
              const code = step === 'read' ? 'HDF5_FAILED' : 'HDF5_FULL'
              const injected = expect.objectContaining({ message: 'injected' })
              expect(failure, `${step} ${at} of ${file}`).toMatchObject({ code, cause: injected })
            }
            // A file that it cannot read to the end it cannot close, either.
            if (step !== 'read') expect(openIds(), `${step} ${at} of ${file}`).toBe(0)
            stored.rollBack()
            stored.close()
            expect(readFileSync(file).equals(before), `${step} ${at} of ${file}`).toBe(true)
          }
        }
      }
    }
    expect(failures).toBeGreaterThan(100)
    // And the library has taken no harm.
    const stored = openStored(files[0]!)
    const library = openLibrary(stored, 'a test')
    WORK[2]!(library)
    library.close()
    stored.commit()
    stored.close()
    expect(contentOf(files[0]!)['/g/new']).toMatchObject({ fill: '"bytes 74657874"' })
  })

  test('that came before is told again when the file is opened, and nothing stays open.', () => {
    const file = join(temporaryFolder(), 'f.h5')
    askPython([{ file, run: program("('v110', 'v110')") }])
    const before = readFileSync(file)
    const stored = openStored(file)
    failing(stored, 'write', 1)
    const open = openIds()
    stored.write(new Uint8Array(3000), 5000)
    expect(() => stored.write(new Uint8Array(1), 5000)).toThrow('injected')
    expect(() => openLibrary(stored, 'a test')).toThrow(expect.objectContaining({ code: 'HDF5_FULL' }))
    expect(openIds()).toBe(open)
    stored.rollBack()
    stored.close()
    expect(readFileSync(file).equals(before)).toBe(true)
  })
})
