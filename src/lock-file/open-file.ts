// SPDX-License-Identifier: MIT
// A file to be locked, as this process has it open for one request: found or made, looked at before anything is done to it, and compared with what
// stands at its path afterwards. It is never removed.
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { NETWORK_FILE_SYSTEMS } from '../backends/file/directory.ts'
import { invalid, LockError } from '../core/errors.ts'
import type { FlockType } from '../native/flock.ts'
import { blockedByOneOfUs, tryBoth, unlockBoth, weakenBoth } from './both-locks.ts'
import { beginNotes, endNote, writeNote } from './note.ts'

const { O_CREAT, O_EXCL, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants
/** A FIFO would keep us waiting for its other end. On files these mean nothing. */
const PLAINLY = O_NONBLOCK | O_NOCTTY
/** A file that is neither there nor can be made, so often in a row, is no race. */
const OPEN_ATTEMPTS = 100

export interface OpenOptions {
  /** Permission bits of a file that is made; undefined: what the umask leaves of 0666. */
  readonly permissions: number | undefined
  /** Say in files that we made who holds them. */
  readonly note: boolean
}

export class OpenFile {
  readonly path: string
  readonly type: FlockType
  /** Node opens files so that programs which it starts do not have them. */
  readonly fd: number
  private readonly note: boolean
  private readonly device: bigint
  private readonly inode: bigint
  /** What we have written into it. */
  private said: string | null = null
  private closed = false

  /**
   * Opens the file, or makes an empty one if there is none.
   *
   * @throws system errors as they come, and LockErrors. Nothing is locked or changed then.
   */
  constructor(path: string, type: FlockType, { permissions, note }: OpenOptions) {
    this.path = path
    this.type = type
    this.note = note
    this.fd = openOrMake(path, type, permissions, note)
    try {
      const found = fs.fstatSync(this.fd, { bigint: true })
      refuseWhatIsNoFile(path, found)
      this.device = found.dev
      this.inode = found.ino
    } catch (error) {
      fs.closeSync(this.fd)
      throw error
    }
  }

  /** The file that we have open is the one that others find at its path. Also where that cannot be seen. */
  get intact(): boolean {
    try {
      const found = fs.statSync(this.path, { bigint: true, throwIfNoEntry: false })
      return found !== undefined && found.ino === this.inode && found.dev === this.device
    } catch (error) {
      return codeOf(error) !== 'ENOTDIR'
    }
  }

  /** Locks it if nobody is in the way. */
  tryLock(): boolean {
    return tryBoth(this.fd, this.type)
  }

  /** The one in the way can be heard when it leaves. See {@link blockedByOneOfUs}. */
  get blockedByOneOfUs(): boolean {
    return blockedByOneOfUs(this.fd, this.type)
  }

  /** Says in the file who holds it, where that does no harm. Called when it is locked. Never throws. */
  sign(): void {
    if (this.note && this.type === 'exclusive')
      attempt(() => {
        this.said = writeNote(this.fd)
      })
  }

  /** From exclusive to shared, and tells those who listen. False when the lock was lost over it. */
  weaken(): boolean {
    this.unsign()
    const weakened = weakenBoth(this.fd)
    this.ring()
    return weakened
  }

  unlock(): void {
    unlockBoth(this.fd)
  }

  /**
   * Unlocks and closes it, of which those who listen hear. The unlock is said by itself, as somebody may have inherited the descriptor. Never throws: what
   * is left when something fails goes with the descriptor.
   *
   * @param inherited that may be so: then closing ours is no event.
   */
  release(inherited: boolean = false): void {
    if (this.closed) return
    this.closed = true
    this.unsign()
    attempt(() => this.unlock())
    attempt(() => fs.closeSync(this.fd))
    if (inherited) this.ring()
  }

  /** Makes those who watch the file look: they hear that somebody closed it. */
  private ring(): void {
    attempt(() => fs.closeSync(fs.openSync(this.path, O_RDONLY | PLAINLY)))
  }

  private unsign(): void {
    const { said } = this
    this.said = null
    if (said !== null) attempt(() => endNote(this.fd, said))
  }
}

/** Opens plainly first: with O_CREAT, Linux refuses the files of other users in sticky folders (fs.protected_regular). */
function openOrMake(path: string, type: FlockType, permissions: number | undefined, note: boolean): number {
  const access = type === 'exclusive' ? O_RDWR : O_RDONLY
  for (let tries = 0; tries < OPEN_ATTEMPTS; tries++) {
    const found = fs.statSync(path, { throwIfNoEntry: false })
    if (found !== undefined) {
      refuseWhatIsNoFile(path, found)
      try {
        refuseNetworkFileSystem(path)
        return fs.openSync(path, access | PLAINLY)
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
    refuseNetworkFileSystem(dirname(path))
    try {
      return make(path, permissions, note)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  throw invalid(`The lock file ${path} can neither be opened nor made: it may be a link to nothing.`)
}

function make(path: string, permissions: number | undefined, note: boolean): number {
  const fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | PLAINLY, 0o666)
  try {
    if (permissions !== undefined) fs.fchmodSync(fd, permissions)
    if (note && tryBoth(fd, 'exclusive')) {
      attempt(() => beginNotes(fd))
      unlockBoth(fd)
    }
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

function refuseWhatIsNoFile(path: string, found: fs.Stats | fs.BigIntStats): void {
  if (found.isFile()) return
  const what = found.isDirectory() ? 'a folder: name a file in it' : found.isFIFO() ? 'a FIFO' : found.isSocket() ? 'a socket' : 'a device'
  throw invalid(`The lock file ${path} is ${what}. A lock file is a file, or not there yet.`)
}

function refuseNetworkFileSystem(path: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(fs.statfsSync(path).type)
  if (name === undefined) return
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `The lock file ${path} lies on ${name}, where locks may stop at the machine: choose one on a local disk, or a server for several hosts.`,
  )
}

function attempt(step: () => void): void {
  try {
    step()
  } catch {}
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
