// SPDX-License-Identifier: MIT
// Who has started this program as a rank, by what launchers put into the environment.
import { LockError } from '../../core/errors.ts'
import { titleOf } from '../../native/mpi.ts'
import type { MpiFamily } from '../../native/mpi-handles.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface Launcher {
  /** Whose library it works with. */
  readonly family: MpiFamily
  /** Whether it can work with no other. Slurm's protocols are spoken by both families, depending on how they were built. */
  readonly isCertain: boolean
  /** How many ranks it has started; null where it does not say. */
  readonly size: number | null
}

/** The launcher that has started this program; null when none has. */
export function launcherOf(env: Environment): Launcher | null {
  if (env.OMPI_COMM_WORLD_SIZE !== undefined) return { family: 'openmpi', isCertain: true, size: Number(env.OMPI_COMM_WORLD_SIZE) }
  const isSlurm = env.SLURM_STEP_ID !== undefined
  // Hydra, MPICH's own launcher, gives a descriptor or, where it is told to, a port.
  if (env.PMI_FD !== undefined || env.PMI_RANK !== undefined || env.PMI_PORT !== undefined) {
    return { family: 'mpich', isCertain: !isSlurm, size: sizeIn(env.PMI_SIZE) }
  }
  if (env.PMIX_RANK !== undefined) return { family: 'openmpi', isCertain: false, size: isSlurm ? sizeIn(env.SLURM_STEP_NUM_TASKS) : null }
  return null
}

/**
 * Which family's launcher has started this program as a rank: `mpiexec` of MPICH or of Open MPI, or another one that speaks like them, such as Slurm's
 * `srun --mpi=pmi2` or `--mpi=pmix`. Null when none has. Looks at environment variables only.
 */
export function mpiLauncher(env: Environment = process.env): MpiFamily | null {
  return launcherOf(env)?.family ?? null
}

function sizeIn(text: string | undefined): number | null {
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}

/** Where ranks would not find each other, since launcher and library do not belong together. */
export function wrongLibrary(launcher: Launcher, library: { readonly family: MpiFamily; readonly name: string }): LockError {
  const wanted = titleOf(launcher.family)
  const found = titleOf(library.family)
  const program = launcher.family === 'mpich' ? 'mpiexec.mpich' : 'mpiexec.openmpi'
  const other = launcher.family === 'mpich' ? 'mpiexec.openmpi' : 'mpiexec.mpich'
  const many = launcher.size === null ? 'several' : String(launcher.size)
  if (launcher.family !== library.family) {
    return new LockError(
      'LOCK_UNSUPPORTED',
      `This program was started by a launcher of ${wanted} (such as ${program}) as one of ${many} ranks, but the MPI library here is ${found}'s, ${library.name}: ` +
        `each would be alone. Start it with a launcher of ${found} (such as ${other}), or install the library of ${wanted}, or name it in HOLDFAST_MPI_LIBRARY.`,
    )
  }
  return new LockError(
    'LOCK_UNSUPPORTED',
    `This program was started as one of ${many} ranks, but with the MPI library ${library.name} of ${found} it is alone: the launcher belongs to another MPI. ` +
      'Start it with the launcher that comes with that library, or name the library of that launcher in HOLDFAST_MPI_LIBRARY.',
  )
}
