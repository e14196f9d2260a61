// SPDX-License-Identifier: MIT
// bench/results.json: what was measured, when, where, and beside how much other work.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { machine, type Notes, rounded, type Target } from './harness.ts'

/** Where it was measured. */
interface Place {
  readonly machine: string
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly kernel: string
}

export interface Results extends Place {
  /** When the last suite of them was measured. */
  readonly date: string
  readonly suites: Readonly<Record<string, SuiteResult>>
}

/** The machine just before a suite. */
export interface Surroundings {
  readonly date: string
  /** The load average of the minute before: suites that ran then are part of it. */
  readonly load: number
  /** Processor time that others used during one second in which we did nothing: per cent of all cores. */
  readonly others_busy_percent: number
}

export interface SuiteResult extends Surroundings {
  readonly seconds: number
  readonly figures: Readonly<Record<string, number>>
  readonly targets: Readonly<Record<string, Target>>
  readonly notes: Notes
}

const WATCHED_MS = 1_000
const LINE_WIDTH = 140

export function place(): Place {
  return {
    machine: machine(),
    cpu: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    node: process.version,
    kernel: `${process.platform} ${release()}`,
  }
}

/** Takes a second. */
export async function surroundings(): Promise<Surroundings> {
  const before = processorTime()
  await pause(WATCHED_MS)
  const after = processorTime()
  const busy = (100 * (after.busy - before.busy)) / Math.max(1, after.all - before.all)
  return { date: new Date().toISOString(), load: rounded(loadavg()[0]!), others_busy_percent: rounded(busy) }
}

/** What is new takes the place of what was known of the same suites; what was measured elsewhere is dropped. */
export function merged(known: Results | null, here: Place, suites: Results['suites']): Results {
  const same = known !== null && (['machine', 'node'] as const).every((key) => known[key] === here[key])
  const all = { ...(same ? known.suites : {}), ...suites }
  const dates = Object.values(all).map(({ date }) => date)
  return { ...here, date: dates.sort().at(-1) ?? '', suites: all }
}

/** Null where nothing was ever measured. */
export function readResults(file: string | URL): Results | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

export function writeResults(file: string | URL, results: Results): void {
  writeFileSync(file, `${indented(results, '')}\n`)
}

/** JSON as this project's formatter has it: lists on one line where they fit. */
function indented(value: unknown, indent: string, before = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const deeper = `${indent}  `
  if (Array.isArray(value)) {
    const line = `[${value.map((one) => indented(one, deeper)).join(', ')}]`
    if (!line.includes('\n') && indent.length + before + line.length < LINE_WIDTH) return line
    return `[\n${value.map((one) => deeper + indented(one, deeper)).join(',\n')}\n${indent}]`
  }
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  if (entries.length === 0) return '{}'
  const lines = entries.map(([key, one]) => {
    const name = `${JSON.stringify(key)}: `
    return deeper + name + indented(one, deeper, name.length)
  })
  return `{\n${lines.join(',\n')}\n${indent}}`
}

function processorTime(): { busy: number; all: number } {
  let busy = 0
  let all = 0
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq
    busy += used
    all += used + times.idle
  }
  return { busy, all }
}
