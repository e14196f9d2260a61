// SPDX-License-Identifier: MIT
// struct flock as koffi is told it, and what the kernel makes of that. Exit code 0 if it is as docs/kernel-locks.md states.
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { lockedThrough } from './kernel-view.ts'
import { askFcntl, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, FLOCK_64 } from './kinds.ts'

/** What a 32-bit program on x86 has; filled up to 32 bytes, since the kernel of a 64-bit machine reads so many. */
const FLOCK_32 = koffi.struct('flock_32', {
  l_type: 'int16_t',
  l_whence: 'int16_t',
  l_start: 'int32_t',
  l_len: 'int32_t',
  l_pid: 'int32_t',
  rest: koffi.array('int32_t', 4),
})

let asStated = true

function show(what: string, is: string | number, stated: string | number): void {
  asStated &&= is === stated
  console.log(`${what.padEnd(44)}${String(is).padEnd(38)}${is === stated ? 'yes' : `NO, stated: ${stated}`}`)
}

console.log(`${'struct flock, bytes'.padEnd(44)}${'koffi'.padEnd(38)}as stated`)
show('size', koffi.sizeof(FLOCK_64), 32)
const offsets = { l_type: 0, l_whence: 2, l_start: 8, l_len: 16, l_pid: 24 }
for (const [member, stated] of Object.entries(offsets)) show(`${member} at`, koffi.offsetof(FLOCK_64, member), stated)

const folder = mkdtempSync(join(tmpdir(), 'kernel-locks-'))
const fd = openSync(join(folder, 'file'), 'w+')
try {
  const inode = fstatSync(fd).ino
  const locked = (): string => lockedThrough(process.pid, String(fd), inode) ?? 'nothing'
  const ask = (command: number, what: Parameters<typeof askFcntl>[3]): string => {
    askFcntl(fd, F_OFD_SETLK, 'unlock')
    askFcntl(fd, F_SETLK, 'unlock')
    const answer = askFcntl(fd, command, 'write', what)
    return `${answer}: ${locked()}`
  }
  console.log(`\n${'asked for'.padEnd(44)}${'locked, says the kernel'.padEnd(38)}as stated`)
  show('10 bytes from 3', ask(F_OFD_SETLK, { start: 3, length: 10 }), 'granted: 3 12')
  show('10 bytes from 2^40', ask(F_OFD_SETLK, { start: 2 ** 40, length: 10 }), 'granted: 1099511627776 1099511627785')
  show('0 bytes from 3', ask(F_OFD_SETLK, { start: 3 }), 'granted: 3 EOF')
  show('10 bytes from 3, told the 32-bit layout', ask(F_OFD_SETLK, { start: 3, length: 10, type: FLOCK_32 }), 'granted: 10 EOF')
  show('F_SETLK with l_pid = 1', ask(F_SETLK, { pid: 1 }), 'granted: 0 EOF')
  for (const [name, command] of Object.entries({ F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK })) {
    show(`${name} with l_pid = 1`, ask(command, { pid: 1 }), 'EINVAL: nothing')
  }
} finally {
  closeSync(fd)
  rmSync(folder, { recursive: true })
}
process.exitCode = asStated ? 0 : 1
