// SPDX-License-Identifier: MIT
// Who has a file locked, of whatever program, by the kernel's own account: proc(5). Locks that belong to an open file (F_OFD_SETLK) have no process there,
// and a lock that one process took for another, as our helpers do, has the wrong one: then whoever has the file open is looked at. Other users' processes
// may hide that. What the holder itself says in the file adds the rest.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import type { Holder } from '../core/inspection.ts'
import { owner } from '../owner.ts'
import { readNote } from './note.ts'

const COMMAND_LENGTH = 200
const HELPER_PROGRAM = '/lock-file/helper-program.js'

type Access = 'read' | 'write'

interface Entry {
  readonly kind: 'FLOCK' | 'POSIX' | 'OFDLCK'
  readonly access: Access
  readonly pid: number
  readonly device: string
  readonly inode: bigint
}

/**
 * The processes that hold a lock on the file at this path. Never fails: it serves messages.
 *
 * @param withoutUs this process is accounted for.
 * @param firstSeen since when each is known to hold it, which is brought up to date.
 */
export function otherHolders(path: string, withoutUs: boolean, firstSeen: Map<number, string>): readonly Holder[] {
  const holders = processesOn(path)
  if (withoutUs) holders.delete(process.pid)
  const note = holders.size === 0 ? null : readNote(path)
  for (const pid of firstSeen.keys()) if (!holders.has(pid)) firstSeen.delete(pid)
  return Array.from(holders, ([pid, access]) => {
    const said = note?.pid === pid ? note : null
    const since = said?.since ?? firstSeen.get(pid) ?? new Date().toISOString()
    firstSeen.set(pid, since)
    return asHolder(path, pid, access, since, said?.command ?? commandOf(pid))
  })
}

function processesOn(path: string): Map<number, Access> {
  const found = new Map<number, Access>()
  try {
    const file = fs.statSync(path, { bigint: true })
    const entries = fs
      .readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .flatMap(parsed)
      .filter(({ inode }) => inode === file.ino)
    const device = deviceOf(file.dev)
    // We take two locks: the nameless one goes with one that has a name.
    let unknown = 0
    for (const entry of entries) {
      const named = entry.kind !== 'OFDLCK' && !isHelper(entry.pid)
      if (named && (hasOpen(entry.pid, file) ?? entry.device === device)) add(found, entry)
      else unknown += entry.kind === 'OFDLCK' ? 1 : 2
    }
    if (unknown > found.size) for (const entry of lockedDescriptors(file)) add(found, entry)
  } catch {}
  return found
}

function add(found: Map<number, Access>, { pid, access }: { readonly pid: number; readonly access: Access }): void {
  if (found.get(pid) !== 'write') found.set(pid, access)
}

/** `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234567 0 EOF`: a lock, its process, the device (hexadecimal) and inode of the file. Waiters have an arrow. */
const HELD = /^(?:lock:\t)?\d+: (FLOCK|POSIX|OFDLCK) +\S+ +(READ|WRITE) +(-?\d+) +([0-9a-f]+:[0-9a-f]+):(\d+) /

function parsed(text: string): Entry[] {
  const [, kind, access, pid, device, inode] = HELD.exec(text) ?? []
  if (inode === undefined) return []
  return [
    { kind: kind as Entry['kind'], access: access === 'READ' ? 'read' : 'write', pid: Number(pid), device: device!, inode: BigInt(inode) },
  ]
}

/** As proc(5) shows a device. Some file systems show another one there than to stat(2). */
function deviceOf(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`
}

/** Null when it cannot be told: it is somebody else's. */
function hasOpen(pid: number, file: fs.BigIntStats): boolean | null {
  try {
    return descriptorsOn(pid, file).length > 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? null : false
  }
}

/** A helper that has done its work may live for some milliseconds longer: it is not the one who holds. A process that is going has no words any more. */
function isHelper(pid: number): boolean {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return words === '' || words.includes(HELPER_PROGRAM)
  } catch {
    return false
  }
}

function descriptorsOn(pid: number, file: fs.BigIntStats): string[] {
  return fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    const open = fs.statSync(`/proc/${pid}/fd/${fd}`, { bigint: true, throwIfNoEntry: false })
    return open?.ino === file.ino && open.dev === file.dev
  })
}

/** Every process that we may look into, and the locks of its descriptors of this file. */
function lockedDescriptors(file: fs.BigIntStats): { readonly pid: number; readonly access: Access }[] {
  return fs.readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || isHelper(pid)) return []
    try {
      const lines = descriptorsOn(pid, file).flatMap((fd) => fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').split('\n'))
      return lines.flatMap(parsed).map(({ access }) => ({ pid, access }))
    } catch {
      return []
    }
  })
}

function asHolder(path: string, pid: number, access: Access, since: string, command: string): Holder {
  const { host } = owner()
  return {
    id: `${host}.${pid}.${path}`,
    state: 'held',
    read: access === 'read' ? [path] : [],
    write: access === 'write' ? [path] : [],
    claims: [{ key: path, mode: access === 'read' ? 'S' : 'X' }],
    since,
    token: null,
    name: null,
    owner: { pid, thread: 0, host, command },
  }
}

function commandOf(pid: number): string {
  try {
    const [program = '', ...rest] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return [basename(program), ...rest].join(' ').replace(/\s+/g, ' ').slice(0, COMMAND_LENGTH)
  } catch {
    return ''
  }
}
