// SPDX-License-Identifier: MIT
// The configuration file as a file: where it is found, and the text in it.
import * as fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { LockError } from '../core/errors.ts'
import { bad } from './url-syntax.ts'

export const CONFIG_NAME = 'holdfast.config.yml'
/** What people may call it by mistake; passing such a file by in silence would lock elsewhere. */
const NEAR_MISSES = ['holdfast.config.yaml', 'holdfast.config.json', '.holdfast.config.yml']
const LARGEST_BYTES = 65_536

/**
 * The nearest configuration file in a folder or above it; null if there is none.
 *
 * @throws LockError `CONFIG_INVALID` where there is one that cannot be trusted: in a folder that anybody may write to, somebody else's.
 */
export function nearestConfiguration(from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, CONFIG_NAME)
    if (isThere(path)) {
      refuseStrangers(path, folder)
      return path
    }
    const miss = NEAR_MISSES.find((name) => isThere(join(folder, name)))
    if (miss !== undefined) throw bad(`${join(folder, miss)} is not looked for: call it ${CONFIG_NAME}, or name it in HOLDFAST_CONFIG.`)
    if (dirname(folder) === folder) return null
  }
}

/** @throws LockError `CONFIG_INVALID` */
export function readConfigurationFile(path: string): string {
  if (path === '') throw bad('HOLDFAST_CONFIG is empty; it is the path of a configuration file.')
  let bytes: Buffer
  try {
    bytes = readBounded(path)
  } catch (error) {
    if (error instanceof LockError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? `there is no such file: is ${path} what HOLDFAST_CONFIG should say?` : `${message}.`
    throw new LockError('CONFIG_INVALID', `The configuration file ${resolve(path)} cannot be read: ${why}`, { cause: error })
  }
  if (bytes.includes(0)) throw bad(`${path} is no text: is it the configuration file?`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new LockError('CONFIG_INVALID', `${path} is not text in UTF-8.`, { cause })
  }
}

/** Not more than it may have, whatever it is. */
function readBounded(path: string): Buffer {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    if (!fs.fstatSync(fd).isFile()) throw bad(`${resolve(path)} is no file.`)
    const bytes = Buffer.alloc(LARGEST_BYTES + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = fs.readSync(fd, bytes, length, bytes.length - length, null)
    if (length > LARGEST_BYTES) throw bad(`${path} has more than ${LARGEST_BYTES / 1024} KB: is it the configuration file?`)
    return bytes.subarray(0, length)
  } finally {
    fs.closeSync(fd)
  }
}

/** Whoever can put a file into /tmp must not decide where others lock. */
function refuseStrangers(path: string, folder: string): void {
  const everybodyWrites = (fs.statSync(folder).mode & 0o002) !== 0
  const { uid } = fs.statSync(path)
  if (!everybodyWrites || uid === 0 || uid === process.geteuid?.()) return
  throw bad(`${path} belongs to another user (${uid}), in a folder that anybody may write to. If you trust it, name it in HOLDFAST_CONFIG.`)
}

function isThere(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false }) !== undefined
}
