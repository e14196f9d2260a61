// SPDX-License-Identifier: MIT
// Who has a file locked, of whatever program, by the kernel's own account: proc(5). Locks that belong to an open file (F_OFD_SETLK) have no process there,
// and a lock that one process took for another, as our helpers do, has the wrong one: then whoever has the file open is looked at. Other users' processes
// may hide that. What the holder itself says in the file adds the rest.
import * as fs from 'node:fs'
import type { Holder } from '../core/inspection.ts'
import { commandOf, descriptorInfo, descriptorsOn, deviceName, type KernelLock, kernelLocks, locksIn, processes } from '../native/proc.ts'
import { owner } from '../owner.ts'
import { readNote } from './note.ts'

const HELPER_PROGRAM = '/lock-file/helper-program.js'

type Access = KernelLock['access']

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
    const locks = kernelLocks().filter(({ inode }) => inode === file.ino)
    const device = deviceName(file.dev)
    // We take two locks: the nameless one goes with one that has a name.
    let unknown = 0
    for (const lock of locks) {
      const named = lock.kind !== 'OFDLCK' && !isHelper(lock.pid)
      if (named && (hasOpen(lock.pid, file) ?? lock.device === device)) add(found, lock)
      else unknown += lock.kind === 'OFDLCK' ? 1 : 2
    }
    if (unknown > found.size) for (const lock of lockedDescriptors(file)) add(found, lock)
  } catch {}
  return found
}

function add(found: Map<number, Access>, { pid, access }: { readonly pid: number; readonly access: Access }): void {
  if (found.get(pid) !== 'write') found.set(pid, access)
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

/** Every process that we may look into, and the locks of its descriptors of this file. */
function lockedDescriptors(file: fs.BigIntStats): { readonly pid: number; readonly access: Access }[] {
  return processes().flatMap((pid) => {
    if (isHelper(pid)) return []
    try {
      const locks = descriptorsOn(pid, file).flatMap((fd) => locksIn(descriptorInfo(pid, fd)))
      return locks.map(({ access }) => ({ pid, access }))
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
