// SPDX-License-Identifier: MIT
// Takes the lock, runs the command, gives the lock back.
import { isatty } from 'node:tty'
import type { FileLease } from '../backends/file/index.ts'
import { connect } from '../config/url.ts'
import { isLockError } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import type { LockOptions, LockSpace } from '../lock-space.ts'
import { describeRequest } from '../refusals.ts'
import { type Ended, RunningCommand, StartError } from './command.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { printError, say } from './output.ts'
import { Signals } from './signals.ts'
import { WaitingNotice } from './waiting-notice.ts'

export interface RunRequest {
  readonly on: string | undefined
  /** Lock this very file, and not a path in a lock space; it is what is read or written then. */
  readonly lockFile: string | undefined
  readonly read: readonly string[]
  readonly write: readonly string[]
  readonly timeoutMs: number | undefined
  readonly conflictExitCode: number
  readonly graceMs: number
  readonly name: string | undefined
  readonly verbose: boolean
  readonly inheritLock: boolean
  /** The command and its arguments. */
  readonly words: readonly string[]
}

/** @returns the exit code. */
export async function run(request: RunRequest): Promise<number> {
  const terminal = isatty(0)
  // Others who look at the locks are shown the command that runs under them, not the interpreter that runs us.
  process.argv = [...request.words]
  const signals = new Signals(terminal)
  const locks = await openLocks(request)
  const lease = await take(locks, request, signals)
  if (typeof lease === 'number') return lease
  const ended = signals.first === null ? await supervise(lease, request, signals, terminal) : { signal: signals.first }
  const lost = !lease.valid
  await lease.release()
  await locks.close()
  if (lost) return EXIT.lost
  return 'code' in ended ? ended.code : await signals.endedBy(ended.signal)
}

/** Where the lock comes from. */
interface Locks extends Pick<LockSpace, 'inspect' | 'blockers' | 'close'> {
  lock(options: LockOptions): Promise<Lease>
}

async function openLocks({ on, lockFile, read, write }: RunRequest): Promise<Locks> {
  if (lockFile === undefined) {
    const space = await connect(on)
    return {
      lock: (options) => space.lock({ read, write }, options),
      inspect: () => space.inspect(),
      blockers: (request) => space.blockers(request),
      close: () => space.close(),
    }
  }
  const { LockFile } = await import('../lock-file/index.ts')
  const file = new LockFile(lockFile)
  return {
    lock: (options) => (write.length > 0 ? file.write(options) : file.read(options)),
    inspect: () => file.inspect(),
    blockers: async () => (await file.inspect()).holders,
    close: () => file.close(),
  }
}

/** @returns the lease, or the exit code with which it was not granted. */
async function take(locks: Locks, request: RunRequest, signals: Signals): Promise<Lease | number> {
  const { read, write, timeoutMs, name, verbose } = request
  const notice = new WaitingNotice(locks, { read, write })
  const began = performance.now()
  try {
    const lease = await locks.lock({ signal: signals.interrupted, timeout: timeoutMs, name })
    if (verbose) say(`got the lock to ${describeRequest(request)} after ${seconds(began)} s, token ${lease.token}`)
    return lease
  } catch (error) {
    if (signals.first !== null) return await signals.endedBy(signals.first)
    if (!isLockError(error, 'LOCK_TIMEOUT')) {
      printError(error)
      return exitCodeOf(error)
    }
    if (request.conflictExitCode !== 0 || verbose) printError(error)
    return request.conflictExitCode
  } finally {
    notice.end()
  }
}

async function supervise(lease: Lease, request: RunRequest, signals: Signals, terminal: boolean): Promise<Ended> {
  const { words, graceMs, verbose, inheritLock } = request
  if (verbose) say(`running ${words.join(' ')}`)
  // Asked for in any case: with several engines it says that a child is started, and that no other engine may be elected until the lease is released.
  const descriptors = descriptorsOf(lease)
  let command: RunningCommand
  try {
    command = await RunningCommand.start(words, {
      ownGroup: !terminal,
      environment: { HOLDFAST_TOKEN: lease.token.toString() },
      descriptors: inheritLock ? descriptors : [],
      started: (running) => signals.deliverTo((signal) => running.send(signal)),
    })
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    say(error.message)
    return { code: error.exitCode }
  }
  let stopped: Promise<void> | undefined
  const stop = (): void => {
    say(
      `the lock to ${describeRequest(request)} is lost: stopping the command. ${(lease.signal.reason as Error | undefined)?.message ?? ''}`,
    )
    stopped = command.stop(graceMs)
  }
  if (lease.signal.aborted) stop()
  else lease.signal.addEventListener('abort', stop)
  const ended = await command.ended
  lease.signal.removeEventListener('abort', stop)
  await stopped
  return ended
}

/** On kernel files a lock lasts as long as somebody has its descriptors open: the command keeps it should the supervisor be killed. */
function descriptorsOf(lease: Lease): readonly number[] {
  return (lease as Partial<Pick<FileLease, 'descriptors'>>).descriptors ?? []
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(3)
}
