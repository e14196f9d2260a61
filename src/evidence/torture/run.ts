// SPDX-License-Identifier: MIT
// One run, from its beginning to its end: workers make random requests while faults strike, what they put down is judged as it comes, and in the end everybody
// goes and nothing may be left.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LockError } from '../../core/errors.ts'
import { bootNow } from '../../native/clock.ts'
import type { Opening } from '../hands.ts'
import type { FaultKind } from './fault-kinds.ts'
import { Feed } from './feed.ts'
import { Judgement } from './judgement.ts'
import { keysBelow } from './marks.ts'
import type { WorkerFacts, WorkerOrders } from './messages.ts'
import { type Place, placeOf, placeWith } from './place.ts'
import { digestOf, longestFaultMs, type PlanSettings, planFaults } from './plan.ts'
import { WorkerProcess } from './process.ts'
import { SharedRecord } from './record.ts'
import { promisesOf, sentenceOf, type TortureReport } from './report.ts'
import { Strikes } from './strikes.ts'
import { drawTimeline } from './timeline.ts'

export interface TortureOptions {
  /** Which engine: a URL, as `connect(url)` takes it; `redis:` and `zookeeper:` alone start a server. Default: kernel files in a directory of its own. */
  readonly url?: string | undefined
  /** Opens the space in another way; then `url` is not looked at. */
  readonly opening?: Opening | undefined
  /** Default 4. */
  readonly processes?: number | undefined
  /** Requests that each process makes at once. Default 4. */
  readonly tasks?: number | undefined
  /** Copies of the tree of places in which the requests lie. Default 1. */
  readonly trees?: number | undefined
  /** How long requests are made. Default 20. */
  readonly seconds?: number | undefined
  /** Ends when there were so many grants, if that is before. */
  readonly grants?: number | undefined
  /** Default: all that can be injected there. */
  readonly faults?: readonly FaultKind[] | undefined
  /** A whole number from 0 to 2^32-1. Default: at random. */
  readonly seed?: number | undefined
  /** Where the time around the first violation is drawn. Default: `holdfast-torture-SEED.svg` in the working directory. */
  readonly timeline?: string | undefined
  /** Ends the run early, with a report. */
  readonly signal?: AbortSignal | undefined
  /** Told when the run begins, and then ten times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface Progress {
  readonly seed: number
  readonly place: string
  readonly phase: 'starting' | 'running' | 'ending'
  /** From 0 to 1. */
  readonly share: number
  readonly grants: number
  readonly faults: number
  readonly violations: number
}

const PROGRESS_EVERY_MS = 100
/** What a lease is taken to last where it does not run out, and where nobody knows. */
const NOMINAL_MS = 1_000
const STEPS_MS = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000]
/** Beside what faults and leases take. */
const BOUND_MS = 20_000
const BOUND_TIMES = 8
const QUIET_MS = 4_000
/** After a violation the run goes on for so long, to show what follows. */
const AFTERMATH_MS = 150
/** Time to close and end, beside a lease. */
const CLOSE_MS = 15_000
/** Time for what is left to go, beside the leases of the dead. */
const LEFT_MS = 5_000

/**
 * Rejects with LockError `CONFIG_INVALID` for a wrong URL, `LOCK_INVALID` for faults that cannot be injected there, and as opening does. Everything else is in
 * the report.
 */
export async function torture(options: TortureOptions = {}): Promise<TortureReport> {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const place = options.opening === undefined ? await placeOf(options.url) : placeWith(options.opening)
  const run = new Run(place, seed, options)
  try {
    return await run.carryOut()
  } finally {
    await run.end()
  }
}

class Run {
  private readonly place: Place
  private readonly seed: number
  private readonly options: TortureOptions
  private readonly processes: number
  private readonly trees: number
  private readonly seconds: number
  private readonly record: SharedRecord
  private workers: WorkerProcess[] = []
  private feed: Feed | null = null
  private progressing: NodeJS.Timeout | null = null
  private readonly over = new AbortController()
  private looked = false

  constructor(place: Place, seed: number, options: TortureOptions) {
    this.place = place
    this.seed = seed
    this.options = options
    this.processes = options.processes ?? 4
    this.trees = options.trees ?? 1
    this.seconds = options.seconds ?? 20
    this.record = SharedRecord.create(this.processes, this.trees)
  }

