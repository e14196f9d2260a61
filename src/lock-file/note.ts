// SPDX-License-Identifier: MIT
// What stands in a lock file for people to read: who holds it alone, or held it last. A lock file may be somebody's data, so this is written only into a
// file that we made ourselves. It is known by its content, which is a note of ours and nothing else.
import * as fs from 'node:fs'
import { owner } from '../owner.ts'

const HEAD = 'holdfast lock file\n'
/** Of one length, so that giving the lock back means to write a word; cutting a file costs many times as much. */
const HELD = 'held now'
const FREE = 'was held'
const WHOLE_NOTE = /^holdfast lock file\n(?:(held now|was held) by pid (\d+) on \S+ since (\S+): ([^\n]*)\n)?$/
/** No note is longer than this. */
const LONGEST_BYTES = 2048

export interface Note {
  readonly pid: number
  /** ISO 8601. */
  readonly since: string
  readonly command: string
}

/** Makes an empty file one of ours. To be called by whoever made it, and holds it alone. Throws system errors as they come, as all here do. */
export function beginNotes(fd: number): void {
  if (fs.fstatSync(fd).size === 0) fs.writeSync(fd, HEAD, 0)
}

/** Says who holds the file, if it is one of ours: answers what it says then, else null. To be called by whoever holds it alone. */
export function writeNote(fd: number): string | null {
  const before = read(fd)
  if (!WHOLE_NOTE.test(before)) return null
  const { pid, host, command } = owner()
  const note = `${HEAD}${HELD} by pid ${pid} on ${host} since ${new Date().toISOString()}: ${oneLine(command)}\n`
  fs.writeSync(fd, note, 0)
  const length = Buffer.byteLength(note)
  if (length < Buffer.byteLength(before)) fs.ftruncateSync(fd, length)
  return note
}

/** Says that the file is free, if nobody has put anything else there than {@link writeNote} did. To be called before it is. */
export function endNote(fd: number, note: string): void {
  if (read(fd) === note) fs.writeSync(fd, FREE, HEAD.length)
}

/** Who holds a file by its own account; null where nothing of the kind is said. Never fails. */
export function readNote(path: string): Note | null {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    try {
      const [, state, pid, since, command] = WHOLE_NOTE.exec(read(fd)) ?? []
      return state === HELD ? { pid: Number(pid), since: since!, command: command! } : null
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    return null
  }
}

function read(fd: number): string {
  const bytes = Buffer.allocUnsafe(LONGEST_BYTES + 1)
  return bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, bytes.length, 0))
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
