// SPDX-License-Identifier: MIT
// What can break kernel file locks: the file system, the rights of the folder, a disk that is full, and locks or events that are not what they
// should be. What can be tried is tried, between two processes.
import { closeSync, fchmodSync, fsyncSync, openSync, rmSync, type Stats, statfsSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { IN_CLOSE_WRITE, Inotify } from '../native/inotify.ts'
import { Late, spoken, within } from './bounded.ts'
import { type FileLockKind, takeFileLock } from './file-locks.ts'
import { judgeMount, mountOf } from './file-system.ts'
import { type Finding, type Findings, failed, ok, warning } from './report.ts'
import type { Survey } from './survey.ts'
import type { Worker } from './worker.ts'

export class FileSurvey implements Survey {
  readonly notProved: readonly string[] = [
    'that the machines of a cluster exclude each other: kernel files join the processes of one machine',
    'that other users may lock here: examine it as one of them',
    'what a power cut does to the disk',
  ]
  private readonly directory: string
  private scratch: string | null = null

  constructor(directory: string) {
    this.directory = directory
  }

  before(findings: Findings): Promise<boolean> {
    const mount = mountOf(this.directory)
    if (mount !== null) findings.add('file-system', judgeMount(mount))
    return Promise.resolve(findings.failed.length === 0)
  }

  async after(findings: Findings, worker: Worker): Promise<void> {
    findings.add('rights', judgeRights(statSync(this.directory), this.directory))
    // A name that ends so is no lock file: whoever watches the folder takes no notice.
    const scratch = join(this.directory, `verify.${process.pid}.${Math.random().toString(36).slice(2)}.new`)
    try {
      const fd = openSync(scratch, 'wx+', 0o600)
      this.scratch = scratch
      try {
        fchmodSync(fd, 0o600)
        findings.add('disk', this.room(fd))
        findings.add('ofd-locks', await ofdLocks(fd, scratch, worker))
        findings.add('flock', await flock(fd, scratch, worker))
        findings.add('inotify', await events(scratch))
      } finally {
        closeSync(fd)
        this.removeScratch()
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      findings.add('disk', failed(`nothing can be written there: ${(error as Error).message}`, 'make room, or choose another folder'))
    }
  }

  last(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.removeScratch()
    return Promise.resolve()
  }

  /** Writes through to the disk. */
  private room(fd: number): Finding {
    const began = performance.now()
    writeSync(fd, Buffer.alloc(4_096, 1))
    fsyncSync(fd)
    const wroteMs = performance.now() - began
    const { bavail, bsize, files, ffree } = statfsSync(this.directory)
    return judgeRoom({ bytes: bavail * bsize, files: files === 0 ? null : ffree, wroteMs })
  }

  private removeScratch(): void {
    if (this.scratch !== null) rmSync(this.scratch, { force: true })
    this.scratch = null
  }
}

const LEAST_BYTES = 16 * 2 ** 20
/** A lock directory has some four thousand files in the end. */
const LEAST_FILES = 5_000

export function judgeRoom({
  bytes,
  files,
  wroteMs,
}: {
  readonly bytes: number
  readonly files: number | null
  readonly wroteMs: number
}): Finding {
  const free = `${Math.round(bytes / 2 ** 20)} MiB${files === null ? '' : ` and ${files} files`} free, a block written in ${spoken(wroteMs)}`
  const figures = { freeBytes: bytes, wroteMs, ...(files !== null && { freeFiles: files }) }
  if (bytes < LEAST_BYTES || (files !== null && files < LEAST_FILES))
    return warning(free, 'make room: new lock files, up to 4,096 empty ones, and tokens.json need some', figures)
  return ok(free, figures)
}

/** Who may lock in the folder. */
export function judgeRights({ mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>, directory: string): Finding {
  const shown = `mode ${(mode & 0o7777).toString(8).padStart(4, '0')}, owner ${uid}, group ${gid}`
  const [group, others] = [mode & 0o070, mode & 0o007]
  if (others === 0o007 && (mode & 0o1000) === 0)
    return warning(`everybody may lock there, and remove the lock files of others (${shown})`, `chmod +t ${directory}`)
  if (others === 0o007) return ok(`everybody may lock there (${shown})`)
  if (group === 0o070) return ok(`shared with the group (${shown})`)
  if ((group | (others << 3)) !== 0) return ok(`its owner alone may lock there; others may look at most (${shown})`)
  return ok(`its owner’s alone (${shown})`)
}

/** Null, or what is wrong with locks of one kind. The parent's are tried by the worker, a process of its own. */
async function exclusionOf(kind: FileLockKind, fd: number, path: string, worker: Worker): Promise<string | null> {
  const tried = (type: 'shared' | 'exclusive'): Promise<boolean> => worker.fileLock(path, kind, type)
  const own = openSync(path, 'r+')
  try {
    if (!takeFileLock(own, kind, 'exclusive')) return 'a lock that nobody has was not to be had'
    // What belongs to an open file does not go when another descriptor of the file is closed.
    closeSync(openSync(path, 'r'))
    if ((await tried('shared')) || (await tried('exclusive'))) return 'two processes had an exclusive lock at once'
    if (takeFileLock(fd, kind, 'exclusive')) return 'two descriptors of one process had an exclusive lock at once'
    if (!takeFileLock(own, kind, 'shared')) return 'an exclusive lock could not be made a shared one'
    if (!(await tried('shared'))) return 'two processes could not share a lock'
    if (await tried('exclusive')) return 'one process had an exclusive lock beside the shared one of another'
  } finally {
    closeSync(own)
  }
  return (await tried('exclusive')) ? null : 'a lock was still there after its file had been closed'
}

async function ofdLocks(fd: number, path: string, worker: Worker): Promise<Finding> {
  const advice = 'choose a folder on another file system'
  try {
    const fault = await exclusionOf('ofd', fd, path, worker)
    return fault === null ? ok('shared and exclusive between two processes, and two descriptors of one') : failed(fault, advice)
  } catch (error) {
    if (error instanceof Late) throw error
    return failed(`not supported: ${(error as Error).message}`, advice)
  }
}

/** Not needed by a lock space: by lock files, and for HDF5. */
async function flock(fd: number, path: string, worker: Worker): Promise<Finding> {
  const advice = 'lock files and HDF5 files need flock: keep them on another file system'
  try {
    const fault = await exclusionOf('flock', fd, path, worker)
    if (fault !== null) return warning(fault, advice)
    const own = openSync(path, 'r+')
    try {
      takeFileLock(own, 'flock', 'exclusive')
      const independent = await worker.fileLock(path, 'ofd', 'exclusive')
      return independent
        ? ok('between two processes, and independent of OFD locks')
        : warning('it is made of byte-range locks here: a lock file takes both, and would stand in its own way', advice)
    } finally {
      closeSync(own)
    }
  } catch (error) {
    if (error instanceof Late) throw error
    return warning(`not supported: ${(error as Error).message}`, advice)
  }
}

const EVENT_MS = 1_000

/** Whether this thread is told that a file was closed: by that, those who wait learn that somebody has left or died. */
async function events(path: string): Promise<Finding> {
  let inotify: Inotify
  try {
    inotify = new Inotify()
  } catch (error) {
    const advice = 'raise fs.inotify.max_user_instances; without it, whoever waits looks every 25 ms'
    return warning(`no instance is left: ${(error as Error).message}`, advice)
  }
  try {
    let tell = (): void => {}
    const told = new Promise<void>((resolve) => {
      tell = resolve
    })
    inotify.watch(path, IN_CLOSE_WRITE, tell)
    inotify.ref(true)
    const began = performance.now()
    closeSync(openSync(path, 'r+'))
    await within(EVENT_MS, 'an event', told)
    const tookMs = performance.now() - began
    return ok(`told of a closed file after ${spoken(tookMs)}`, { tookMs })
  } catch (error) {
    return warning(
      `no event came: ${(error as Error).message}`,
      'whoever waits looks now and then only; choose a folder on another file system',
    )
  } finally {
    inotify.close()
  }
}
