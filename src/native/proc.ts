// SPDX-License-Identifier: MIT
// What the kernel tells of processes and their locks: proc(5). Processes of other users may be hidden from all but root.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import type { Owner } from '../core/inspection.ts'
import { owner } from '../owner.ts'

const COMMAND_LENGTH = 200

/** A lock that a process holds, of flock(2), of fcntl(2), or of fcntl(2) for an open file, which names no process (-1). */
export interface KernelLock {
  readonly kind: 'FLOCK' | 'POSIX' | 'OFDLCK'
  readonly access: 'read' | 'write'
  readonly pid: number
  /** As in {@link deviceName}. Some file systems show another one here than to stat(2). */
  readonly device: string
  readonly inode: bigint
}

/** `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234567 0 EOF`: a lock, its process, the device and inode of the file. One that is waited for has an arrow. */
const HELD = /^(?:lock:\t)?\d+: (FLOCK|POSIX|OFDLCK) +\S+ +(READ|WRITE) +(-?\d+) +([0-9a-f]+:[0-9a-f]+):(\d+) /

/** All locks of this machine that are held. Throws where there is no /proc. */
export function kernelLocks(): KernelLock[] {
  return locksIn(fs.readFileSync('/proc/locks', 'utf8'))
}

/** @param text of /proc/locks, or of `fdinfo`. */
export function locksIn(text: string): KernelLock[] {
  return text.split('\n').flatMap((line) => {
    const [, kind, access, pid, device, inode] = HELD.exec(line) ?? []
    if (inode === undefined) return []
    return [
      {
        kind: kind as KernelLock['kind'],
        access: access === 'READ' ? 'read' : 'write',
        pid: Number(pid),
        device: device!,
        inode: BigInt(inode),
      },
    ]
  })
}

/** A device number of stat(2), which glibc packs, as it stands in /proc/locks. */
export function deviceName(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`
}

/** All that run, and that we may see. */
export function processes(): number[] {
  return fs
    .readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
}

/** The descriptors through which a process has this file open. Throws when it is not ours to know, or when there is no such process. */
export function descriptorsOn(pid: number, file: fs.BigIntStats): string[] {
  return fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    const open = fs.statSync(`/proc/${pid}/fd/${fd}`, { bigint: true, throwIfNoEntry: false })
    return open?.ino === file.ino && open.dev === file.dev
  })
}

/** What the kernel says of a descriptor. Throws as {@link descriptorsOn}. */
export function descriptorInfo(pid: number, fd: string): string {
  return fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')
}

/** Those with an open file whose path begins so and of which the kernel says this. */
export function processesThatLock(path: string, isLock: (info: string) => boolean): Owner[] {
  return processes()
    .filter((pid) => holdsLock(pid, path, isLock))
    .map((pid) => ({ pid, thread: 0, host: owner().host, command: commandOf(pid) }))
}

function holdsLock(pid: number, path: string, isLock: (info: string) => boolean): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(path) && isLock(descriptorInfo(pid, fd))
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}

/** The program and its arguments, in one line that is not too long; empty when they cannot be seen. */
export function commandOf(pid: number): string {
  try {
    const [program = '', ...rest] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return [basename(program), ...rest].join(' ').replace(/\s+/g, ' ').slice(0, COMMAND_LENGTH)
  } catch {
    return ''
  }
}

/** True for a process that one of these started, or one that those started. */
export function descendsFrom(ancestors: ReadonlySet<number>, pid: number): boolean {
  for (let one = parentOf(pid); one > 1; one = parentOf(one)) if (ancestors.has(one)) return true
  return false
}

/** 0 when it is gone. */
function parentOf(pid: number): number {
  try {
    // pid (command, which may hold anything) state ppid …
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}
