// SPDX-License-Identifier: MIT
// What may bear the name of a journal although the file beside it needs none: removed if nobody can need it any more, else moved aside.
import * as fs from 'node:fs'
import { Hdf5Error } from '../errors.ts'
import { codeOf } from './failures.ts'
import { isBegunHeader, type JournalHeader, readHeader } from './journal-format.ts'
import { readBeginning } from './journal-reader.ts'

/** No more files than this are moved aside from one name. */
const MOST_ASIDE = 1000

/** Of an untorn file and the journal's place beside it. @throws Hdf5Error `HDF5_DENIED` when the name cannot be freed */
export function clearTheWay(path: string, { device, inode }: Pick<JournalHeader, 'device' | 'inode'>): void {
  try {
    const beginning = readIfAllowed(path)
    const header = beginning && readHeader(beginning)
    const ours = header !== null && header.device === device && header.inode === inode
    if (ours || (beginning !== null && isBegunHeader(beginning))) fs.unlinkSync(path)
    else moveAside(path, header === null ? 'unknown' : Buffer.from(header.id).toString('hex'))
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return
    throw new Hdf5Error('HDF5_DENIED', `${path} is in the way of a new journal, and can be neither removed nor moved aside.`, {
      cause,
      file: path,
    })
  }
}

function readIfAllowed(path: string): Buffer | null {
  try {
    return readBeginning(path)
  } catch (error) {
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') return null
    throw error
  }
}

/** The journal of another file, or something that is none: it keeps its id in its new name, by which recovery finds it. */
function moveAside(path: string, id: string): void {
  for (let count = 0; count < MOST_ASIDE; count++) {
    const aside = count === 0 ? `${path}.${id}` : `${path}.${id}.${count}`
    if (fs.lstatSync(aside, { throwIfNoEntry: false }) !== undefined) continue
    fs.renameSync(path, aside)
    return
  }
  throw new Error(`There are ${MOST_ASIDE} files named ${path}.${id} already.`)
}
