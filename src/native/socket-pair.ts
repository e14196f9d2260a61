// SPDX-License-Identifier: MIT
// socketpair(2): two ends of a line between processes that has no name, so that nobody else can come in.
import { LockError } from '../core/errors.ts'
import { libc, systemError } from './libc.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000

type SocketPair = (domain: number, type: number, protocol: number, ends: Int32Array) => number
let call: SocketPair | null = null

/**
 * Descriptors of the two ends of a stream. Neither is inherited by a child unless it is handed over.
 *
 * @throws LockError `LOCK_UNSUPPORTED` on another system than Linux; otherwise what socketpair(2) fails with, such as EMFILE.
 */
export function socketPair(): [number, number] {
  if (process.platform !== 'linux') {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      `Groups of processes run on Linux, not on ${process.platform}. Groups of threads run everywhere.`,
    )
  }
  call ??= libc().library.func('int socketpair(int domain, int type, int protocol, _Out_ int *ends)') as SocketPair
  const ends = new Int32Array(2)
  if (call(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) !== 0) throw systemError('socketpair')
  return [ends[0]!, ends[1]!]
}
