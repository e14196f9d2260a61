// SPDX-License-Identifier: MIT
// Starts a group of threads, with a line between any two of them.
import { randomUUID } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads'
import type { LockError } from '../core/errors.ts'
import { checkSize, Launch } from './launch.ts'
import { PortLink } from './port-link.ts'
import { THREAD_PLACE, type ThreadPlace } from './threads.ts'

export interface RunThreadsOptions extends Pick<WorkerOptions, 'argv' | 'env' | 'execArgv' | 'name' | 'resourceLimits'> {
  /** Each rank finds these in its `workerData`. */
  readonly workerData?: Readonly<Record<string, unknown>>
  /** Where output goes; that of this program unless given. */
  readonly stdout?: Writable
  readonly stderr?: Writable
  /** Ends all the threads. */
  readonly signal?: AbortSignal
  /** Told of every failure as soon as it is known. The first one is what the promise is rejected with in the end. */
  readonly onFailure?: (failure: LockError) => void
}

/**
 * Runs a program in `size` worker threads that are the ranks of a group; each finds it with `thisCommunicator()`, or `sync()`. This thread is none of them.
 * A rank whose program ends, or calls `process.exit(0)`, has left; with another exit code, or by an error, it died.
 *
 * @param program a module that is compiled to JavaScript, as `new URL('./program.js', import.meta.url)`.
 * @returns when all have ended.
 * @throws RankError the first failure, when all have ended: nobody is stopped because another one failed. LockError `LOCK_UNAVAILABLE` when a rank aborted the
 * group, `LOCK_INVALID` for a wrong size; what `signal` was aborted with.
 */
export async function runThreads(size: number, program: URL | string, options: RunThreadsOptions = {}): Promise<void> {
  checkSize(size)
  const { workerData, stdout, stderr, signal, onFailure, ...others } = options
  signal?.throwIfAborted()
  const id = randomUUID()
  const ports = mesh(size)
  const controls = ports.map(() => new MessageChannel())
  const launch = new Launch(
    controls.map(({ port1 }) => new PortLink(port1)),
    onFailure,
  )
  const workers: Worker[] = []
  const outputs: Promise<void>[] = []
  const stop = (): void => {
    for (const worker of workers) void worker.terminate()
  }
  const start = (own: readonly (MessagePort | null)[], rank: number): void => {
    const launcher = controls[rank]!.port2
    const place: ThreadPlace = { rank, id, ports: own, launcher }
    const worker = new Worker(program, {
      ...others,
      workerData: { ...workerData, [THREAD_PLACE]: place },
      transferList: [launcher, ...own.filter((port) => port !== null)],
      stdout: stdout !== undefined,
      stderr: stderr !== undefined,
    })
    if (stdout !== undefined) outputs.push(passOutput(worker.stdout, stdout))
    if (stderr !== undefined) outputs.push(passOutput(worker.stderr, stderr))
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', (exitCode) => launch.ended(rank, { exitCode, signal: null, ...(cause === undefined ? {} : { cause }) }))
    workers.push(worker)
  }
  signal?.addEventListener('abort', stop)
  try {
    try {
      ports.forEach(start)
    } catch (error) {
      // Data that cannot be cloned, or a wrong option: those that have begun end again.
      stop()
      throw error
    }
    await launch.done
    signal?.throwIfAborted()
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    await Promise.all(outputs)
    signal?.removeEventListener('abort', stop)
  }
}

/** Resolves when all of it was written. */
function passOutput(from: Readable, to: Writable): Promise<void> {
  return new Promise((resolve) => {
    from.on('data', (chunk) => to.write(chunk)).on('end', resolve)
  })
}

/** For each rank, its port to each other one. */
function mesh(size: number): readonly (MessagePort | null)[][] {
  const ports = Array.from({ length: size }, () => new Array<MessagePort | null>(size).fill(null))
  for (let low = 0; low < size; low++) {
    for (let high = low + 1; high < size; high++) {
      const { port1, port2 } = new MessageChannel()
      ports[low]![high] = port1
      ports[high]![low] = port2
    }
  }
  return ports
}
