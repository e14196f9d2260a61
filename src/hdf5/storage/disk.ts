// SPDX-License-Identifier: MIT
// Small steps on files that the rest of the storage is made of.
import * as fs from 'node:fs'
import { dirname } from 'node:path'

/** No longer than this, between one look at the lease and the next. */
export const PIECE_BYTES: number = 2 ** 20

/** Reads until `into` is full or the file ends; answers how many bytes that were. */
export function readAt(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const read = fs.readSync(fd, into, done, into.length - done, position + done)
    if (read === 0) break
    done += read
  }
  return done
}

/** Writes all of it, although one call may write a part. */
export function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** Makes durable which files are in the folder of `path`. */
export function syncFolderOf(path: string): void {
  const fd = fs.openSync(dirname(path), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Whose a file is, and who may use it. */
export interface Ownership {
  readonly mode: number | bigint
  readonly uid: number | bigint
  readonly gid: number | bigint
}

/**
 * Gives a file just made, still empty, the owner, the group and the permission bits of another, whatever the umask took. Whoever may not give it
 * away keeps it; if its group cannot be had either, that of the maker gets no rights in its place.
 */
export function giveTo(fd: number, owner: Ownership): void {
  const made = fs.fstatSync(fd)
  const [uid, gid] = [Number(owner.uid), Number(owner.gid)]
  let bits = Number(owner.mode) & 0o777
  if (made.uid !== uid || made.gid !== gid) {
    if (!tryChown(fd, uid, gid) && made.gid !== gid && !tryChown(fd, made.uid, gid)) bits &= 0o707
  }
  if ((made.mode & 0o777) !== bits) fs.fchmodSync(fd, bits)
}

function tryChown(fd: number, uid: number, gid: number): boolean {
  try {
    fs.fchownSync(fd, uid, gid)
    return true
  } catch {
    return false
  }
}
