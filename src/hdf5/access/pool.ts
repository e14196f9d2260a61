// SPDX-License-Identifier: MIT
// The threads that run the HDF5 library. They start when there is work, let the process end when there is none, and are replaced when they die.
// A thread has one job at a time: whoever comes next waits here, where another thread may take it, not behind a long one.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { takeProcessLock } from '../../native/process-lock.ts'
import { type PostedReply, postedRequest, replyOf } from '../engine/posted.ts'
import type { FileRequest, Reply, Request } from '../engine/protocol.ts'
import type { ThreadData } from '../engine/worker.ts'
import { Hdf5Error } from '../errors.ts'
import { misused } from '../options.ts'

/** One message to a thread, and who waits for the answer. Exactly one of its methods is called, once, and none of them throws. */
export interface Job {
  readonly message: Request | FileRequest
  /** The file that it is about, for messages. */
  readonly file: string
  settled(reply: Reply, thread: EngineThread): void
  failed(error: Hdf5Error): void
}

/** More seldom pay: the files lie on one disk, and each thread takes some 33 MB. */
const MOST_THREADS = 4

let limit = Math.min(MOST_THREADS, availableParallelism())
let requests = 0

/**
 * How many threads may run the HDF5 library in this process: so many files are worked on at once. Threads that run already stay. Default:
 * the number of processors, 4 at most.
 *
 * @throws Hdf5Error `HDF5_INVALID`
 */
export function setEngineThreads(count: number): void {
  if (!Number.isSafeInteger(count) || count < 1) throw misused(`The number of threads is an integer above 0, not ${String(count)}.`)
  limit = count
}

export function nextRequest(): number {
  return ++requests
}

const library = new Int32Array(new SharedArrayBuffer(4))
/** How long the end of the process waits for a thread that is in the system's library. */
const FAREWELL_MS = 2_000
const threads: EngineThread[] = []
/** Jobs for whichever thread is free next. */
const jobs: Job[] = []
let starting = 0

/** Gives a job to the idlest thread. */
export function submit(job: Job): void {
  const thread = idlest()
  if (thread === undefined) {
    jobs.push(job)
    startAnother()
  } else thread.run(job)
}

/** Among the idle threads the one with the fewest sessions, which may ask for it at any moment. */
function idlest(): EngineThread | undefined {
  let best: EngineThread | undefined
  for (const thread of threads) if (thread.isIdle && (best === undefined || thread.sessions < best.sessions)) best = thread
  return best
}

function startAnother(): void {
  if (jobs.length === 0 || starting > 0 || threads.length >= limit) return
  if (!takesLeave) process.once('exit', leaveLibrary)
  takesLeave = true
  threads.push(new EngineThread())
}

let takesLeave = false

/** A thread that is ended within the system's library may take the whole process down, so nobody may be in it from now on. */
function leaveLibrary(): void {
  if (Atomics.load(library, 0) === 1) takeProcessLock(FAREWELL_MS)
}

/** One worker thread. A session stays with the thread that opened it. */
export class EngineThread {
  /** Sessions open in it. */
  sessions = 0
  private readonly worker: Worker
  private readonly own: Job[] = []
  private current: Job | null = null
  private state: 'starting' | 'up' | 'dead' = 'starting'
  private reason: unknown

  constructor() {
    this.worker = new Worker(program(), { execArgv: [], workerData: { library } satisfies ThreadData, name: 'holdfast-hdf5' })
    starting++
    this.worker.once('online', () => this.begin())
    this.worker.on('message', (reply: PostedReply) => this.answered(replyOf(reply)))
    this.worker.on('error', (error) => {
      this.reason ??= error
    })
    this.worker.once('messageerror', (error) => {
      this.reason ??= error
      void this.worker.terminate()
    })
    this.worker.once('exit', (code) => this.ended(code))
  }

  get isIdle(): boolean {
    return this.state === 'up' && this.current === null
  }

  /** For a session: after what it asked for before. */
  submit(job: Job): void {
    if (this.state === 'dead') job.failed(this.obituary(job))
    else if (this.isIdle) this.run(job)
    else this.own.push(job)
  }

  /** @internal */
  run(job: Job): void {
    try {
      this.worker.postMessage(postedRequest(job.message))
    } catch (cause) {
      job.failed(new Hdf5Error('HDF5_TYPE', `The value cannot be stored: ${(cause as Error).message}`, { file: job.file, cause }))
      this.next()
      return
    }
    if (this.current === null) this.worker.ref()
    this.current = job
  }

  private begin(): void {
    if (this.state !== 'starting') return
    starting--
    this.state = 'up'
    this.next()
    startAnother()
  }

  private answered(reply: Reply): void {
    const job = this.current
    if (job === null || job.message.id !== reply.id) return
    this.current = null
    job.settled(reply, this)
    this.next()
  }

  private next(): void {
    if (this.current !== null) return
    const job = this.own.shift() ?? jobs.shift()
    if (job === undefined) this.worker.unref()
    else this.run(job)
  }

  /** By now the system has taken back its descriptors, and with them its locks on files. */
  private ended(code: number): void {
    const started = this.state === 'up'
    if (!started) starting--
    this.state = 'dead'
    this.reason ??= new Error(`The thread ended with exit code ${code}.`)
    threads.splice(threads.indexOf(this), 1)
    const lost = this.current === null ? this.own.splice(0) : [this.current, ...this.own.splice(0)]
    this.current = null
    // A thread that cannot even start would be started again and again for the same jobs.
    if (!started && threads.length === 0) lost.push(...jobs.splice(0))
    for (const job of lost) job.failed(this.obituary(job))
    startAnother()
  }

  private obituary({ file }: Job): Hdf5Error {
    const { message } = this.reason as Error
    return new Hdf5Error(
      'HDF5_FAILED',
      `${file}: the thread that works on it has ended: ${message} What a transaction had begun is rolled back when the file is next opened.`,
      { file, cause: this.reason },
    )
  }
}

/** As the package has it; from the sources, as tests run them, what was built of it. */
function program(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../../dist/hdf5/engine/worker.js' : '../engine/worker.js', import.meta.url)
}
