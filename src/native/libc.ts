// SPDX-License-Identifier: MIT
// The only door to C: koffi, loaded when the first room needs it, and the C library of the process.
import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'
import { LockError } from '../core/errors.ts'

type Library = ReturnType<typeof Koffi.load>

export interface LibC {
  readonly koffi: typeof Koffi
  readonly library: Library
}

let loaded: LibC | null = null

/**
 * The C library of this process.
 *
 * @throws LockError `LOCK_UNSUPPORTED` on a platform where we have not shown that kernel locks hold, or where koffi has no build.
 */
export function libc(): LibC {
  loaded ??= load()
  return loaded
}

function load(): LibC {
  if (process.platform !== 'linux') {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      `Kernel file locks are supported on Linux, not on ${process.platform}: its locks belong to the process instead of the open file, or ` +
        'cannot be shared in part, and nothing weaker is done instead. Use memory, or a server.',
    )
  }
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
    return { koffi, library: koffi.load(null) }
  } catch (cause) {
    throw new LockError('LOCK_UNSUPPORTED', `Kernel file locks need the package koffi, which cannot be loaded here: ${String(cause)}`, {
      cause,
    })
  }
}

/** `errno` of the last call into C. */
export function errno(): number {
  return libc().koffi.errno()
}

/** The name of an error number, `EAGAIN` for 11. */
function errorName(code: number): string {
  const { errno: codes } = libc().koffi.os
  return Object.keys(codes).find((name) => (codes as Record<string, number>)[name] === code) ?? `errno ${code}`
}

/** An error as Node's own file functions throw it, for a call that has just failed. */
export function systemError(syscall: string, code: number = errno()): Error {
  const name = errorName(code)
  return Object.assign(new Error(`${syscall} failed: ${name}`), { code: name, errno: code, syscall })
}
