// SPDX-License-Identifier: MIT
// A temporary folder that is removed when its run ends; or, when the run is killed before that, as the next one begins.
//
// Invariant: a folder is abandoned when it holds a MARK that nobody has locked. The kernel takes the lock back with the process, whatever the process ends of;
// and the file gets its name only once it is locked.
import { closeSync, lstatSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockFile } from '../../native/flock.ts'

const PREFIX = 'holdfast-torture-'
const MARK = 'in-use'

export interface OwnFolder {
  readonly path: string
  remove(): void
}

export function makeOwnFolder(): OwnFolder {
  clearAbandoned()
  const path = mkdtempSync(join(tmpdir(), PREFIX))
  const begun = join(path, `${MARK}-soon`)
  const fd = openSync(begun, 'wx')
  // Where files cannot be locked, it is left to whoever finds it.
  if (isFree(fd)) renameSync(begun, join(path, MARK))
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true })
      closeSync(fd)
    },
  }
}

function clearAbandoned(): void {
  for (const name of readdirSync(tmpdir())) if (name.startsWith(PREFIX)) clear(join(tmpdir(), name))
}

function clear(path: string): void {
  let fd: number
  try {
    const folder = lstatSync(path)
    if (!folder.isDirectory() || folder.uid !== process.getuid!()) return
    fd = openSync(join(path, MARK), 'r')
  } catch {
    // It is none of these, or gone by now.
    return
  }
  try {
    if (isFree(fd)) rmSync(path, { recursive: true, force: true })
  } catch {
    // What cannot be removed now can be the next time.
  } finally {
    closeSync(fd)
  }
}

/** True when the file is ours now. */
function isFree(fd: number): boolean {
  try {
    return lockFile(fd, 'exclusive')
  } catch {
    return false
  }
}
