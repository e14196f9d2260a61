// SPDX-License-Identifier: MIT
// Recovery on demand, of what otherwise happens when a file is next opened.
import { recover } from './access/entry.ts'
import { FileLock } from './access/locking.ts'
import { Patience } from './access/patience.ts'
import { absolutePath } from './access/real-path.ts'
import { checkFileOptions, type FileOptions } from './options.ts'

export interface RecoverOptions extends FileOptions {
  /** A journal to use although it does not lie where the file's own would: that of a file which this one is a copy of, say. */
  readonly journal?: string | undefined
}

/**
 * Rolls back what a writer that died left in an HDF5 file, under the write lock. Answers whether there was something to roll back.
 *
 * @throws Hdf5Error `HDF5_NO_FILE`, `HDF5_TORN`, `HDF5_NEEDS_RECOVERY` without the right to write; LockError as the lock space says
 */
export async function recoverFile(path: string | URL, { journal, ...options }: RecoverOptions = {}): Promise<boolean> {
  const place = absolutePath(path)
  checkFileOptions(options)
  const journalPath = journal === undefined ? undefined : absolutePath(journal)
  const { locks, lockPath, durability = 'process', timeout, signal, name } = options
  return await recover({ lock: new FileLock(place, locks, lockPath), durability }, new Patience({ timeout, signal, name }), journalPath)
}
