// SPDX-License-Identifier: MIT
// A process of the torture, as whoever started it sees it: told what to do, stopped, killed, and replaced by another one that takes its place.
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LockErrorCode } from '../../core/errors.ts'
import { LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'
import { within } from '../bounded.ts'
import { type Happening, happening } from './marks.ts'
import type { FromWorker, Pace, ToWorker, WorkerFacts, WorkerOrders } from './messages.ts'
import type { Refusal, Ring } from './record.ts'

/** Loading and opening on a busy machine. */
const OPEN_MS = 30_000
/** So often a server that cannot be reached is tried, at the beginning; later it may be down for a while. */
const TRIES = 2
const PATIENT_MS = 60_000
const AGAIN_MS = 200
/** A fault that meets nobody who writes comes nevertheless. */
const GRIP_MS = 2_000
const STDERR_SHOWN = 2_000

type Answer = Exclude<FromWorker, 'gripped'>

export interface Told {
  /** A request failed. */
  trouble(who: string, why: Refusal, inWords: string): void
  /** The process ended, and nobody had told it to. @param at it was still there then, on the clock of marks. */
  died(who: string, inWords: string, at: bigint): void
}

export class WorkerProcess {
  readonly number: number
  who = ''
  /** It makes requests, or may make some. */
  active = false
  /** It ended, and nobody had told it to. */
  dead = false
  /** What its lock space counted when all its tasks had ended; null before. */
  done: { readonly held: number; readonly waiting: number } | null = null
  private readonly orders: Omit<WorkerOrders, 'life'>
  private readonly ring: Ring
  private readonly recordFd: number
  private readonly told: Told
  private child: ChildProcess | null = null
  private life = -1
  private stderr = ''
  /** It is meant to end. */
  private expected = false
  private exit: Promise<number | null> = Promise.resolve(0)
  private gripped: () => void = () => {}
  private answered: ((message: Answer) => void) | null = null
  private queue: Happening[] = []
  private readonly keys: readonly string[]

  constructor(orders: Omit<WorkerOrders, 'life'>, keys: readonly string[], ring: Ring, recordFd: number, told: Told) {
    this.number = orders.worker
    this.orders = orders
    this.keys = keys
    this.ring = ring
    this.recordFd = recordFd
    this.told = told
  }

  /** Starts it, and opens the lock space there. Rejects as opening does. @param patient tries again as long as the server cannot be reached. */
  async open(patient: boolean): Promise<WorkerFacts> {
    const end = performance.now() + PATIENT_MS
    for (let tries = 1; ; tries++) {
      this.start()
      const answer = await this.ask('opening a lock space', { open: { ...this.orders, life: this.life } }, OPEN_MS)
      if ('opened' in answer) return answer.opened
      const { code, message } = 'refused' in answer ? answer.refused : { code: null, message: 'it gave no answer' }
      await this.kill()
      if (code === 'LOCK_UNAVAILABLE' && (patient ? performance.now() < end : tries < TRIES)) await pause(AGAIN_MS)
      else throw code === null ? new Error(message) : new LockError(code as LockErrorCode, message)
    }
  }

  /** From here on it makes requests. */
  go(pace: Pace): void {
    this.ring.begin(bootNow())
    this.active = true
    this.done = null
    this.post({ go: { tasks: pace.tasks, unitMs: pace.unitMs } })
  }

  stop(): void {
    this.post('stop')
  }

  /** Resolves when one of its tasks writes, and stays in until {@link letGo}; or after a while. */
  async grip(): Promise<void> {
    if (!this.active) return
    const gripped = new Promise<void>((resolve) => {
      this.gripped = resolve
    })
    this.post('grip')
    await Promise.race([gripped, pause(GRIP_MS), this.exit])
  }

  letGo(): void {
    if (this.active) this.post('let go')
  }

  pause(): void {
    this.child?.kill('SIGSTOP')
  }

  resume(): void {
    this.child?.kill('SIGCONT')
  }

  /** What is left, when all others are gone. */
  async look(withinMs: number): Promise<readonly string[]> {
    const answer = await this.ask('looking around', { look: { withinMs } }, 3 * withinMs + OPEN_MS)
    if ('left' in answer) return answer.left
    throw new Error('refused' in answer ? answer.refused.message : 'it gave no answer')
  }

  /** Resolves to null when it closed and ended by itself in time; else to what it did. */
  async close(withinMs: number): Promise<string | null> {
    if (this.child === null) return null
    this.answered = null
    const { exit } = this
    this.expected = true
    this.post('close')
    try {
      const code = await within(withinMs, 'closing', exit)
      return code === 0 ? null : `it ended with ${code ?? 'a signal'} when it was to close: ${this.stderr.trim()}`
    } catch {
      await this.kill()
      return `it did not close and end within ${withinMs} ms`
    }
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.expected = true
    this.child?.kill('SIGKILL')
    await this.exit
    this.drain()
    this.active = false
  }

  /** Everything that was put down until now goes into the queue. Answers up to when it is complete; null when there is nobody who could put something down. */
  drain(): bigint | null {
    const { who, keys, queue } = this
    const alive = this.ring.take((mark) => queue.push(happening(mark, who, keys)))
    return this.active ? alive : null
  }

  /** Takes what is not younger than this out of the queue. */
  take(until: bigint, into: Happening[]): void {
    const { queue } = this
    let count = 0
    while (count < queue.length && queue[count]!.at <= until) into.push(queue[count++]!)
    if (count === queue.length) this.queue = []
    else if (count > 0) this.queue = queue.slice(count)
  }

  private start(): void {
    this.life++
    this.who = `p${this.number + 1}${this.life === 0 ? '' : `.${this.life}`}`
    this.ring.begin(bootNow())
    this.stderr = ''
    this.expected = false
    this.dead = false
    const child = fork(fileURLToPath(new URL('./worker-program.js', import.meta.url)), [], {
      execArgv: [],
      serialization: 'advanced',
      // The last one is RECORD_FD.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', this.recordFd],
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_SHOWN)
    })
    child.on('message', (message) => this.receive(message as FromWorker))
    this.exit = new Promise((resolve) => {
      child.once('error', () => resolve(null))
      child.once('exit', (code, signal) => {
        resolve(code)
        if (this.child !== child || this.expected) return
        const inWords = `ended by itself (${signal ?? code}): ${this.stderr.trim()}`
        this.answered?.({ refused: { code: null, message: `A worker ${inWords}` } })
        if (!this.active) return
        const at = this.drain()!
        this.active = false
        this.dead = true
        this.told.died(this.who, inWords, at)
      })
    })
    this.child = child
  }

  private receive(message: FromWorker): void {
    if (message === 'gripped') this.gripped()
    else if ('trouble' in message) this.told.trouble(this.who, message.why, message.trouble)
    else if ('done' in message) {
      this.drain()
      this.done = message.done
      this.active = false
    } else if (this.answered !== null) {
      this.answered(message)
      this.answered = null
    } else if ('refused' in message) this.told.trouble(this.who, 'failed', message.refused.message)
  }

  private async ask(what: string, question: ToWorker, ms: number): Promise<Answer> {
    const answer = new Promise<Answer>((resolve) => {
      this.answered = resolve
    })
    this.post(question)
    return await within(ms, `${what} of ${this.who}`, answer)
  }

  private post(message: ToWorker): void {
    if (this.child?.connected) this.child.send(message, () => {})
  }
}
