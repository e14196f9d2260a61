// SPDX-License-Identifier: MIT
// HDF5 files to work on, in folders that go after each test, under locks of their own instead of the user's.
import { chmodSync, copyFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeEach } from 'vitest'
import { type Hdf5ErrorCode, isHdf5Error, setDefaultLocks } from '../../src/hdf5/index.ts'
import type { LockErrorCode, LockSpace } from '../../src/index.ts'
import { isLockError } from '../../src/index.ts'
import { openSpace, temporaryFolder } from './file-folders.ts'

const EXAMPLES = new URL('../../examples/data/', import.meta.url).pathname

/** The locks of files in this test that name no others: kernel files in a folder of their own. */
export let locks: LockSpace
/** Where those are, for other processes. */
export let lockFolder: string

/** To be called once in a test file. */
export function useOwnLocks(): void {
  beforeEach(() => {
    lockFolder = temporaryFolder()
    locks = openSpace(lockFolder, { prefer: 'writers' })
    setDefaultLocks(locks)
  })
}

/** A copy of one of the real files that may be written. */
export function copyOf(name: string): string {
  const path = join(temporaryFolder(), basename(name))
  copyFileSync(join(EXAMPLES, name), path)
  chmodSync(path, 0o644)
  return path
}

/** A path in a new folder, with nothing there. */
export function newPath(name: string = 'new.h5'): string {
  return join(temporaryFolder(), name)
}

/** The code of the error with which something fails; fails itself if it does not, or with an error of another kind. */
export async function codeOf(work: Promise<unknown>): Promise<Hdf5ErrorCode | LockErrorCode> {
  return (await errorOf(work)).code
}

export async function errorOf(work: Promise<unknown>): Promise<Error & { readonly code: Hdf5ErrorCode | LockErrorCode }> {
  try {
    await work
  } catch (error) {
    if (isHdf5Error(error) || isLockError(error)) return error
    throw error
  }
  throw new Error('It did not fail.')
}
