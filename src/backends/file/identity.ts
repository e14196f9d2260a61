// SPDX-License-Identifier: MIT
// The word that tells a lock directory from every other: drawn by whoever asks first, and kept in the directory. Beside it, where the kernel has the
// directory: a copy of it, with the word, is another one, as are two that containers have from one image.
import { randomUUID } from 'node:crypto'
import type { LockDirectory } from './directory.ts'
import { asLockError } from './failures.ts'
import type { SpaceLock } from './space-lock.ts'

const FILE = 'identity'

/** Throws a LockError. */
export function identityOf(directory: LockDirectory, lock: SpaceLock): string {
  try {
    const word = read(directory) ?? lock.changing(() => read(directory) ?? draw(directory))
    return `${word} ${directory.inode}`
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
