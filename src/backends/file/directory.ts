// SPDX-License-Identifier: MIT
// The lock directory: where it is, what is in it, and who may use it.
//
//   space.json    the layout and the policy of the space; written once
//   space.lock    bytes that are locked: see space-lock.ts
//   tokens.json   how high tokens may rise before somebody writes here again: see tokens.ts
//   shards/       000 … fff, empty files whose bytes are locked: see layout.ts
//   identity      a word of its own, once somebody asks for it: see identity.ts
//   members/      a socket for each process that takes part, to be asked who holds what: see members.ts
import * as fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Preference } from '../../core/backend.ts'
import { invalid, LockError } from '../../core/errors.ts'
import { LAYOUT } from './layout.ts'

/**
 * The lock directory of a user who names none: a folder in /var/tmp, which lies on a disk of this machine, survives a restart, and is the
 * same for a login, a cron job and a service, whatever HOME, TMPDIR or XDG_RUNTIME_DIR they see.
 */
export function defaultDirectory(): string {
  return `/var/tmp/holdfast-${userNumber()}`
}

/** Not from os.userInfo(), which fails for users who have a number and no name, as is usual in containers. */
export function userNumber(): number {
  return process.geteuid?.() ?? 0
}

/** Network file systems by the magic number that statfs(2) reports: locks may stop at the machine, and no event crosses it. */
export const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9P'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x19830326, 'BeeGFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
])

/** A file that is neither there nor can be made, so often in a row, is no race. */
const OPEN_ATTEMPTS = 100
const OPENING_MS = 50

interface SpaceRecord {
  readonly layout: number
  readonly prefer: Preference
}

export class LockDirectory {
  readonly path: string
  /** Permission bits of the files in it: what the directory itself grants, without the right to execute. */
  private readonly fileMode: number
  private readonly group: number
  /** Tells the directory from another that may come to stand at the same path. */
  private readonly identity: string
  private readonly shards: string

  /** Makes the directory if there is none. Throws system errors as they come, and LockErrors. */
  constructor(path: string | undefined) {
    this.path = path === undefined ? defaultDirectory() : resolve(path)
    if (path === undefined) makePrivate(this.path)
    else makeFolders(this.path)
    refuseNetworkFileSystem(this.path)
    const { mode, gid } = fs.statSync(this.path)
    this.fileMode = mode & 0o666
    this.group = gid
    this.identity = identityOf(this.path) ?? ''
    this.makeFolder('shards', mode)
    this.makeFolder('members', mode)
    this.shards = identityOf(this.file('shards')) ?? ''
  }

  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  /** What the kernel knows it by, and the folder with the files that it locks. */
  get inode(): string {
    return `${this.identity}.${this.shards}`
  }

  /** The directory still stands where it stood. */
  get intact(): boolean {
    return identityOf(this.path) === this.identity
  }

  /** And so does the folder of the shards. */
  get whole(): boolean {
    return this.intact && identityOf(this.file('shards')) === this.shards
  }

