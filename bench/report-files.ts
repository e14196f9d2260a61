// SPDX-License-Identifier: MIT
// Where the report lies: the page, its plots, and the results that it is made from.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

const above = fileURLToPath(new URL('../', import.meta.url))
/** This file may run as it was built, one folder further down. */
const home = existsSync(join(above, 'package.json')) ? above : join(above, '..')

export const RESULTS: string = join(home, 'bench/results.json')
export const PAGE: string = join(home, 'docs/benchmarks.md')
export const PLOTS: string = join(home, 'docs/plots')

/** Plots that are no longer part of it go. */
export function writeReport({ page, plots }: Report): void {
  writeFileSync(PAGE, page)
  rmSync(PLOTS, { recursive: true, force: true })
  mkdirSync(PLOTS)
  for (const [file, svg] of Object.entries(plots)) writeFileSync(join(PLOTS, file), svg)
}
