// SPDX-License-Identifier: MIT
// The file in which the users of a lock space agree: where it lies, who may use it, its two bytes, and its record. Everything here is done at
// once, and by one descriptor, which carries the locks.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { makeFolders, makePrivate, refuseNetworkFileSystem, userNumber } from '../backends/file/directory.ts'
import { asLockError } from '../backends/file/failures.ts'
import { invalid, LockError } from '../core/errors.ts'
import { libc } from '../native/libc.ts'
import { blockerOf, EXCLUSIVE, lockRange, SHARED, unlockRange } from '../native/ofd-locks.ts'
import { processesThatLock } from '../native/proc.ts'
import type { Others } from './agreement.ts'
import { type AgreementRecord, decodeSlots, SLOT_BYTES, type SlotWrite, writesFor } from './agreement-record.ts'

/** Behind the two slots of the record. Bytes need not be there to be locked. */
const ELECTION_AT = 2 * SLOT_BYTES
const USERS_AT = ELECTION_AT + 1

const OPEN_ATTEMPTS = 100
const LONGEST_NAME = 180

/**
 * The folder of a user who names none: on a disk of this machine, as a folder that goes with a login (XDG_RUNTIME_DIR) would take the agreement away
 * from those who go on; and the same for a login, a cron job and a service.
 */
export function defaultAgreementFolder(): string {
  return `/var/tmp/holdfast-agreement-${userNumber()}`
}

export class AgreementFile {
  readonly path: string
  private readonly folder: string
  private readonly isPrivate: boolean
  private fd = -1

  /**
   * @param folder as it was named; makes it if it is not there. Default: {@link defaultAgreementFolder}.
   * @throws LockError `LOCK_UNSUPPORTED` elsewhere than on Linux and on network file systems; `LOCK_DENIED`, `LOCK_UNAVAILABLE` where the folder cannot be
   * used.
   */
  constructor(folder: string | undefined, space: string) {
    libc()
    this.folder = folder === undefined ? defaultAgreementFolder() : resolve(folder)
    this.path = join(this.folder, fileName(space))
    this.isPrivate = folder === undefined
    this.reopen()
  }

  /** Opens the file that others find, and makes it if there is none. What was locked is not any more. */
  reopen(): void {
    this.guarded(() => {
      this.close()
      if (this.isPrivate) makePrivate(this.folder)
      else makeFolders(this.folder)
      refuseNetworkFileSystem(this.folder)
      for (let attempt = 0; this.fd < 0 && attempt < OPEN_ATTEMPTS; attempt++) {
        // Without O_CREAT: with it, Linux refuses another user's file in sticky folders (fs.protected_regular).
        this.fd = opened(this.path) ?? -1
        if (this.fd < 0) this.make()
      }
      if (this.fd < 0) throw new LockError('LOCK_UNAVAILABLE', `${this.path} can neither be opened nor made: it may be a link to nothing.`)
    })
  }

  /** It is the file that others find, not one that was removed or replaced. */
  get isTheFile(): boolean {
    if (this.fd < 0) return false
    const found = fs.statSync(this.path, { throwIfNoEntry: false })
    const { ino, dev } = fs.fstatSync(this.fd)
    return found?.ino === ino && found.dev === dev
  }

  beginElection(): boolean {
    return lockRange(this.fd, EXCLUSIVE, ELECTION_AT, 1)
  }

  endElection(): void {
    unlockRange(this.fd, ELECTION_AT, 1)
  }

  /** From nothing, or from exclusive in one step: the kernel replaces a lock of the same descriptor at once. */
  share(): boolean {
    return lockRange(this.fd, SHARED, USERS_AT, 1)
  }

  claim(): boolean {
    return lockRange(this.fd, EXCLUSIVE, USERS_AT, 1)
  }

  leave(): void {
    unlockRange(this.fd, USERS_AT, 1)
  }

  others(): Others {
    const blocker = blockerOf(this.fd, EXCLUSIVE, USERS_AT, 1)
    return blocker === null ? 'nobody' : blocker.type === SHARED ? 'users' : 'writer'
  }

