// SPDX-License-Identifier: MIT
// Runs a program as the ranks of a group.
import { constants } from 'node:os'
import { RankError } from '../communicators/launch.ts'
import { runProcesses } from '../communicators/processes-launcher.ts'
import type { LockError } from '../core/errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { say } from './output.ts'

/**
 * @param words the program and its arguments.
 * @returns the exit code: that of the rank that failed first.
 */
export async function ranks(size: number, words: readonly string[]): Promise<number> {
  const [program = '', ...args] = words
  const told = new Set<unknown>()
  const onFailure = (failure: LockError): void => {
    told.add(failure)
    say(failure.message)
  }
  try {
    await runProcesses(size, program, { args, execArgv: [], stdin: 'inherit', onFailure })
    return 0
  } catch (error) {
    if (!told.has(error)) throw error
    if (!(error instanceof RankError)) return exitCodeOf(error)
    if (error.signal !== null) return EXIT.signalled + constants.signals[error.signal]
    return error.exitCode ?? EXIT.notExecutable
  }
}