  async carryOut(): Promise<TortureReport> {
    const { place, seed, processes, trees, seconds, options } = this
    checkFaults(options.faults ?? [], place.faults, place.inWords)
    this.progress('starting', 0, null)
    const root = await place.root()
    const facts = await this.open(root)
    const alone = facts.supports.scope === 'thread'
    if (alone) checkFaults(options.faults ?? [], [], 'what one process has for itself')
    const kinds = alone ? [] : (options.faults ?? place.faults)
    const unitMs = place.leaseMs ?? (facts.leaseMs === null ? NOMINAL_MS : (STEPS_MS.find((ms) => ms >= facts.leaseMs!) ?? facts.leaseMs))
    const plan: PlanSettings = {
      ...{ seed, seconds, kinds, unitMs, trees },
      processes: alone ? 1 : processes,
      tasks: (options.tasks ?? 4) * (alone ? processes : 1),
    }
    const leaseMs = facts.leaseMs === null ? 0 : Math.max(unitMs, facts.leaseMs)
    const slowMs = leaseMs + (kinds.length === 0 ? 0 : longestFaultMs(unitMs))
    const boundMs = BOUND_MS + BOUND_TIMES * slowMs
    const ordered = facts.supports.order === 'strict'
    const judgement = new Judgement({ ordered, prefer: facts.prefer, boundMs, quietMs: QUIET_MS + 2 * slowMs })
    const feed = new Feed(this.workers, judgement)
    this.feed = feed
    const began = performance.now()
    const faults = await this.torture(feed, plan)
    await this.conclude(feed, boundMs, leaseMs)
    const ran = {
      grants: judgement.counts.granted,
      faults,
      seconds: Math.round(performance.now() - began) / 1_000,
      interrupted: options.signal?.aborted ?? false,
      promises: promisesOf({ judgement, ordered, boundMs, looked: this.looked }),
    }
    const { lateRefused, lateAccepted, ...requests } = judgement.counts
    return {
      version: 1,
      verdict: ran.promises.some(({ outcome }) => outcome === 'failed') ? 'failed' : 'ok',
      sentence: sentenceOf(ran),
      engine: facts.backend,
      place: place.inWords,
      prefer: facts.prefer,
      seed,
      plan: digestOf(plan),
      ...{ processes: plan.processes, tasks: plan.tasks, trees, leaseMs: facts.leaseMs },
      ...ran,
      requests,
      lateWrites: { refused: lateRefused, accepted: lateAccepted },
      longestWaitMs: Math.round(judgement.longestWaitMs * 1_000) / 1_000,
      timeline: this.draw(judgement),
    }
  }

  /** Gives everything back, whatever has happened. */
  async end(): Promise<void> {
    this.over.abort()
    if (this.progressing !== null) clearInterval(this.progressing)
    this.feed?.stop()
    await Promise.allSettled(this.workers.map((worker) => worker.kill()))
    await this.place.close()
    this.record.close()
  }

  /** Starts the workers. Where the locks are those of one thread, there is one of them, with the requests of all. */
  private async open(root: string): Promise<WorkerFacts> {
    const keys = keysBelow(root, this.trees)
    const hire = async (worker: number): Promise<WorkerProcess> => {
      const opening = await this.place.openingFor(worker)
      const orders: Omit<WorkerOrders, 'life'> = { opening, root, seed: this.seed, worker, workers: this.processes, trees: this.trees }
      const hired = new WorkerProcess(orders, keys, this.record.ring(worker), this.record.fd, {
        trouble: (who, why, inWords) => this.troubled(who, why, inWords),
        died: (who, inWords, at) => {
          this.feed?.note({ word: 'gone', who, at })
          this.violated(`${who} ${inWords}`)
        },
      })
      this.workers.push(hired)
      return hired
    }
    const first = await hire(0)
    const facts = await first.open(false)
    if (facts.supports.scope === 'thread') return facts
    const others: WorkerProcess[] = []
    for (let worker = 1; worker < this.processes; worker++) others.push(await hire(worker))
    await Promise.all(others.map((worker) => worker.open(false)))
    return facts
  }

  /** Requests and faults, for the time that is given, or until something is wrong. Answers how many faults there were. */
  private async torture(feed: Feed, plan: PlanSettings): Promise<Readonly<Record<FaultKind, number>>> {
    const { workers, options, seconds } = this
    const enough = new AbortController()
    const stop = (): void => enough.abort()
    feed.onViolation = () => void setTimeout(stop, AFTERMATH_MS)
    options.signal?.addEventListener('abort', stop)
    if (options.signal?.aborted) stop()
    const strikes = new Strikes(
      workers,
      this.place,
      plan,
      (one) => feed.note(one),
      (error) => this.violated(`somebody who was struck did not come back: ${error instanceof Error ? error.message : String(error)}`),
    )
    const began = performance.now()
    const share = (): number => Math.min(1, (performance.now() - began) / (1_000 * seconds))
    const { grants: wanted = Number.POSITIVE_INFINITY } = options
    this.progressing = setInterval(() => {
      const { granted } = feed.judgement.counts
      if (granted >= wanted) stop()
      this.progress(enough.signal.aborted ? 'ending' : 'running', Math.max(share(), Math.min(1, granted / wanted)), strikes)
    }, PROGRESS_EVERY_MS)
    feed.begin()
    for (const worker of workers) worker.go(plan)
    strikes.begin(planFaults(plan))
    await sleep(1_000 * seconds, undefined, { signal: enough.signal }).catch(() => {})
    stop()
    options.signal?.removeEventListener('abort', stop)
    await strikes.end()
    return strikes.counts
  }

