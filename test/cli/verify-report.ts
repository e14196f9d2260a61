// SPDX-License-Identifier: MIT
// Reads what `holdfast verify --json` printed.
import { expect } from 'vitest'
import type { Report } from '../../src/evidence/report.ts'
import type { Result } from './program.ts'

/** What it ends with when a check failed. */
export const FAILED = 78

export function reportOf({ stdout, stderr }: Result): Report {
  expect(stderr).toBe('')
  return JSON.parse(stdout) as Report
}

/** Which checks came out so, and what they found. */
export function those(report: Report, outcome: string): Record<string, string> {
  return Object.fromEntries(report.checks.filter((one) => one.outcome === outcome).map(({ check, found }) => [check, found]))
}

/** Warnings, but for those about time: other work on the machine makes everything slow. */
export function warned(report: Report): Record<string, string> {
  const timed = ['hand-off', 'latency', 'writes', 'kill', 'load', 'clock']
  return Object.fromEntries(Object.entries(those(report, 'warning')).filter(([check]) => !timed.includes(check)))
}

export function figures(report: Report, name: string): Readonly<Record<string, number>> {
  return report.checks.find(({ check }) => check === name)!.figures
}
