// SPDX-License-Identifier: MIT
// The lock directory: where it is, what is in it, and who may use it.
//
//   space.json    the layout and the policy of the space; written once
//   space.lock    bytes that are locked: see space-lock.ts
//   tokens.json   how high tokens may rise before somebody writes here again: see tokens.ts
//   shards/       000 … fff, empty files whose bytes are locked: see layout.ts
//   members/      a socket for each process that takes part, to be asked who holds what: see members.ts
import * as fs from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import type { Preference } from '../../core/backend.ts'
import { invalid, LockError } from '../../core/errors.ts'
import { LAYOUT } from './layout.ts'

/**
 * The lock directory of a user who names none: a folder in /var/tmp, which lies on a disk of this machine, survives a restart, and is the
 * same for a login, a cron job and a service, whatever HOME, TMPDIR or XDG_RUNTIME_DIR they see.
 */
export function defaultDirectory(): string {
  return `/var/tmp/holdfast-${userInfo().uid}`
}

/** Network file systems by the magic number that statfs(2) reports: locks may stop at the machine, and no event crosses it. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
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

  /** Makes the directory if there is none. Throws system errors as they come, and LockErrors. */
  constructor(path: string | undefined) {
    this.path = path === undefined ? defaultDirectory() : resolve(path)
    if (path === undefined) makePrivate(this.path)
    else fs.mkdirSync(this.path, { recursive: true })
    refuseNetworkFileSystem(this.path)
    const { mode, gid, ino, dev } = fs.statSync(this.path)
    this.fileMode = mode & 0o666
    this.group = gid
    this.identity = `${dev}.${ino}`
    this.makeFolder('shards', mode)
    this.makeFolder('members', mode)
  }

  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  /** The directory still stands where it stood. */
  get intact(): boolean {
    const now = fs.statSync(this.path, { throwIfNoEntry: false })
    return now !== undefined && `${now.dev}.${now.ino}` === this.identity
  }

  /**
   * Opens a file for reading and writing, and makes it if there is none, for everybody who shares the directory. A file of another user is
   * opened without O_CREAT: with it, Linux refuses that in sticky folders (fs.protected_regular).
   */
  open(...names: string[]): number {
    const path = this.file(...names)
    for (;;) {
      try {
        return fs.openSync(path, 'r+')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
      try {
        const fd = fs.openSync(path, 'wx+', this.fileMode)
        this.share(fd)
        return fd
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
  }

  /** Puts a whole file in place, durably: readers see the old one or the new one, also after a crash. */
  replace(name: string, text: string): void {
    const temporary = this.file(`${name}.${process.pid}.new`)
    const fd = fs.openSync(temporary, 'w', this.fileMode)
    try {
      this.share(fd)
      fs.writeSync(fd, text)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, this.file(name))
    this.sync()
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
    let text: string
    try {
      text = fs.readFileSync(this.file('space.json'), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
    try {
      const { layout, prefer } = JSON.parse(text) as SpaceRecord
      if (typeof layout === 'number' && (prefer === 'first-come' || prefer === 'writers')) return { layout, prefer }
    } catch {}
    throw new LockError('LOCK_UNAVAILABLE', `${this.file('space.json')} is damaged. If nobody uses the directory, remove it.`)
  }

  /** The first to record wins; a link that fails because the name is taken is how the others learn it. */
  private writeRecord(record: SpaceRecord): SpaceRecord {
    const temporary = this.file(`space.${process.pid}.${Math.random().toString(36).slice(2)}.new`)
    const fd = fs.openSync(temporary, 'wx', this.fileMode)
    try {
      this.share(fd)
      fs.writeSync(fd, `${JSON.stringify(record)}\n`)
      fs.fsyncSync(fd)
      fs.linkSync(temporary, this.file('space.json'))
      this.sync()
      return record
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return this.readRecord() ?? record
      throw error
    } finally {
      fs.closeSync(fd)
      fs.rmSync(temporary, { force: true })
    }
  }

  private makeFolder(name: string, mode: number): void {
    try {
      fs.mkdirSync(this.file(name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
      throw error
    }
    fs.chmodSync(this.file(name), mode & 0o7777)
    ignoreRefusal(() => fs.chownSync(this.file(name), -1, this.group))
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
function makePrivate(path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = fs.lstatSync(path)
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o022) !== 0) {
    throw new LockError(
      'LOCK_DENIED',
      `${path} is not a folder of yours alone: somebody else may have put it there. Name a folder: file:/path`,
    )
  }
}

function refuseNetworkFileSystem(path: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(fs.statfsSync(path).type)
  if (name === undefined) return
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `The lock directory ${path} lies on ${name}. Kernel file locks join the processes of one machine: choose a folder on a local disk, ` +
      'or a server for several hosts.',
  )
}

function ignoreRefusal(change: () => void): void {
  try {
    change()
  } catch {}
}
