// SPDX-License-Identifier: MIT
// What the system's refusals mean to somebody who wants an HDF5 file.
import { isLockError } from '../../core/errors.ts'
import { Hdf5Error, type Hdf5ErrorCode, isHdf5Error } from '../errors.ts'

const MEANING: Readonly<Record<string, readonly [Hdf5ErrorCode, string]>> = {
  ENOENT: ['HDF5_NO_FILE', 'there is no such file'],
  ENOTDIR: ['HDF5_NO_FILE', 'something on the way to it is no folder'],
  ELOOP: ['HDF5_NO_FILE', 'it is a symbolic link, or links run in a circle'],
  ENAMETOOLONG: ['HDF5_INVALID', 'the name, to which that of its journal adds 17 characters, is too long'],
  EISDIR: ['HDF5_NOT_HDF5', 'it is a folder'],
  ENXIO: ['HDF5_NOT_HDF5', 'it is not a regular file'],
  ENODEV: ['HDF5_NOT_HDF5', 'it is not a regular file'],
  EACCES: ['HDF5_DENIED', 'no permission'],
  EPERM: ['HDF5_DENIED', 'no permission'],
  EROFS: ['HDF5_DENIED', 'the file system is mounted read-only'],
  ETXTBSY: ['HDF5_DENIED', 'it is being executed'],
  ENOSPC: ['HDF5_FULL', 'no space is left on the device'],
  EDQUOT: ['HDF5_FULL', 'the disk quota is used up'],
  EFBIG: ['HDF5_FULL', 'it would be larger than this process or its file system may make it'],
}

export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** An Hdf5Error that says which file, what was asked, and why not. LockErrors and Hdf5Errors pass as they are. */
export function asHdf5Error(error: unknown, file: string, what: string): Error {
  if (isHdf5Error(error) || isLockError(error)) return error
  const [code, why] = MEANING[codeOf(error) ?? ''] ?? ['HDF5_FAILED', 'see the cause']
  return new Hdf5Error(code, `${file} cannot be ${what}: ${why} (${error instanceof Error ? error.message : String(error)}).`, {
    cause: error,
    file,
  })
}
