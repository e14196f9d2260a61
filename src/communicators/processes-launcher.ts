// SPDX-License-Identifier: MIT
// Starts a group of processes, with a line between any two of them.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, fstatSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { isLockError, LockError } from '../core/errors.ts'
import { socketPair } from '../native/socket-pair.ts'
import { checkSize, Launch } from './launch.ts'
import { PROCESS_PLACE } from './processes.ts'
import { SocketLink } from './socket-link.ts'

export interface RunProcessesOptions {
  /** What the program finds in its `process.argv`. */
  readonly args?: readonly string[]
  /** Its environment; that of this process unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly execArgv?: readonly string[]
  readonly cwd?: string
  /** `inherit`: rank 0 reads the standard input of this program. Otherwise, as for the other ranks, there is nothing to read. */
  readonly stdin?: 'ignore' | 'inherit'
  /** Where output goes; that of this program unless given. */
  readonly stdout?: Writable
  readonly stderr?: Writable
  /** Kills all the processes. */
  readonly signal?: AbortSignal
  /** Told of every failure as soon as it is known. The first one is what the promise is rejected with in the end. */
  readonly onFailure?: (failure: LockError) => void
}

/** These are handed on to the ranks. */
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program of Node in `size` processes that are the ranks of a group; each finds it with `thisCommunicator()`, or `sync()`. This process is none of them.
 * A rank whose program ends, or calls `process.exit(0)` when nothing that it sent is under way any more, has left; with another exit code, or by a signal, it
 * died. SIGINT, SIGTERM and SIGHUP are handed on to the ranks, and end this process, if nobody else listens for them, when the ranks have ended.
 *
 * @returns when all have ended.
 * @throws RankError the first failure, when all have ended: nobody is stopped because another one failed. LockError `LOCK_UNAVAILABLE` when a rank aborted the
 * group or the system cannot start so many, `LOCK_INVALID` for a wrong size, `LOCK_UNSUPPORTED` on another system than Linux; what `signal` was aborted with.
 */
export async function runProcesses(size: number, file: string | URL, options: RunProcessesOptions = {}): Promise<void> {
  checkSize(size)
  const { signal, onFailure } = options
  signal?.throwIfAborted()
  const { lines, children } = start(size, file instanceof URL ? fileURLToPath(file) : file, options)
  const launch = new Launch(lines, onFailure)
  const stop = (): void => {
    for (const child of children) child.kill('SIGKILL')
  }
  for (const [rank, child] of children.entries()) {
    child.on('error', (cause) => {
      if (child.pid === undefined) launch.ended(rank, { exitCode: null, signal: null, cause })
    })
    child.on('exit', (exitCode, endedBy) => launch.ended(rank, { exitCode, signal: endedBy }))
  }
  // Its output may come after its end.
  const closed = Promise.all(children.map((child) => new Promise((resolve) => child.on('close', resolve))))
  const unhook = passOn(children)
  signal?.addEventListener('abort', stop)
  try {
    await launch.done
    signal?.throwIfAborted()
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    await closed
    signal?.removeEventListener('abort', stop)
    unhook()
  }
}

interface Started {
  readonly lines: readonly SocketLink[]
  readonly children: readonly ChildProcess[]
}

function start(size: number, file: string, options: RunProcessesOptions): Started {
  const id = randomUUID()
  /** What the ranks inherit: closed here when they have it. */
  const handedOver: number[] = []
  /** What stays here. */
  const kept: number[] = []
  const children: ChildProcess[] = []
  try {
    const mesh = socketMesh(size, handedOver)
    for (const [rank, own] of mesh.entries()) {
      const [writing, itsReading] = socketPair()
      kept.push(writing)
      handedOver.push(itsReading)
      const [reading, itsWriting] = socketPair()
      kept.push(reading)
      handedOver.push(itsWriting)
      children.push(
        startRank(file, rank === 0 ? options : { ...options, stdin: 'ignore' }, [rank, size, id, inodeOf(itsReading)].join(' '), [
          itsReading,
          itsWriting,
          ...own,
        ]),
      )
    }
    return { lines: children.map((_, rank) => new SocketLink(kept[2 * rank + 1]!, kept[2 * rank]!)), children }
  } catch (cause) {
    for (const child of children) child.on('error', () => {}).kill('SIGKILL')
    for (const fd of kept) closeSync(fd)
    if (isLockError(cause)) throw cause
    throw new LockError('LOCK_UNAVAILABLE', `${size} processes cannot be started: ${String(cause)}`, { cause })
  } finally {
    for (const fd of handedOver) closeSync(fd)
  }
}

/** For each rank, its socket to each other one, twice: to read from and to write to. */
function socketMesh(size: number, made: number[]): readonly (readonly number[])[] {
  const mesh: number[][] = Array.from({ length: size }, () => [])
  for (let low = 0; low < size; low++) {
    for (let high = low + 1; high < size; high++) {
      const [lower, higher] = socketPair()
      made.push(lower, higher)
      // In the order of ranks: all below `high` are there already, and so are all between `low` and `high`.
      mesh[low]!.push(lower, lower)
      mesh[high]!.push(higher, higher)
    }
  }
  return mesh
}

function startRank(file: string, options: RunProcessesOptions, place: string, descriptors: readonly number[]): ChildProcess {
  const { args = [], env = process.env, execArgv = process.execArgv, cwd, stdin = 'ignore', stdout, stderr } = options
  const child = spawn(process.execPath, [...execArgv, file, ...args], {
    cwd,
    env: { ...env, [PROCESS_PLACE]: place },
    stdio: [stdin, stdout === undefined ? 'inherit' : 'pipe', stderr === undefined ? 'inherit' : 'pipe', ...descriptors],
  })
  if (stdout !== undefined) child.stdout!.on('data', (chunk) => stdout.write(chunk))
  if (stderr !== undefined) child.stderr!.on('data', (chunk) => stderr.write(chunk))
  return child
}

function inodeOf(fd: number): string {
  return fstatSync(fd, { bigint: true }).ino.toString()
}

/** @returns takes the listeners away again, and ends this process as a signal asked, unless somebody else listens for it. */
function passOn(children: readonly ChildProcess[]): () => void {
  let first: NodeJS.Signals | null = null
  const deliver = (signal: NodeJS.Signals): void => {
    first ??= signal
    // A terminal has sent it to all of us.
    if (signal === 'SIGINT' && isatty(0)) return
    for (const child of children) child.kill(signal)
  }
  for (const signal of PASSED_ON) process.on(signal, deliver)
  return () => {
    for (const signal of PASSED_ON) process.off(signal, deliver)
    if (first !== null && process.listenerCount(first) === 0) process.kill(process.pid, first)
  }
}
