// SPDX-License-Identifier: MIT
// The word that tells a lock directory from every other: drawn by whoever asks first, and kept in the directory.
import { randomUUID } from 'node:crypto'
import type { LockDirectory } from './directory.ts'
import { asLockError } from './failures.ts'
import type { SpaceLock } from './space-lock.ts'

const FILE = 'identity'

/** Throws a LockError. */
export function identityOf(directory: LockDirectory, lock: SpaceLock): string {
  try {
    return read(directory) ?? lock.changing(() => read(directory) ?? draw(directory))
  } catch (error) {
    throw asLockError(error, directory.path)
  }
}

function read(directory: LockDirectory): string | null {
  return directory.read(FILE)?.trim() || null
}

function draw(directory: LockDirectory): string {
  const word = randomUUID()
  directory.replace(FILE, `${word}\n`)
  return word
}
