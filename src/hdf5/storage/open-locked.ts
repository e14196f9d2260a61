// SPDX-License-Identifier: MIT
// Opens a file and takes flock on it, so that it is surely the file of that name which is locked.
import * as fs from 'node:fs'
import { type FlockType, lockFile } from '../../native/flock.ts'
import { Hdf5Error } from '../errors.ts'
import { readAt } from './disk.ts'
import { asHdf5Error, codeOf } from './failures.ts'
import { type Located, locate } from './signature.ts'

const { O_RDONLY, O_RDWR, O_NONBLOCK, O_NOCTTY } = fs.constants
/** Another file that takes the name while we lock, so often in a row, is busy. */
const ATTEMPTS = 10

export interface LockedFile {
  readonly fd: number
  readonly path: string
  readonly stats: fs.BigIntStats
}

/** Anything but a regular file is refused without waiting for what it may be. @throws Hdf5Error */
export function openLocked(path: string, access: 'read' | 'write', lock: FlockType): LockedFile | 'busy' {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = open(path, access)
    let kept = false
    try {
      const stats = fs.fstatSync(fd, { bigint: true })
      if (!stats.isFile()) throw new Hdf5Error('HDF5_NOT_HDF5', `${path} is not a regular file.`, { file: path })
      if (!lockFile(fd, lock)) return 'busy'
      const named = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
      if (named !== undefined && named.ino === stats.ino && named.dev === stats.dev) {
        kept = true
        // The size may have changed while somebody else had the lock.
        return { fd, path, stats: named }
      }
    } finally {
      if (!kept) fs.closeSync(fd)
    }
  }
  return 'busy'
}

function open(path: string, access: 'read' | 'write'): number {
  try {
    return fs.openSync(path, (access === 'read' ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY)
  } catch (error) {
    throw asHdf5Error(error, path, access === 'read' ? 'read' : 'written')
  }
}

/** True when an attempt failed because the file may not be written, so that reading it may still be tried. */
export function isDenied(error: unknown): boolean {
  return codeOf(error) === 'HDF5_DENIED'
}

/** Where its signature or a mark lies. @throws Hdf5Error `HDF5_NOT_HDF5` */
export function locateIn({ fd, path, stats }: LockedFile): Located {
  const size = Number(stats.size)
  const found = locate((into, position) => readAt(fd, into, position), size)
  if (found !== null) return found
  const what = size === 0 ? 'it is empty' : 'the HDF5 signature is nowhere where it may be'
  throw new Hdf5Error('HDF5_NOT_HDF5', `${path} is not an HDF5 file: ${what}.`, { file: path })
}

/** @throws Hdf5Error `HDF5_HARD_LINKED` */
export function refuseHardLinks({ path, stats }: LockedFile): void {
  if (stats.nlink === 1n) return
  throw new Hdf5Error(
    'HDF5_HARD_LINKED',
    `${path} has ${stats.nlink} names (hard links). Whoever opens it by another name would not find its journal, so it is not written: ` +
      'remove the other names, or copy it.',
    { file: path },
  )
}
