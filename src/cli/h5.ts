// SPDX-License-Identifier: MIT
// Restores HDF5 files whose writer died in the middle of a write.
import { connect } from '../config/url.ts'
import { recoverFile } from '../hdf5/recover-file.ts'
import { exitCodeOf } from './exit-codes.ts'
import { printError } from './output.ts'

export interface RecoverOptions {
  /** Default: the lock space that HDF5 files are locked in by themselves. */
  readonly on?: string
  readonly journal?: string
  /** In milliseconds. */
  readonly timeout?: number
}

/** Every file gets its turn, whatever became of those before it. @returns the exit code of the first that failed. */
export async function recover(files: readonly string[], { on, journal, timeout }: RecoverOptions): Promise<number> {
  const locks = on === undefined ? undefined : await connect(on)
  let exitCode = 0
  for (const file of files) {
    try {
      const restored = await recoverFile(file, { locks, journal, timeout, name: 'holdfast h5 recover' })
      process.stdout.write(`${file}: ${restored ? 'restored to what it was before the write' : 'nothing to restore'}\n`)
    } catch (error) {
      printError(error)
      exitCode ||= exitCodeOf(error)
    }
  }
  await locks?.close()
  return exitCode
}
