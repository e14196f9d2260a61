// SPDX-License-Identifier: MIT
// Where a file really lies. Symbolic links are followed anew at each access, as they may be switched between two.
import * as fs from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Hdf5Error } from '../errors.ts'
import { misused } from '../options.ts'
import { shown } from '../where.ts'

/** As the kernel's own limit. */
const MOST_LINKS = 40

/** @throws Hdf5Error `HDF5_INVALID` */
export function absolutePath(path: unknown): string {
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw misused(`The path of a file is a string, not ${shown(path)}.`)
  return resolve(path)
}

/**
 * The real path of a file that is there.
 *
 * @throws Hdf5Error `HDF5_NO_FILE`, `HDF5_DENIED`
 */
export function realPathOf(path: string): string {
  try {
    return fs.realpathSync.native(path)
  } catch (error) {
    throw asHdf5Error(error, path)
  }
}

/**
 * The real path that a file has, or will have once it is made: a link to nothing leads to where its target would be.
 *
 * @throws Hdf5Error `HDF5_NO_FILE` when there is no folder for it, `HDF5_DENIED`
 */
export function futurePathOf(path: string): string {
  let place = path
  try {
    for (let links = 0; links < MOST_LINKS; links++) {
      if (fs.existsSync(place)) return fs.realpathSync.native(place)
      place = join(fs.realpathSync.native(dirname(place)), basename(place))
      if (!fs.lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) return place
      place = resolve(dirname(place), fs.readlinkSync(place))
    }
  } catch (error) {
    throw asHdf5Error(error, path, `There is no folder for ${path}.`)
  }
  throw new Hdf5Error('HDF5_NO_FILE', `${path} is a symbolic link that leads in a circle.`, { file: path })
}

/** @throws Hdf5Error `HDF5_DENIED` when the user may not write the file. */
export function checkWritable(file: string): void {
  try {
    fs.accessSync(file, fs.constants.W_OK)
  } catch (error) {
    throw asHdf5Error(error, file)
  }
}

function asHdf5Error(cause: unknown, file: string, missing: string = `There is no file ${file}.`): Hdf5Error {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return new Hdf5Error('HDF5_NO_FILE', missing, { file, cause })
  if (code === 'ENAMETOOLONG') return new Hdf5Error('HDF5_INVALID', `${file} is too long for a path.`, { file, cause })
  return new Hdf5Error('HDF5_DENIED', `${file} cannot be reached: ${message}`, { file, cause })
}
