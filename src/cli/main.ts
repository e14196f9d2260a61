#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The command line: hands the words to the program, and ends with the exit code that it answers.
import { CommanderError } from 'commander'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { ignoreClosedPipes, printError, takeOverWarnings } from './output.ts'
import { buildProgram } from './program.ts'

async function main(words: readonly string[]): Promise<number> {
  let exitCode = 0
  const program = buildProgram(words, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCode
  } catch (error) {
    // The program has said what is wrong, or shown its help, by the time that this is thrown.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
    printError(error)
    return exitCodeOf(error)
  }
}

ignoreClosedPipes()
takeOverWarnings()
const exitCode = await main(process.argv.slice(2))
// What went wrong with the output is told in the next turn.
setImmediate(() => process.exit(exitCode))
