// SPDX-License-Identifier: MIT
// Who holds a lock by the kernel's own account: /proc/PID/fdinfo, proc(5), which knows every kind of lock.
import { readdirSync, readFileSync } from 'node:fs'

/** The first and last byte of the lock that was taken through a descriptor, as the kernel says them: `0 EOF`. Null when there is none. */
export function lockedThrough(pid: number, fd: string, inode: number): string | null {
  try {
    // lock:  1: FLOCK  ADVISORY  WRITE 27104 fe:00:2155031 0 EOF
    const line = new RegExp(`^lock:.*:${inode} (.*)$`, 'm').exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
    return line?.[1] ?? null
  } catch {
    return null
  }
}

export function holdsLock(pid: number, inode: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`).some((fd) => lockedThrough(pid, fd, inode) !== null)
  } catch {
    return false // gone, or somebody else's
  }
}

/** All processes with a lock on a file that we may look into. */
export function holders(inode: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && holdsLock(pid, inode))
}