  /** Everybody comes to an end, and goes; the last one looks around. */
  private async conclude(feed: Feed, boundMs: number, leaseMs: number): Promise<void> {
    const { workers } = this
    feed.ending = true
    for (const worker of workers) worker.stop()
    const end = performance.now() + boundMs
    while (workers.some(({ active }) => active) && performance.now() < end && !feed.hopeless) await sleep(10)
    for (const worker of workers) {
      if (worker.dead) continue
      if (worker.done === null) this.violated(`${worker.who} did not come to an end`, feed.hopeless)
      else if (worker.done.held + worker.done.waiting > 0)
        this.left(`the lock space of ${worker.who} still counts ${worker.done.held} held and ${worker.done.waiting} waiting`)
    }
    // A lock space that still counts something would wait for that with closing.
    const isWell = ({ done }: WorkerProcess): boolean => done !== null && done.held + done.waiting === 0
    const well = workers.filter(isWell)
    await Promise.all(workers.filter((worker) => !isWell(worker)).map((worker) => worker.kill()))
    const [last, ...others] = well
    await Promise.all(others.map((worker) => this.close(worker, leaseMs)))
    if (last !== undefined) {
      await this.lookAround(last, LEFT_MS + 3 * leaseMs)
      await this.close(last, leaseMs)
      await this.expectNothing(0, LEFT_MS)
    }
    feed.finish()
  }

  private async close(worker: WorkerProcess, leaseMs: number): Promise<void> {
    const complaint = await worker.close(CLOSE_MS + leaseMs)
    if (complaint !== null) this.violated(`${worker.who}: ${complaint}`)
  }

  private async lookAround(last: WorkerProcess, withinMs: number): Promise<void> {
    try {
      for (const one of await last.look(withinMs)) this.left(one)
      this.looked = true
      const end = performance.now() + withinMs
      // What the dead have left is cleared up by whoever comes next.
      while (performance.now() < end && (await this.place.left(1)).length > 0) await last.look(withinMs)
    } catch (error) {
      this.violated(`nobody could look around in the end: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** At the server itself, or in the directory, when everybody has gone. */
  private async expectNothing(users: 0 | 1, withinMs: number): Promise<void> {
    const end = performance.now() + withinMs
    let left = await this.place.left(users)
    while (left.length > 0 && performance.now() < end) {
      await sleep(50)
      left = await this.place.left(users)
    }
    for (const one of left) this.left(`${one} is still there when everybody has gone`)
  }

  private draw(judgement: Judgement): string | null {
    const [first] = judgement.violations
    if (first === undefined) return null
    const file = resolve(this.options.timeline ?? `holdfast-torture-${this.seed}.svg`)
    writeFileSync(file, drawTimeline(judgement.remembered, first, this.seed))
    return file
  }

  private troubled(who: string, why: string, inWords: string): void {
    const { faults = this.place.faults } = this.options
    // Servers that are struck are out of reach for a while.
    if (why === 'unavailable' && faults.some((kind) => kind === 'cut' || kind === 'restart' || kind === 'freeze')) return
    this.violated(`a request of ${who} failed: ${inWords}`)
  }

  private violated(inWords: string, known = false): void {
    if (!known && !this.over.signal.aborted) this.feed?.violated({ kind: 'worker', inWords, at: bootNow() })
  }

  private left(inWords: string): void {
    this.feed?.violated({ kind: 'left', inWords, at: bootNow() })
  }

  private progress(phase: Progress['phase'], share: number, strikes: Strikes | null): void {
    const { seed, place, feed } = this
    const faults = strikes === null ? 0 : Object.values(strikes.counts).reduce((sum, count) => sum + count, 0)
    const grants = feed?.judgement.counts.granted ?? 0
    const violations = feed?.judgement.violations.length ?? 0
    this.options.onProgress?.({ seed, place: place.inWords, phase, share, grants, faults, violations })
  }
}

function checkFaults(wanted: readonly FaultKind[], possible: readonly FaultKind[], where: string): void {
  const cannot = wanted.filter((kind) => !possible.includes(kind))
  if (cannot.length === 0) return
  const can = possible.length === 0 ? 'no faults can be' : `${possible.join(', ')} can be`
  throw new LockError('LOCK_INVALID', `${cannot.join(', ')} cannot be injected into ${where}: ${can}.`)
}
