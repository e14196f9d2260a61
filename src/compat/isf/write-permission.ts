// SPDX-License-Identifier: MIT
// The library's lock on a real file: whoever may not write a file cannot spoil it, and is let in at once; all others lock it as fasteners does.
import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { LockFile } from '../../lock-file/index.ts'
import { type Held, IsfLock, type Patience } from './lock.ts'

/**
 * The lock of one real file, which fasteners, `fcntl.lockf` and flock(1) honour.
 *
 * - Where the file may not be written: `acquire()` is true at once, and nothing is locked.
 * - Where it may: it is locked alone, as {@link LockFile} does it.
 * - Where there is none: an empty one is made if its folder may be written; else `acquire()` is true at once.
 *
 * The permission is looked at whenever the lock is asked for, with the rights of this process (root may write everything).
 */
export class InterProcessLockNoWritePermission extends IsfLock {
  private readonly file: LockFile

  /** @throws LockError `LOCK_INVALID` for what is no path; `LOCK_UNSUPPORTED` elsewhere than on Linux. */
  constructor(path: string) {
    super(path)
    this.file = fileAt(path)
  }

  protected take(patience: Patience): Promise<Held> {
    return lockWhereWritable(this.file, 'lock', patience)
  }
}

/** It may become data one day, so nothing is written into it. */
export function fileAt(path: string): LockFile {
  return new LockFile(path, { note: false })
}

/** Shared, for reading, where all who write are kept out: the Python programs always write. */
export async function lockWhereWritable(file: LockFile, kind: 'lock' | 'read' | 'write', patience: Patience): Promise<Held> {
  if (!mayWrite(file.path)) return { token: null, valid: true, signal: new AbortController().signal, release: async () => {} }
  return kind === 'read' ? await file.read(patience) : await file.write(patience)
}

/** Of a file that is not there: whether it may be made. What else is wrong is told when it is to be locked. */
function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return may(dirname(path))
    return code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS'
  }
}

function may(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
