// SPDX-License-Identifier: MIT
// Who has a file open without asking us, by the kernel's own account of flock(2): proc(5). Other users' processes may be hidden.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import type { Holder } from '../../core/inspection.ts'
import { owner } from '../../owner.ts'

const COMMAND_LENGTH = 200

/** A process with a lock of flock(2) on a file. */
export interface Rival {
  readonly pid: number
  /** The program and its arguments; empty when it cannot be seen. */
  readonly command: string
  readonly access: 'read' | 'write'
}

/** Those who hold a lock on the file at this path. Never fails: it serves messages. */
export function rivalsOf(file: string): Rival[] {
  try {
    const { dev, ino } = fs.statSync(file, { bigint: true })
    return fs
      .readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .flatMap(parsed)
      .filter(isOn(file, dev, ino))
      .map(described)
  } catch {
    return []
  }
}

/** `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234567 0 EOF`: a lock, its process, the device (hexadecimal) and inode of the file. */
const HELD = /^\d+: FLOCK +\S+ +(READ|WRITE) +(\d+) +([0-9a-f]+):([0-9a-f]+):(\d+) /

interface Entry {
  readonly access: 'read' | 'write'
  readonly pid: number
  readonly device: string
  readonly inode: bigint
}

function parsed(line: string): Entry[] {
  const [, access, pid, major, minor, inode] = HELD.exec(line) ?? []
  if (inode === undefined) return []
  return [{ access: access === 'READ' ? 'read' : 'write', pid: Number(pid), device: `${major}:${minor}`, inode: BigInt(inode) }]
}

/** Some file systems show another device number there than to stat(2): then the process must be seen to have the file open. */
function isOn(file: string, dev: bigint, ino: bigint): (entry: Entry) => boolean {
  const device = `${majorOf(dev).toString(16).padStart(2, '0')}:${minorOf(dev).toString(16).padStart(2, '0')}`
  return (entry) => entry.inode === ino && (entry.device === device || hasOpen(entry.pid, file))
}

function hasOpen(pid: number, file: string): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === file)
  } catch {
    return false
  }
}

/** Null for a descriptor that was closed meanwhile. */
function linkOf(path: string): string | null {
  try {
    return fs.readlinkSync(path)
  } catch {
    return null
  }
}

function described({ pid, access }: Entry): Rival {
  return { pid, command: commandOf(pid), access }
}

function commandOf(pid: number): string {
  try {
    const [program = '', ...rest] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return [basename(program), ...rest].join(' ').replace(/\s+/g, ' ').slice(0, COMMAND_LENGTH)
  } catch {
    return ''
  }
}

/** The parts of a device number, as glibc packs them. */
function majorOf(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
}

function minorOf(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
}

/** `python3 analyse.py (process 4711, writing) and 2 more`. */
export function namesOf(rivals: readonly Rival[]): string {
  const [first, ...others] = rivals
  if (first === undefined) return 'one that cannot be seen from here, of another user perhaps, or on another host'
  const { pid, command, access } = first
  const who = pid === process.pid ? 'this very process, through another lock space' : command === '' ? 'a program' : command
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `${who} (process ${pid}, ${access === 'read' ? 'reading' : 'writing'})${more}`
}

/** A rival in the terms of `inspect()`. `since` is the time at which it was seen. */
export function asHolder(file: string, { pid, command, access }: Rival): Holder {
  return {
    id: `flock.${owner().host}.${pid}`,
    state: 'held',
    read: access === 'read' ? [file] : [],
    write: access === 'write' ? [file] : [],
    claims: [{ key: file, mode: access === 'read' ? 'S' : 'X' }],
    since: new Date().toISOString(),
    token: null,
    name: null,
    owner: { pid, thread: 0, host: owner().host, command },
  }
}
