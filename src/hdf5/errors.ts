// SPDX-License-Identifier: MIT
// Whatever goes wrong with an HDF5 file is an Hdf5Error with a stable code that names the file and, where there is one, the object in it.

/**
 * What went wrong, in a word that stays the same from release to release.
 *
 * | code | meaning |
 * |---|---|
 * | `HDF5_NO_FILE` | there is no such file |
 * | `HDF5_FILE_EXISTS` | mode `x` (or `w-`), and the file is there already |
 * | `HDF5_NOT_HDF5` | the file is not an HDF5 file, or too damaged to be opened |
 * | `HDF5_NO_OBJECT` | there is no such group, dataset or attribute |
 * | `HDF5_EXISTS` | an object, link or attribute of that name is there already |
 * | `HDF5_KIND` | the object is of another kind: a group where a dataset was asked for |
 * | `HDF5_LINK` | a soft or external link leads nowhere; the message names its target |
 * | `HDF5_SHAPE` | the value does not have the shape of what it is written to, or the dataset cannot have that shape |
 * | `HDF5_TYPE` | the value cannot be stored in that type, or the type is not understood |
 * | `HDF5_RANGE` | a number does not fit its type |
 * | `HDF5_BOUNDS` | an index or a slice lies outside the dataset, or the selection is malformed |
 * | `HDF5_FILTER` | a compression filter is missing |
 * | `HDF5_INVALID` | an argument is wrong: a mode, an option, a path |
 * | `HDF5_READ_ONLY` | the file was opened with mode `r`, or the object belongs to a `read` view |
 * | `HDF5_CLOSED` | the file object, the view or the transaction is over |
 * | `HDF5_HARD_LINKED` | the file has more than one name, so its journal could be missed: not written |
 * | `HDF5_TORN` | a writer died in the middle of a write, and the file cannot be restored from here; the message says what to do |
 * | `HDF5_NEEDS_RECOVERY` | a writer died in the middle of a write, and whoever reads may not write: somebody who may has to open it |
 * | `HDF5_FULL` | no space left on the device, a quota or a size limit; the file is as before |
 * | `HDF5_DENIED` | the operating system refuses |
 * | `HDF5_TOO_LARGE` | more than one slice may hold (2 GiB) |
 * | `HDF5_NEEDS_LIBRARY` | this needs the system's libhdf5; the message says how to install it |
 * | `HDF5_UNSUPPORTED` | a kind of data or file that is not supported |
 * | `HDF5_FAILED` | the HDF5 library failed in a way of its own; the message carries its words |
 */
export type Hdf5ErrorCode =
  | 'HDF5_NO_FILE'
  | 'HDF5_FILE_EXISTS'
  | 'HDF5_NOT_HDF5'
  | 'HDF5_NO_OBJECT'
  | 'HDF5_EXISTS'
  | 'HDF5_KIND'
  | 'HDF5_LINK'
  | 'HDF5_SHAPE'
  | 'HDF5_TYPE'
  | 'HDF5_RANGE'
  | 'HDF5_BOUNDS'
  | 'HDF5_FILTER'
  | 'HDF5_INVALID'
  | 'HDF5_READ_ONLY'
  | 'HDF5_CLOSED'
  | 'HDF5_HARD_LINKED'
  | 'HDF5_TORN'
  | 'HDF5_NEEDS_RECOVERY'
  | 'HDF5_FULL'
  | 'HDF5_DENIED'
  | 'HDF5_TOO_LARGE'
  | 'HDF5_NEEDS_LIBRARY'
  | 'HDF5_UNSUPPORTED'
  | 'HDF5_FAILED'

export interface Hdf5ErrorOptions {
  readonly cause?: unknown
  /** The path of the HDF5 file. */
  readonly file?: string | undefined
  /** The path of the object in the file; an attribute as `/object@name`. */
  readonly object?: string | undefined
}

const brand = Symbol.for('holdfast.Hdf5Error')

/** An error with a stable {@link Hdf5ErrorCode}. Recognise it with {@link isHdf5Error}, which also works across copies of the package. */
export class Hdf5Error extends Error {
  readonly code: Hdf5ErrorCode
  readonly file: string | undefined
  readonly object: string | undefined

  constructor(code: Hdf5ErrorCode, message: string, options: Hdf5ErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'Hdf5Error'
    this.code = code
    this.file = options.file
    this.object = options.object
    Object.defineProperty(this, brand, { value: true })
  }

  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, file: this.file, object: this.object }
  }
}

/** True for an error of an HDF5 file, and, with a code, for that one: `isHdf5Error(error, 'HDF5_SHAPE')`. */
export function isHdf5Error(value: unknown, code?: Hdf5ErrorCode): value is Hdf5Error {
  return value instanceof Error && brand in value && (code === undefined || (value as Error as Hdf5Error).code === code)
}
