// SPDX-License-Identifier: MIT
// Workers as seen by whoever examines: threads and processes that can be told what to do, and killed.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker as Thread } from 'node:worker_threads'
import { isLockError, LockError } from '../core/errors.ts'
import { within } from './bounded.ts'
import type { FileLockKind, FileLockType } from './file-locks.ts'
import type { Hands, Opening } from './hands.ts'
import type { FileMarks, SharedMarks } from './marks.ts'
import type { Answer, ArgumentsOf, Ask, Command, FromWorker, ToWorker } from './messages.ts'

/** What takes longer has hung. */
const ANSWER_MS = 10_000
/** Starting a worker counts in. */
const OPEN_MS = 15_000
/** A request that has a time-out answers by then, and a moment later. */
const TIME_OUT_LATE_MS = 2_000
/** How long a worker may take to give everything back. */
const CLOSE_MS = 2_500

/** The way to hands, wherever they are. */
export interface Line {
  /** Name of the thread or process. */
  readonly who: string
  call<C extends Command>(command: C, ...parameters: ArgumentsOf<C>): Promise<Answer<C>>
}

/** The way to hands in this thread. */
export function ownLine(who: string, hands: Hands): Line {
  return {
    who,
    call: async (command, ...parameters) => {
      const method = hands[command] as (...all: unknown[]) => unknown
      return (await within(
        patience(command, parameters),
        `“${command}” of ${who}`,
        Promise.resolve(method.apply(hands, parameters)),
      )) as never
    },
  }
}

interface Host {
  post(message: ToWorker): void
  kill(): Promise<void>
}

export class Worker {
  readonly who: string
  private readonly host: Host
  private readonly calls = new Map<number, { resolve(result: never): void; reject(error: unknown): void }>()
  private readonly lines: Line[] = []
  private asked = 0
  private over: Error | null = null

  /** A process, which puts its marks into this file. */
  static process(who: string, marks: FileMarks): Worker {
    const child = fork(program(), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', process.env.HOLDFAST_DEBUG ? 'inherit' : 'ignore', 'ipc', marks.fd],
    })
    const worker = new Worker(`${who} (pid ${child.pid})`, hostOf(child))
    child.on('message', (message) => worker.receive(message as FromWorker))
    child.on('error', (error) => worker.ended(String(error)))
    child.on('exit', (code, signal) => worker.ended(`it ended (${signal ?? code})`))
    return worker
  }

  /** A thread of this process, which puts its marks into this memory. */
  static thread(who: string, marks: SharedMarks): Worker {
    const thread = new Thread(program(), { execArgv: [], workerData: marks.memory, stdout: true, stderr: true })
    const worker = new Worker(who, {
      post: (message) => thread.postMessage(message),
      kill: async () => void (await thread.terminate()),
    })
    thread.on('message', (message: FromWorker) => worker.receive(message))
    thread.on('error', (error) => worker.ended(String(error)))
    thread.on('exit', () => worker.ended('it ended'))
    return worker
  }

  private constructor(who: string, host: Host) {
    this.who = who
    this.host = host
  }

  /** Opens a lock space there. Rejects as opening does. */
  async open(opening: Opening): Promise<Line> {
    const ask: Ask = { open: opening, who: this.who }
    const hands = await this.ask<number>('opening a lock space', ask, OPEN_MS).catch((error: unknown) => {
      // Others have opened it: a worker that has yet to load its programs may need more time than is given for that.
      if (isLockError(error, 'LOCK_UNAVAILABLE')) return this.ask<number>('opening a lock space', ask, OPEN_MS)
      throw error
    })
    const line: Line = {
      who: this.who,
      call: (command, ...parameters) => this.ask(`“${command}”`, { hands, command, parameters }, patience(command, parameters)),
    }
    this.lines.push(line)
    return line
  }

  /** Whether it gets a lock on this file at this moment. */
  fileLock(path: string, kind: FileLockKind, type: FileLockType): Promise<boolean> {
    return this.ask('trying a lock on a file', { fileLock: path, kind, type })
  }

  /** Ends it in the middle of whatever it does: a process by SIGKILL. Resolves when it is gone. */
  kill(): Promise<void> {
    return this.host.kill()
  }

  /** Closes what is open, if it does so in time, and ends it. */
  async end(): Promise<void> {
    if (this.over === null)
      await within(CLOSE_MS, 'closing', Promise.allSettled(this.lines.map((line) => line.call('close')))).catch(() => {})
    await this.kill()
  }

  private receive(message: FromWorker): void {
    const call = this.calls.get(message.call)
    this.calls.delete(message.call)
    if ('error' in message) {
      const { code, message: text } = message.error
      call?.reject(code === null ? new Error(text) : new LockError(code, text))
    } else call?.resolve(message.result as never)
  }

  private ended(why: string): void {
    this.over ??= new Error(`${this.who} is gone: ${why}`)
    for (const { reject } of this.calls.values()) reject(this.over)
    this.calls.clear()
  }

  private ask<Result>(what: string, ask: Ask, ms = ANSWER_MS): Promise<Result> {
    const answer = new Promise<Result>((resolve, reject) => {
      if (this.over !== null) return reject(this.over)
      const call = ++this.asked
      this.calls.set(call, { resolve, reject })
      this.host.post({ call, ask })
    })
    return within(ms, `${what} of ${this.who}`, answer)
  }
}

function patience(command: Command, parameters: readonly unknown[]): number {
  const timeoutMs = command === 'take' ? parameters[2] : undefined
  return typeof timeoutMs === 'number' ? timeoutMs + TIME_OUT_LATE_MS : ANSWER_MS
}

function program(): string {
  return fileURLToPath(new URL('./worker-program.js', import.meta.url))
}

function hostOf(child: ChildProcess): Host {
  const exit = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    post: (message) => void child.send(message, () => {}),
    async kill() {
      child.kill('SIGKILL')
      await exit
    },
  }
}
