// SPDX-License-Identifier: MIT
// renameat2(2) with RENAME_NOREPLACE: a file gets a name that is free, in one step, and never has two names.
import { errno, libc, systemError } from './libc.ts'

const AT_FDCWD = -100
const RENAME_NOREPLACE = 1
const EEXIST = 17
/** File systems that do not know the flag (NFS), and kernels that do not know the call. */
const NOT_KNOWN = [22, 38]

type Call = (fromFolder: number, from: string, toFolder: number, to: string, flags: number) => number
let call: Call | null = null

/** `exists`: the name is taken, nothing was done. `unsupported`: this file system cannot do it, nothing was done. */
export function renameIfFree(from: string, to: string): 'done' | 'exists' | 'unsupported' {
  call ??= libc().library.func('int renameat2(int fromFolder, str from, int toFolder, str to, unsigned int flags)') as Call
  if (call(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) === 0) return 'done'
  const code = errno()
  if (code === EEXIST) return 'exists'
  if (NOT_KNOWN.includes(code)) return 'unsupported'
  throw systemError('renameat2', code)
}
