// SPDX-License-Identifier: MIT
// Who this process is, in the words that are shown to other people.
import { hostname } from 'node:os'
import { basename } from 'node:path'
import { threadId } from 'node:worker_threads'
import type { Owner } from './core/inspection.ts'

const COMMAND_LENGTH = 200
let known: Owner | null = null

export function owner(): Owner {
  known ??= { pid: process.pid, thread: threadId, host: hostname(), command: commandLine() }
  return known
}

function commandLine(): string {
  const [program = 'node', ...rest] = process.argv
  const text = [basename(program), ...rest].join(' ')
  return text.length > COMMAND_LENGTH ? `${text.slice(0, COMMAND_LENGTH - 1)}…` : text
}
