// SPDX-License-Identifier: MIT
// Examines whether locks hold here, and prints what came out: a line as soon as it is known, the verdict at the end.
import { isatty } from 'node:tty'
import type { Check, Outcome, Report } from '../evidence/report.ts'
import { verify as examine } from '../evidence/verify.ts'
import { EXIT } from './exit-codes.ts'
import { printable, takeOverWarnings, wantsColours } from './output.ts'
import { Signals } from './signals.ts'

export interface VerifyOptions {
  readonly on?: string
  readonly json?: boolean
}

/** @returns the exit code. */
export async function verify({ on, json = false }: VerifyOptions): Promise<number> {
  const signals = new Signals(isatty(0))
  const { stdout } = process
  const colours = wantsColours(stdout)
  // What the engines warn of is in the report, with what to do about it.
  takeOverWarnings(({ code }) => code?.startsWith('HOLDFAST_') === true)
  let report: Report
  try {
    const onCheck = json ? undefined : (check: Check) => void (check.outcome !== 'not tried' && stdout.write(line(check, colours)))
    report = await examine({ url: on, signal: signals.interrupted, onCheck })
  } catch (error) {
    if (signals.first !== null) return await signals.endedBy(signals.first)
    throw error
  }
  stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : conclusion(report, colours))
  return report.verdict === 'failed' ? EXIT.failed : 0
}

const WORDS: Readonly<Record<Outcome, string>> = { ok: 'ok', warning: 'warning', failed: 'FAILED', 'not tried': 'not tried' }
const COLOURS: Readonly<Record<Outcome, number>> = { ok: 32, warning: 33, failed: 31, 'not tried': 2 }
const OUTCOME_WIDTH = 9
const TITLE_WIDTH = 28

function line({ title, outcome, found, advice }: Check, colours: boolean): string {
  const first = `${painted(outcome, colours)}  ${title.padEnd(TITLE_WIDTH)}  ${printable(found)}\n`
  return advice === null ? first : `${first}${' '.repeat(OUTCOME_WIDTH + 2)}→ ${printable(advice)}\n`
}

function painted(outcome: Outcome, colours: boolean): string {
  const word = WORDS[outcome].padEnd(OUTCOME_WIDTH)
  return colours ? `\u001b[${COLOURS[outcome]}m${word}\u001b[0m` : word
}

function conclusion({ checks, sentence, seconds, notProved }: Report, colours: boolean): string {
  const why = new Map<string, string[]>()
  for (const { outcome, title, found } of checks) if (outcome === 'not tried') why.set(found, [...(why.get(found) ?? []), title])
  const skipped = Array.from(why, ([reason, titles]) => `${painted('not tried', colours)}  ${titles.join(', ')}: ${printable(reason)}\n`)
  return `${skipped.join('')}\n${sentence} (${seconds.toFixed(1)} s)\nNot proved: ${notProved.join('; ')}.\n`
}