  /** The record; null where there is none that can be relied on. */
  read(): AgreementRecord | null {
    return decodeSlots(this.slots()).record
  }

  /** Of all the records that can be read; 0 for none. */
  get highestEpoch(): number {
    return decodeSlots(this.slots()).highestEpoch
  }

  /** Durably: it may be on this that tokens go on rising after the machine has failed. */
  write(record: AgreementRecord): void {
    this.guarded(() => {
      for (const write of writesFor(this.slots(), record)) this.put(write)
    })
  }

  /** Who has the users byte, as far as this user may see: `1234@host (command)`. */
  who(): readonly string[] {
    try {
      const has = (info: string): boolean => info.split('\n').some(hasUsersByte)
      return processesThatLock(fs.realpathSync(this.path), has).map(({ pid, host, command }) => `${pid}@${host} (${command})`)
    } catch {
      return []
    }
  }

  /** For a child, which keeps the users byte when this process dies. */
  get descriptor(): number {
    return this.fd
  }

  close(): void {
    if (this.fd >= 0) fs.closeSync(this.fd)
    this.fd = -1
  }

  private slots(): Buffer {
    const slots = Buffer.alloc(2 * SLOT_BYTES)
    fs.readSync(this.fd, slots, 0, slots.length, 0)
    return slots
  }

  private put({ at, bytes }: SlotWrite): void {
    const written = fs.writeSync(this.fd, bytes, 0, bytes.length, at)
    if (written < bytes.length) throw new LockError('LOCK_UNAVAILABLE', `The file system of ${this.path} is full.`)
    fs.fsyncSync(this.fd)
  }

  /** It gets its name when it is open to everybody who shares the folder, whatever the umask. */
  private make(): void {
    const { mode, gid } = fs.statSync(this.folder)
    const temporary = `${this.path}.${process.pid}.${Math.random().toString(36).slice(2)}.new`
    const fd = fs.openSync(temporary, 'wx', mode & 0o666)
    try {
      fs.fchmodSync(fd, mode & 0o666)
      try {
        fs.fchownSync(fd, -1, gid)
      } catch {
        // Whoever may not change the group leaves it: then only the mode for all counts.
      }
      fs.linkSync(temporary, this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      fs.closeSync(fd)
      fs.rmSync(temporary, { force: true })
    }
    const folder = fs.openSync(this.folder, 'r')
    try {
      fs.fsyncSync(folder)
    } finally {
      fs.closeSync(folder)
    }
  }

  /** What the system says of the folder. */
  asLockError(error: unknown): LockError {
    const known = asLockError(error, this.folder)
    const said = known.message.replace('The lock directory', 'The agreement folder').replace('file:/path', 'agreement: /path')
    return said === known.message ? known : new LockError(known.code, said, { cause: error })
  }

  private guarded<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw this.asLockError(error)
    }
  }
}

/** @throws LockError `LOCK_INVALID` */
export function checkSpaceName(space: unknown): void {
  // A lone half of a surrogate pair cannot be written as UTF-8.
  if (typeof space !== 'string' || space === '' || /[{}\0/]|\p{Cs}/u.test(space))
    throw invalid('space is a word without "/", "{", "}" and NUL.')
}

function fileName(space: string): string {
  checkSpaceName(space)
  const plain = encodeURIComponent(space).replace(/^\./, '%2E')
  const name = plain.length <= LONGEST_NAME ? plain : createHash('sha256').update(space).digest('hex')
  return `${name}.agreement`
}

/** A line of /proc/PID/fdinfo, as `lock: 1: OFDLCK ADVISORY WRITE -1 fe:00:42 8192 8193`: the kernel joins locks of neighbours. */
function hasUsersByte(line: string): boolean {
  const [, from, to] = /^lock:.* (\d+) (\d+)$/.exec(line) ?? []
  return from !== undefined && Number(from) <= USERS_AT && USERS_AT <= Number(to)
}

function opened(path: string): number | null {
  try {
    return fs.openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
