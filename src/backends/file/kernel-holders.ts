// SPDX-License-Identifier: MIT
// Who holds locks by the kernel's own account, proc(5): also those that are stopped, and commands that inherited a lock.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import type { Owner } from '../../core/inspection.ts'
import { owner } from '../../owner.ts'
import type { LockDirectory } from './directory.ts'

/** Processes with an open shard file through which something is locked. Other users' processes are hidden from us, unless we are root. */
export function processesWithLocks(directory: LockDirectory): Owner[] {
  return processesThatLock(`${fs.realpathSync(directory.file('shards'))}/`, (info) => info.includes('lock:'))
}

/** Those with an open file whose path begins so and of which the kernel says this, proc(5), `fdinfo`. */
export function processesThatLock(path: string, isLock: (info: string) => boolean): Owner[] {
  const found: Owner[] = []
  for (const entry of fs.readdirSync('/proc')) {
    const pid = Number(entry)
    if (Number.isInteger(pid) && holdsLock(pid, path, isLock)) found.push({ pid, thread: 0, host: owner().host, command: commandOf(pid) })
  }
  return found
}

function holdsLock(pid: number, path: string, isLock: (info: string) => boolean): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(path) && isLock(fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}

function commandOf(pid: number): string {
  try {
    const [program = '', ...rest] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return [basename(program), ...rest].join(' ').slice(0, 200)
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
