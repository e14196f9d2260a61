// SPDX-License-Identifier: MIT
// The HDF5 library of the system, as this thread has prepared it for use.
import { type LibHdf5, libhdf5 } from '../../../native/libhdf5.ts'
import { type Calls, callsOf, type Id } from './calls.ts'
import { Driver, isKnownVersion } from './driver.ts'
import { ErrorStack, missing } from './failures.ts'

export interface Engine {
  readonly library: LibHdf5
  readonly calls: Calls
  readonly driver: Driver
  readonly errors: ErrorStack
  /** How files are opened: through the driver, and so that what is written into an old file stays readable for old programs. */
  readonly access: Id
  /** `libhdf5_serial.so.103 (1.10.8)` */
  readonly name: string
}

/** H5F_LIBVER_EARLIEST and H5F_LIBVER_V110: as h5py's own default, but never newer than what h5wasm is told to write. */
const EARLIEST = 0
const V110 = 2

let prepared: Engine | null = null

/**
 * Only one thread of the process may be here at a time.
 *
 * @param what what it is needed for, for the message
 * @throws Hdf5Error `HDF5_NEEDS_LIBRARY`
 */
export function engine(what: string, file: string): Engine {
  prepared ??= prepare(what, file)
  return prepared
}

function prepare(what: string, file: string): Engine {
  const found = libhdf5(isKnownVersion)
  if ('tried' in found) throw missing(what, file, found.tried)
  const name = `${found.name} (${found.version.join('.')})`
  try {
    const calls = callsOf(found)
    const errors = new ErrorStack(found, calls)
    if (calls.H5open() < 0) throw new Error('It does not start.')
    errors.silence()
    const driver = new Driver(found, calls)
    const access = calls.H5Pcreate(calls.constant('H5P_CLS_FILE_ACCESS_ID_g'))
    if (access < 0 || calls.H5Pset_driver(access, driver.id, null) < 0 || calls.H5Pset_libver_bounds(access, EARLIEST, V110) < 0) {
      throw new Error('It cannot be told how to open files.')
    }
    return { library: found, calls, driver, errors, access, name }
  } catch (error) {
    throw missing(what, file, `${name}: ${(error as Error).message}`)
  }
}
