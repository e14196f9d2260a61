// SPDX-License-Identifier: MIT
// A command that runs under a lock.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { EXIT } from './exit-codes.ts'
import { descentOf, groupOf, type Kin, single, stop } from './processes.ts'

export type Ended = { readonly code: number } | { readonly signal: NodeJS.Signals }

export interface CommandOptions {
  /** In a session and process group of its own, which is then signalled as a whole. Otherwise it stays in ours. */
  readonly ownGroup: boolean
  /** Added to our own environment. */
  readonly environment: Readonly<Record<string, string>>
  /** The command inherits these, under other numbers. */
  readonly descriptors: readonly number[]
  /** Called as soon as the command can be signalled, before anything else can happen. */
  readonly started: (command: RunningCommand) => void
}

/** The command could not be started; the exit code is the one that a shell gives. */
export class StartError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Shell scripts use the descriptors 3 to 9 for themselves (`exec 3>log`), and would close the lock. */
const FIRST_DESCRIPTOR = 10

export class RunningCommand {
  readonly ended: Promise<Ended>
  private readonly kin: Kin
  private readonly addressee: Kin

  private constructor(child: ChildProcess, pid: number, ownGroup: boolean) {
    this.kin = ownGroup ? groupOf(pid) : descentOf(pid)
    this.addressee = ownGroup ? this.kin : single(pid)
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(signal === null ? { code: code! } : { signal }))
    })
  }

  /** @throws StartError when there is no such command, or it cannot be executed. */
  static async start(words: readonly string[], options: CommandOptions): Promise<RunningCommand> {
    const [file = '', ...rest] = words
    let child: ChildProcess
    try {
      child = spawn(file, rest, {
        stdio: layOut(options.descriptors, rest),
        detached: options.ownGroup,
        env: { ...process.env, ...options.environment },
      })
    } catch (error) {
      throw startError(file, error as NodeJS.ErrnoException)
    }
    if (child.pid === undefined) {
      throw startError(file, await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve)))
    }
    const command = new RunningCommand(child, child.pid, options.ownGroup)
    options.started(command)
    return command
  }

  send(signal: NodeJS.Signals): void {
    this.addressee.send(signal)
  }

  /** Stops it and everything that it started and that can be found. */
  async stop(graceMs: number): Promise<void> {
    await stop(this.kin, graceMs)
  }
}

/**
 * Descriptors by their numbers in the command. Those that its arguments name, as the `<(…)` of a shell does (`/dev/fd/63`), keep their
 * numbers; of the others Node closes at least the low ones.
 */
function layOut(lock: readonly number[], words: readonly string[]): StdioOptions {
  const layout: ('inherit' | 'ignore' | number)[] = ['inherit', 'inherit', 'inherit']
  for (const word of words) {
    const [, number] = /^\/(?:dev|proc\/self)\/fd\/(\d{1,4})$/.exec(word) ?? []
    if (number !== undefined && Number(number) > 2) layout[Number(number)] = Number(number)
  }
  let place = FIRST_DESCRIPTOR
  for (const descriptor of lock) {
    while (layout[place] !== undefined) place++
    layout[place] = descriptor
  }
  return Array.from(layout, (entry) => entry ?? 'ignore')
}

function startError(file: string, error: NodeJS.ErrnoException): StartError {
  if (error.code === 'ENOENT') return new StartError(`${file}: command not found`, EXIT.notFound)
  const why = error.code === 'EACCES' ? 'permission denied, or not a program' : error.message
  return new StartError(`${file}: cannot be executed: ${why}`, EXIT.notExecutable)
}
