// SPDX-License-Identifier: MIT
// Tortures an engine, and prints what came out of it: how far it is while it runs, promise by promise at the end.
import { isatty } from 'node:tty'
import type { FaultKind } from '../evidence/torture/fault-kinds.ts'
import type { PromiseResult, TortureReport } from '../evidence/torture/report.ts'
import { torture as carryOut, type Progress } from '../evidence/torture/run.ts'
import { EXIT } from './exit-codes.ts'
import { printable, takeOverWarnings, wantsColours } from './output.ts'
import { Signals } from './signals.ts'

export interface TortureCommandOptions {
  readonly on?: string
  readonly processes: number
  readonly tasks: number
  readonly trees: number
  readonly seconds: number
  readonly grants?: number
  readonly faults?: readonly FaultKind[]
  readonly seed?: number
  readonly timeline?: string
  readonly json?: boolean
}

/** @returns the exit code. */
export async function torture({ on, json = false, ...options }: TortureCommandOptions): Promise<number> {
  const signals = new Signals(isatty(0))
  const { stdout, stderr } = process
  takeOverWarnings(({ code }) => code?.startsWith('HOLDFAST_') === true)
  const shown = new Shown(stderr, stderr.isTTY === true && process.env.TERM !== 'dumb')
  let report: TortureReport
  try {
    report = await carryOut({ ...options, url: on, signal: signals.interrupted, onProgress: json ? undefined : (one) => shown.show(one) })
  } catch (error) {
    if (signals.first !== null) return await signals.endedBy(signals.first)
    throw error
  } finally {
    shown.end()
  }
  stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : conclusion(report, wantsColours(stdout)))
  if (report.verdict === 'failed') return EXIT.failed
  return signals.first === null ? 0 : await signals.endedBy(signals.first)
}

const BAR = 30
/** Without a terminal, a line in so many seconds. */
const LINE_EVERY_MS = 10_000

/** How far it is: a bar at a terminal, else a line now and then. */
class Shown {
  private readonly stream: NodeJS.WriteStream
  private readonly terminal: boolean
  private nextLine = 0
  private begun = false

  constructor(stream: NodeJS.WriteStream, terminal: boolean) {
    this.stream = stream
    this.terminal = terminal
  }

  show({ seed, place, phase, share, grants, faults, violations }: Progress): void {
    if (!this.begun) {
      this.begun = true
      this.stream.write(`holdfast: torture of ${printable(place)}, --seed ${seed}\n`)
      this.nextLine = performance.now() + LINE_EVERY_MS
    }
    const figures = `${phase === 'ending' ? 'ending, ' : ''}${grants.toLocaleString('en')} grants, ${faults} faults, ${violations} violations`
    if (this.terminal) {
      const full = Math.round(BAR * share)
      this.stream.write(`\r\u001b[K[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${figures}`)
    } else if (performance.now() >= this.nextLine) {
      this.nextLine += LINE_EVERY_MS
      this.stream.write(`holdfast: ${Math.round(100 * share)} %, ${figures}\n`)
    }
  }

  end(): void {
    if (this.terminal && this.begun) this.stream.write('\r\u001b[K')
  }
}

const WORDS: Readonly<Record<PromiseResult['outcome'], readonly [string, number]>> = {
  ok: ['ok', 32],
  failed: ['FAILED', 31],
  'not tried': ['not tried', 2],
}
const OUTCOME_WIDTH = 9
const TITLE_WIDTH = 26

function conclusion(report: TortureReport, colours: boolean): string {
  const { promises, requests, faults, lateWrites, sentence, seed, plan, processes, tasks, trees, timeline, engine, longestWaitMs } = report
  const lines = promises.map(({ outcome, title, found }) => {
    const [word, colour] = WORDS[outcome]
    const painted = colours ? `\u001b[${colour}m${word.padEnd(OUTCOME_WIDTH)}\u001b[0m` : word.padEnd(OUTCOME_WIDTH)
    return `${painted}  ${title.padEnd(TITLE_WIDTH)}  ${printable(found)}\n`
  })
  const { refused } = requests
  const struck = Object.entries(faults).flatMap(([kind, count]) => (count > 0 ? [`${count} ${kind}`] : []))
  lines.push(
    '\n',
    `Requests: ${requests.asked} by ${processes} × ${tasks}${trees === 1 ? '' : ` in ${trees} trees`} on ${engine}; ${requests.granted} granted, ${refused.busy} busy, ` +
      `${refused['timed out']} timed out, ${refused.aborted} aborted, ${refused.unavailable} unavailable; ${requests.weakened} weakened, ${requests.lost} lost; longest wait ${Math.round(longestWaitMs)} ms\n`,
    `Faults:   ${struck.length === 0 ? 'none' : struck.join(', ')}; late writes: ${lateWrites.refused} refused, ${lateWrites.accepted} accepted as nobody had been there\n`,
    `Plan:     --seed ${seed} (${plan})\n`,
  )
  if (timeline !== null) lines.push(`Time line: ${timeline}\n`)
  return `${lines.join('')}\n${sentence}\n`
}
