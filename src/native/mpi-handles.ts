// SPDX-License-Identifier: MIT
// What the header files of the two families of MPI say: MPI's C interface has no common ABI, so each family has its own handles and its own MPI_Status.

/** `mpich`: MPICH and those that share its ABI (Intel MPI, MVAPICH, Cray MPICH). `openmpi`: Open MPI. */
export type MpiFamily = 'mpich' | 'openmpi'

/** Values of one family. A handle is a 32-bit integer in MPICH, and the address of an object in Open MPI. */
export interface MpiHandles {
  /** How koffi passes a handle, of which type the cell is that one is written to. */
  readonly handle: 'int' | 'intptr_t'
  readonly world: number
  readonly byte: number
  readonly errorsReturn: number
  readonly anySource: number
  readonly anyTag: number
  /** An address to pass for a status that nobody reads. */
  readonly statusIgnore: number
  /** The key of the attribute that holds the largest tag. */
  readonly tagUpperBound: number
  /** Where the fields of a status are, in 32-bit words. */
  readonly status: { readonly source: number; readonly tag: number }
}

/** A symbol that Open MPI exports and nobody else does. */
export const OPENMPI_WORLD = 'ompi_mpi_comm_world'

const MPICH: MpiHandles = {
  handle: 'int',
  world: 0x44000000,
  byte: 0x4c00010d,
  errorsReturn: 0x54000001,
  anySource: -2,
  anyTag: -1,
  statusIgnore: 1,
  tagUpperBound: 0x64400001,
  status: { source: 2, tag: 3 },
}

/** `addressOf` finds the objects that Open MPI's handles point to. */
export function handlesOf(family: MpiFamily, addressOf: (symbol: string) => number): MpiHandles {
  if (family === 'mpich') return MPICH
  return {
    handle: 'intptr_t',
    world: addressOf(OPENMPI_WORLD),
    byte: addressOf('ompi_mpi_byte'),
    errorsReturn: addressOf('ompi_mpi_errors_return'),
    anySource: -1,
    anyTag: -1,
    statusIgnore: 0,
    tagUpperBound: 0,
    status: { source: 0, tag: 1 },
  }
}
