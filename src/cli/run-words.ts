// SPDX-License-Identifier: MIT
// Which of the words after `holdfast run` is the PATH, and where the command begins.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { pathValue } from './options.ts'
import type { RunRequest } from './run.ts'

interface RunOptions {
  readonly read?: readonly string[]
  readonly write?: readonly string[]
  readonly mode?: 'read' | 'write'
  readonly path?: string
  readonly lockFile?: string
  readonly nonblock?: true
  readonly timeout?: number
  readonly conflictExitCode: number
  readonly command?: string
  readonly close?: true
  readonly grace: number
  readonly name?: string
  readonly on?: string
  readonly verbose?: true
}

/**
 * Options stand before the command, on either side of PATH. The first word that is no option is PATH if one is wanted (`-s` or `-x` was
 * given, or neither `--read` nor `--write`; never with `--lock-file`) and no `--` came before it; the next one, or what follows `--`, is the command.
 *
 * @param operands what the parser left when it met the first word that is no option.
 * @param words the whole command line.
 * @returns what to run, or the words to parse once more: PATH was found and options follow it.
 */
export function prepareRun(command: Command, operands: readonly string[], words: readonly string[]): RunRequest | { again: string[] } {
  const options = command.opts<RunOptions>()
  const before = words.slice(0, words.length - operands.length)
  const hasPath = options.path !== undefined || options.lockFile !== undefined
  const wantsPath = !hasPath && (options.mode !== undefined || (!options.read && !options.write))
  if (!wantsPath) return requestOf(command, options, operands)
  const [path, ...rest] = operands
  if (path === undefined || before.at(-1) === '--') {
    command.error('error: no path to lock. Give one before the command: holdfast run PATH -- COMMAND')
  }
  if (rest[0] === '--') return requestOf(command, { ...options, path: pathOf(command, path) }, rest.slice(1))
  if (rest[0]?.startsWith('-')) return { again: [...before, `--path=${path}`, ...rest] }
  return requestOf(command, { ...options, path: pathOf(command, path) }, rest)
}

function requestOf(command: Command, options: RunOptions, operands: readonly string[]): RunRequest {
  const { mode = 'write', read = [], write = [] } = options
  const lockFile = options.lockFile === undefined ? undefined : resolve(options.lockFile)
  const path = lockFile ?? options.path
  if (options.command !== undefined && operands.length > 0) {
    command.error(`error: -c takes the whole command as one string; ${JSON.stringify(operands[0])} is too much`)
  }
  const words = options.command === undefined ? operands : ['/bin/sh', '-c', options.command]
  if (words.length === 0) command.error('error: no command to run. It stands after the path: holdfast run PATH -- COMMAND')
  if (words[0] === '') command.error('error: the name of the command is empty')
  return {
    on: options.on,
    lockFile,
    read: path !== undefined && mode === 'read' ? [path, ...read] : read,
    write: path !== undefined && mode === 'write' ? [path, ...write] : write,
    timeoutMs: options.nonblock ? 0 : options.timeout,
    conflictExitCode: options.conflictExitCode,
    graceMs: options.grace,
    name: options.name,
    verbose: options.verbose === true,
    inheritLock: options.close !== true,
    words,
  }
}

function pathOf(command: Command, text: string): string {
  try {
    return pathValue(text)
  } catch (error) {
    return command.error(`error: ${(error as Error).message}`)
  }
}
