// SPDX-License-Identifier: MIT
// mpiCommunicator(): this process as a rank of the job that an MPI launcher has started.
import { randomUUID } from 'node:crypto'
import { isMainThread } from 'node:worker_threads'
import { LockError } from '../../core/errors.ts'
import { loadMpi, MpiWorld } from '../../native/mpi.ts'
import type { MpiFamily } from '../../native/mpi-handles.ts'
import type { Communicator } from '../communicator.ts'
import { MpiCommunicator } from './communicator.ts'
import { watchEnd } from './ending.ts'
import { launcherOf, wrongLibrary } from './launcher.ts'

export { mpiLauncher } from './launcher.ts'

let communicator: Promise<Communicator> | null = null

/**
 * This process as a rank. All ranks must ask for it, since MPI starts when all are there; the library then waits for them, and the event loop with it.
 * The same communicator however often it is asked for: a process is one rank, once.
 *
 * A program that ends in good order leaves by itself, and stays alive until all others leave, too. Any other end (an uncaught error, `process.exit` with
 * another code than 0, a signal) ends the job on every rank.
 *
 * @throws LockError `LOCK_UNSUPPORTED` without an MPI library, with one that does not belong to the launcher, and in worker threads;
 * `LOCK_UNAVAILABLE` when MPI fails.
 */
export function mpiCommunicator(): Promise<Communicator> {
  communicator ??= start()
  return communicator
}

async function start(): Promise<Communicator> {
  if (!isMainThread) throw new LockError('LOCK_UNSUPPORTED', 'MPI can be used in the main thread only.')
  const launcher = launcherOf(process.env)
  const mpi = loadMpi(familiesFor(launcher))
  if (launcher?.isCertain === true && launcher.family !== mpi.family) throw wrongLibrary(launcher, mpi)
  const world = new MpiWorld(mpi)
  if (launcher !== null && launcher.size !== null && launcher.size !== world.size) {
    world.finalize()
    throw wrongLibrary(launcher, mpi)
  }
  const rank = new MpiCommunicator(world, randomUUID())
  watchEnd(rank)
  return rank
}

function familiesFor(launcher: ReturnType<typeof launcherOf>): MpiFamily[] {
  return launcher?.family === 'mpich' ? ['mpich', 'openmpi'] : ['openmpi', 'mpich']
}
