// SPDX-License-Identifier: MIT
// Who has a file open without asking us, by the kernel's own account of flock(2): proc(5). Other users' processes may be hidden.
import * as fs from 'node:fs'
import type { Holder } from '../../core/inspection.ts'
import { commandOf, descriptorsOn, deviceName, type KernelLock, kernelLocks } from '../../native/proc.ts'
import { owner } from '../../owner.ts'

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
    const onFile = isOn(fs.statSync(file, { bigint: true }))
    return kernelLocks()
      .filter((lock) => lock.kind === 'FLOCK' && onFile(lock))
      .map(({ pid, access }) => ({ pid, access, command: commandOf(pid) }))
  } catch {
    return []
  }
}

/** Some file systems show another device number there than to stat(2): then the process must be seen to have the file open. */
function isOn(file: fs.BigIntStats): (lock: KernelLock) => boolean {
  const device = deviceName(file.dev)
  return ({ inode, device: shown, pid }) => inode === file.ino && (shown === device || hasOpen(pid, file))
}

function hasOpen(pid: number, file: fs.BigIntStats): boolean {
  try {
    return descriptorsOn(pid, file).length > 0
  } catch {
    return false
  }
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