  /**
   * Opens a file for reading and writing, and makes it if there is none, for everybody who shares the directory. A file of another user is
   * opened without O_CREAT: with it, Linux refuses that in sticky folders (fs.protected_regular).
   */
  open(...names: string[]): number {
    const path = this.file(...names)
    for (let attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
      try {
        return fs.openSync(path, 'r+')
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
      const fd = this.make(path)
      if (fd !== null) return fd
    }
    throw new LockError('LOCK_UNAVAILABLE', `${path} can neither be opened nor made: it may be a link to nothing.`)
  }

  /**
   * Puts a whole file in place, durably: readers see the old one or the new one, also after a crash. In a sticky folder nobody may replace
   * another user's file: there it is overwritten, which for a text of less than a disk's sector comes to the same.
   */
  replace(name: string, text: string): void {
    const path = this.file(name)
    const temporary = temporaryName(path)
    try {
      const fd = fs.openSync(temporary, 'wx', this.fileMode)
      try {
        this.share(fd)
        fs.writeSync(fd, text)
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
      fs.renameSync(temporary, path)
      this.sync()
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      if (codeOf(error) !== 'EPERM') throw error
      overwrite(path, text)
    }
  }

  /** A whole file as text; null if there is none. */
  read(name: string): string | null {
    try {
      return fs.readFileSync(this.file(name), 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  /** The recorded policy; recorded now if nothing was. Refuses a directory of another layout, and a policy that differs. */
  policy(wanted: Preference | undefined): Preference {
    const record = this.readRecord() ?? this.writeRecord({ layout: LAYOUT, prefer: wanted ?? 'first-come' })
    if (record.layout !== LAYOUT) {
      throw invalid(`The lock directory ${this.path} has layout ${record.layout}; this version of Holdfast uses layout ${LAYOUT}.`)
    }
    if (wanted !== undefined && wanted !== record.prefer) {
      throw invalid(`The lock directory ${this.path} was made with prefer "${record.prefer}" and cannot be used with prefer "${wanted}".`)
    }
    return record.prefer
  }

  private readRecord(): SpaceRecord | null {
    const text = this.read('space.json')
    if (text === null) return null
    try {
      const { layout, prefer } = JSON.parse(text) as SpaceRecord
      if (typeof layout === 'number' && (prefer === 'first-come' || prefer === 'writers')) return { layout, prefer }
    } catch {}
    throw new LockError('LOCK_UNAVAILABLE', `${this.file('space.json')} is damaged. If nobody uses the directory, remove it.`)
  }

  /** The first to record wins; a link that fails because the name is taken is how the others learn it. */
  private writeRecord(record: SpaceRecord): SpaceRecord {
    const fd = this.make(this.file('space.json'), `${JSON.stringify(record)}\n`)
    if (fd === null) return this.readRecord() ?? record
    fs.closeSync(fd)
    this.sync()
    return record
  }

  /**
   * Makes a file, and answers its descriptor; null if there is one by now. It gets its name when it is complete and open to everybody who
   * shares the directory, so that nobody meets it half made.
   */
  private make(path: string, text: string = ''): number | null {
    const temporary = temporaryName(path)
    const fd = fs.openSync(temporary, 'wx+', this.fileMode)
    try {
      this.share(fd)
      if (text !== '') {
        fs.writeSync(fd, text)
        fs.fsyncSync(fd)
      }
      fs.linkSync(temporary, path)
      return fd
    } catch (error) {
      fs.closeSync(fd)
      if (codeOf(error) === 'EEXIST') return null
      throw error
    } finally {
      fs.rmSync(temporary, { force: true })
    }
  }

  private makeFolder(name: string, mode: number): void {
    const path = this.file(name)
    try {
      fs.mkdirSync(path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      // Another user may have made it a moment ago, and is about to open it to us.
      for (let waited = 0; waited < OPENING_MS && !isUsable(path); waited++) pause(1)
      return
    }
    fs.chmodSync(path, mode & 0o7777)
    ignoreRefusal(() => fs.chownSync(path, -1, this.group))
  }

  /** The umask would shut other users out. Whoever may not change the group leaves it: then only the mode for all counts. */
  private share(fd: number): void {
    fs.fchmodSync(fd, this.fileMode)
    ignoreRefusal(() => fs.fchownSync(fd, -1, this.group))
  }

  private sync(): void {
    const fd = fs.openSync(this.path, 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

/** /var/tmp is everybody's: what lies there under our name must be ours, and nobody else's. */
export function makePrivate(path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  const found = fs.lstatSync(path)
  if (!found.isDirectory() || found.uid !== userNumber() || (found.mode & 0o022) !== 0) {
    throw new LockError(
      'LOCK_DENIED',
      `${path} is not a folder of yours alone: somebody else may have put it there. Name a folder: file:/path`,
    )
  }
}

export function refuseNetworkFileSystem(path: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(fs.statfsSync(path).type)
  if (name === undefined) return
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `The lock directory ${path} lies on ${name}. Kernel file locks join the processes of one machine: choose a folder on a local disk, ` +
      'or a server for several hosts.',
  )
}

/** As `mkdir -p`. Node's own says ENOENT where a file system is mounted read-only. */
export function makeFolders(path: string): void {
  const make = (): void => {
    try {
      fs.mkdirSync(path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  try {
    make()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    makeFolders(dirname(path))
    make()
  }
}

function overwrite(path: string, text: string): void {
  const fd = fs.openSync(path, 'r+')
  try {
    fs.writeSync(fd, text, 0)
    fs.ftruncateSync(fd, Buffer.byteLength(text))
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Names that end so are ours: directory-watch.ts does not mind them. */
function temporaryName(path: string): string {
  return `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.new`
}

function identityOf(path: string): string | undefined {
  const found = fs.statSync(path, { throwIfNoEntry: false })
  return found && `${found.dev}.${found.ino}`
}

function isUsable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function ignoreRefusal(change: () => void): void {
  try {
    change()
  } catch {}
}
