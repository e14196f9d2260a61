// SPDX-License-Identifier: MIT
// Lock paths as people type them in a shell.
import { isAbsolute, resolve } from 'node:path'

/**
 * An absolute path is taken as it is, but for one slash at the end, which the completion of a shell leaves behind. Anything else is resolved
 * against the working directory, as a file name is. Symbolic links are not followed: a lock path need not exist as a file.
 */
export function lockPath(text: string, directory: string = process.cwd()): string {
  if (text === '' || text === '/') return text
  if (!isAbsolute(text)) return resolve(directory, text)
  return text.endsWith('/') ? text.slice(0, -1) : text
}
