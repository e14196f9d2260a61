// SPDX-License-Identifier: MIT
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isKnownVersion } from '../../../src/hdf5/engine/library/driver.ts'
import { openLibrary } from '../../../src/hdf5/engine/library/index.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { changed, copyOf, openStored } from './library-files.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('Without an HDF5 library of the system', () => {
  test('the error says what it was needed for, what was found and what to install; with one all is well at once.', () => {
    const file = copyOf('compressed.h5', temporaryFolder())
    for (const [name, found] of [
      ['/no/such/libhdf5.so', 'no such file'],
      ['libm.so.6', 'libm.so.6 is no HDF5 library'],
    ] as const) {
      vi.stubEnv('HOLDFAST_LIBHDF5', name)
      const stored = openStored(file)
      expect(() => openLibrary(stored, 'deleting /gzip')).toThrow(
        expect.objectContaining({
          code: 'HDF5_NEEDS_LIBRARY',
          file,
          message: expect.stringMatching(
            new RegExp(`deleting /gzip needs .*apt-get install libhdf5-103-1.*HOLDFAST_LIBHDF5.*${found}`, 'i'),
          ),
        }),
      )
      stored.close()
    }
    vi.unstubAllEnvs()
    changed(file, (library) => library.deleteLink('/gzip'))
  })

  test('versions are refused whose drivers look otherwise.', () => {
    const known = [
      [1, 10, 2],
      [1, 10, 11],
      [1, 12, 0],
      [1, 14, 0],
      [1, 14, 6],
      [2, 0, 0],
      [2, 1, 0],
    ] as const
    const unknown = [
      [1, 8, 23],
      [1, 10, 1],
      [1, 11, 0],
      [1, 13, 3],
      [1, 15, 0],
      [3, 0, 0],
    ] as const
    expect(known.filter((version) => !isKnownVersion(version))).toEqual([])
    expect(unknown.filter((version) => isKnownVersion(version))).toEqual([])
  })

  test('there is no second file in one thread.', () => {
    const folder = temporaryFolder()
    const [first, second] = [openStored(copyOf('compressed.h5', folder)), openStored(copyOf('array.h5', folder))]
    const library = openLibrary(first, 'a test')
    expect(() => openLibrary(second, 'a test')).toThrow('another file open in this thread')
    library.close()
    library.close()
    openLibrary(second, 'a test').close()
    for (const stored of [first, second]) stored.close()
  })
})
