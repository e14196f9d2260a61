// SPDX-License-Identifier: MIT
// A group whose ranks are processes of one machine. The lines between them are sockets without names that each rank inherits from the launcher.
import { fstatSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { LockError } from '../core/errors.ts'
import type { Communicator } from './communicator.ts'
import { Member } from './member.ts'
import { perThread } from './per-thread.ts'
import { SocketLink } from './socket-link.ts'

/** The environment variable that tells a rank its place: rank, size, group, and the inode of the socket at its first descriptor. */
export const PROCESS_PLACE = 'HOLDFAST_RANK'
/** The descriptors of a rank begin here, two a line: first to the launcher, then to each other rank. */
export const FIRST_FD = 3

/**
 * The group of this process, the same at every call; null unless {@link runProcesses} started it. Processes that a rank starts are no ranks.
 *
 * @throws LockError `LOCK_UNSUPPORTED` in a worker thread of a rank: the rank is the main thread.
 */
export function processCommunicator(): Communicator | null {
  return perThread('processCommunicator', join)
}

function join(): Communicator | null {
  const [rank, size, id, inode] = (process.env[PROCESS_PLACE] ?? '').split(' ')
  if (rank === undefined || size === undefined || id === undefined || inode === undefined || !isInherited(inode)) return null
  if (!isMainThread) {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      `Rank ${rank} is the main thread of this process: a worker thread of it has no part in the group.`,
    )
  }
  const launcher = new SocketLink(FIRST_FD, FIRST_FD + 1)
  let fd = FIRST_FD
  const links = Array.from({ length: Number(size) }, (_, other) => {
    if (other === Number(rank)) return null
    fd += 2
    return new SocketLink(fd, fd + 1)
  })
  return new Member({ transport: 'processes', rank: Number(rank), id, links, launcher })
}

/** Variables are inherited by all that descends from a rank, descriptors by nobody. */
function isInherited(inode: string): boolean {
  try {
    return fstatSync(FIRST_FD, { bigint: true }).ino.toString() === inode
  } catch {
    return false
  }
}
