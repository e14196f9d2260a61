// SPDX-License-Identifier: MIT
// The group that this program was started in, by whatever started it.
import { isMainThread } from 'node:worker_threads'
import { LockError } from '../core/errors.ts'
import { aloneCommunicator } from './alone.ts'
import type { Communicator } from './communicator.ts'
import { perThread } from './per-thread.ts'
import { processCommunicator } from './processes.ts'
import { threadCommunicator } from './threads.ts'

/**
 * The group of this thread: the one of {@link runThreads}, of {@link runProcesses}, or of mpiexec; a group of one when nobody started it as a rank. The same at every call.
 *
 * @throws LockError `LOCK_UNSUPPORTED` in a worker thread of a program that is a rank: the rank is its main thread.
 */
export function thisCommunicator(): Promise<Communicator> {
  return perThread('thisCommunicator', findGroup)
}

async function findGroup(): Promise<Communicator> {
  return threadCommunicator() ?? processCommunicator() ?? (await communicatorOfMpi()) ?? aloneCommunicator()
}

async function communicatorOfMpi(): Promise<Communicator | null> {
  const { mpiCommunicator, mpiLauncher } = await import('./mpi/index.ts')
  if (mpiLauncher() === null) return null
  if (!isMainThread) {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      'A rank of MPI is the main thread of its process: a worker thread of it has no part in the group.',
    )
  }
  return mpiCommunicator()
}
