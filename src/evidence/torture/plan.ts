// SPDX-License-Identifier: MIT
// The plan of a run: which faults come when, and whom they strike. It follows from the seed, the settings and nothing else.
import { createHash } from 'node:crypto'
import { Dice } from './dice.ts'
import type { FaultKind } from './fault-kinds.ts'
import { Requests } from './requests.ts'

/** What a fault of that kind looks like; the first ones are the most frequent. */
const MANNERS = {
  kill: ['killed'],
  pause: ['stands still'],
  cut: ['cut off', 'cannot connect', 'hears nothing'],
  restart: ['is started anew', 'is killed and started anew'],
  freeze: ['stands still'],
} as const
export type FaultManner = (typeof MANNERS)[FaultKind][number]

const WEIGHTS: Readonly<Record<FaultKind, number>> = { kill: 3, pause: 4, cut: 6, restart: 1, freeze: 1 }

export interface PlannedFault {
  /** Milliseconds after the beginning. */
  readonly atMs: number
  readonly kind: FaultKind
  readonly manner: FaultManner
  /** Number of a worker; null where it is the server. */
  readonly victim: number | null
  /** How long it lasts, where it lasts. */
  readonly forMs: number
}

export interface PlanSettings {
  readonly seed: number
  readonly seconds: number
  readonly processes: number
  /** Requests that a process makes at once. */
  readonly tasks: number
  readonly kinds: readonly FaultKind[]
  /** Copies of the tree. Default 1. */
  readonly trees?: number
  /** What a lease lasts, or is taken to last. */
  readonly unitMs: number
}

/** From one fault to the next, on an average; where leases last long, it takes long to recover. */
const MEAN_GAP_MS = 700
const MEAN_GAP_UNITS = 0.75

/** The longest that one of them lasts. */
export function longestFaultMs(unitMs: number): number {
  return 2 * unitMs
}

/** In the order of their times. The last one is over before the run is. */
export function planFaults({ seed, seconds, processes, kinds, unitMs }: PlanSettings): PlannedFault[] {
  const dice = new Dice(seed, 'faults')
  const lot = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind))
  const faults: PlannedFault[] = []
  if (lot.length === 0) return faults
  const meanGapMs = Math.max(MEAN_GAP_MS, MEAN_GAP_UNITS * unitMs)
  for (let atMs = 2 * meanGapMs * dice.next(); ; atMs += 2 * meanGapMs * dice.next()) {
    const kind = dice.one(lot)
    const manners = MANNERS[kind]
    const manner = manners[Math.min(dice.below(manners.length), dice.below(manners.length))]!
    const victim = dice.below(processes)
    // Shorter than a lease by much, or longer.
    const share = dice.next()
    const forMs = dice.next() < 0.5 ? (0.05 + 0.5 * share) * unitMs : (1 + share) * unitMs
    if (atMs + forMs > 1_000 * seconds) return faults
    faults.push({ atMs: Math.round(atMs), kind, manner, victim: ofServer(kind) ? null : victim, forMs: Math.round(forMs) })
  }
}

export function ofServer(kind: FaultKind): boolean {
  return kind === 'restart' || kind === 'freeze'
}

const STEPS_IN_DIGEST = 100

/** The same for the same plan, another one for another: of the faults, and of the first requests of every task. */
export function digestOf(settings: PlanSettings): string {
  const hash = createHash('sha256').update(JSON.stringify(planFaults(settings)))
  for (let worker = 0; worker < settings.processes; worker++) {
    for (let task = 0; task < settings.tasks; task++) {
      const requests = new Requests(settings.seed, worker, 0, task, settings.unitMs, settings.trees)
      hash.update(JSON.stringify(Array.from({ length: STEPS_IN_DIGEST }, () => requests.next())))
    }
  }
  return hash.digest('hex').slice(0, 12)
}
