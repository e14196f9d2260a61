// SPDX-License-Identifier: MIT
// How ranks come to share a window.
import type { Communicator } from '../communicators/communicator.ts'
import { thisCommunicator } from '../communicators/this-group.ts'
import type { Preference } from '../core/backend.ts'
import { invalid } from '../core/errors.ts'
import { checkRank, WindowController } from './window-controller.ts'

export interface SyncOptions {
  /** The ranks. Default: those that this program was started with: under MPI, by `runThreads` or by `runProcesses`; else it is alone. */
  readonly group?: Communicator | undefined
  /** The rank that keeps the locks, and writes in `singleWrite` unless another one is named. Default 0. */
  readonly master?: number | undefined
  /** Who goes first: waiting writers before waiting readers (the default here), or whoever came first. */
  readonly prefer?: Preference | undefined
}

/**
 * A window that all ranks share. Collective: every rank calls it, with the same options; resolves when all have. Each call makes a window of its own.
 *
 * ```ts
 * const controller = await sync()
 * await controller.write(async () => { … })
 * ```
 *
 * @throws LockError `LOCK_INVALID` for wrong options, and when the ranks' options differ; `LOCK_UNSUPPORTED` under a launcher that does not fit the MPI
 * library; `LOCK_UNAVAILABLE` when a rank is gone.
 */
export async function sync(options: SyncOptions = {}): Promise<WindowController> {
  if (typeof options !== 'object' || options === null) throw invalid(`The options of sync are an object, not ${String(options)}.`)
  const { master = 0, prefer = 'writers' } = options
  if (prefer !== 'first-come' && prefer !== 'writers') throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  const group = options.group ?? (await thisCommunicator())
  checkRank(master, group.size, 'master')
  const controller = new WindowController(group, { master, prefer })
  try {
    await controller.meet(`master ${master}, prefer "${prefer}"`)
  } catch (error) {
    void controller.close()
    throw error
  }
  return controller
}
