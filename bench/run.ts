// SPDX-License-Identifier: MIT
// npm run bench [-- SUITE…] [--save] [--json] [--smoke] | --report
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Outcome, rounded } from './harness.ts'
import { report } from './report.ts'
import { RESULTS, writeReport } from './report-files.ts'
import { merged, place, readResults, type SuiteResult, surroundings, writeResults } from './results.ts'
import { SUITES } from './suites.ts'
import { table } from './terminal.ts'

const USAGE = `npm run bench [-- SUITE…] [--save] [--json] [--smoke]
npm run bench -- --report

  SUITE     ${Object.keys(SUITES).join(', ')}. Default: all of them, one after the other, and --save.
  --save    Puts the results into bench/results.json, and makes docs/benchmarks.md and its plots anew.
  --json    One line of JSON a suite on standard output: { suite, figures, notes }. Nothing is saved without --save.
  --smoke   Runs everything once or twice, to see that it runs. The figures mean nothing, and are never saved.
  --report  Measures nothing: makes the page and its plots anew from bench/results.json.
`
const BAD_USAGE = 64
/** On a machine without other work no suite takes a quarter as long. */
const PATIENCE_MS = 480_000
const MOST_OUTPUT_BYTES = 2 ** 24

process.exitCode = await main()

async function main(): Promise<number> {
  let given: ReturnType<typeof parse>
  try {
    given = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    return BAD_USAGE
  }
  const { values, positionals } = given
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (values.report) return remake()
  const named = positionals.length > 0
  const save = !values.smoke && (values.save || !(named || values.json))
  if (named && positionals.length === 1 && !save) return alone(positionals[0]!, values)
  return inProcesses(named ? positionals : Object.keys(SUITES), { ...values, save })
}

/** Measures it in this process. */
async function alone(name: string, { smoke, json }: { readonly smoke: boolean; readonly json: boolean }): Promise<number> {
  const { load, page } = SUITES[name]!
  const suite = await load()
  const outcome = withoutNoise(await within(PATIENCE_MS, suite.run(smoke)))
  process.stdout.write(json ? `${JSON.stringify({ suite: suite.name, ...outcome })}\n` : table(name, suite.targets, outcome, page))
  return 0
}

/** Each suite has a process of its own: what one suite taught the compiler must not slow the next. One that fails does not keep the others from being measured. */
async function inProcesses(
  names: readonly string[],
  { smoke, json, save }: { readonly smoke: boolean; readonly json: boolean; readonly save: boolean },
): Promise<number> {
  const measured: Record<string, SuiteResult> = {}
  const failed: string[] = []
  for (const name of names) {
    const { load, page } = SUITES[name]!
    const around = smoke ? null : await surroundings()
    const from = performance.now()
    const words = [fileURLToPath(import.meta.url), name, '--json', ...(smoke ? ['--smoke'] : [])]
    const stdio = ['inherit', 'pipe', 'inherit'] as const
    const { status, stdout } = spawnSync(process.execPath, words, { encoding: 'utf8', stdio: [...stdio], maxBuffer: MOST_OUTPUT_BYTES })
    if (status !== 0) {
      failed.push(name)
      // Whoever interrupts it means all of it: this lets the signal in.
      await new Promise(setImmediate)
      continue
    }
    const { figures, notes } = JSON.parse(stdout) as Outcome
    const { targets } = await load()
    if (around !== null) measured[name] = { ...around, seconds: rounded((performance.now() - from) / 1e3), figures, targets, notes }
    process.stdout.write(json ? stdout : table(name, targets, { figures, notes }, page))
  }
  if (save) keep(measured)
  if (failed.length > 0) process.stderr.write(`These suites failed: ${failed.join(', ')}.\n`)
  return failed.length > 0 ? 1 : 0
}

function keep(measured: Readonly<Record<string, SuiteResult>>): void {
  const results = merged(readResults(RESULTS), place(), measured)
  writeResults(RESULTS, results)
  writeReport(report(results))
}

/** Targets are no measurements: those of today are written beside the figures. */
async function remake(): Promise<number> {
  const known = readResults(RESULTS)
  if (known === null) {
    process.stderr.write('There is no bench/results.json: nothing was measured yet.\n')
    return 1
  }
  const suites: Record<string, SuiteResult> = {}
  for (const [name, suite] of Object.entries(known.suites)) {
    const listed = SUITES[name]
    if (listed !== undefined) suites[name] = { ...suite, targets: (await listed.load()).targets }
  }
  const results = { ...known, suites }
  writeResults(RESULTS, results)
  writeReport(report(results))
  return 0
}

async function within<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The suite did not end within ${ms / 1e3} s.`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function parse() {
  const options = {
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const
  const given = parseArgs({ options, allowPositionals: true })
  const unknown = given.positionals.find((name) => !Object.hasOwn(SUITES, name))
  if (unknown !== undefined) throw new Error(`No suite is named ${JSON.stringify(unknown)}.`)
  if (given.values.save && given.values.smoke) throw new Error('What --smoke measures means nothing, and is not saved.')
  return given
}

function withoutNoise({ figures, notes }: Outcome): Outcome {
  return { figures: Object.fromEntries(Object.entries(figures).map(([id, value]) => [id, rounded(value)])), notes }
}
