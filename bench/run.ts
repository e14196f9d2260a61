// SPDX-License-Identifier: MIT
// npm run bench [-- SUITE…] [--json] [--smoke]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Notes, type Outcome, rounded, type Suite, type Target } from './harness.ts'

const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  memory: async () => (await import('./memory.ts')).memory,
  file: async () => (await import('./file.ts')).file,
  redis: async () => (await import('./redis.ts')).redis,
  zookeeper: async () => (await import('./zookeeper.ts')).zookeeper,
  hdf5: async () => (await import('./hdf5.ts')).hdf5,
}

const USAGE = `npm run bench [-- SUITE…] [--json] [--smoke]

  SUITE     ${Object.keys(SUITES).join(', ')}. Default: all of them, one after the other.
  --json    One line of JSON a suite on standard output: { suite, figures, notes }.
  --smoke   Runs everything once or twice, to see that it runs. The figures mean nothing.
`
const BAD_USAGE = 64
/** No suite takes half as long. */
const PATIENCE_MS = 240_000

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
  if (positionals.length !== 1) return inProcesses(positionals.length === 0 ? Object.keys(SUITES) : positionals)
  const suite = await SUITES[positionals[0]!]!()
  const outcome = withoutNoise(await within(PATIENCE_MS, suite.run(values.smoke)))
  process.stdout.write(values.json ? `${JSON.stringify({ suite: suite.name, ...outcome })}\n` : table(suite, outcome))
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
    json: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const
  const given = parseArgs({ options, allowPositionals: true })
  const unknown = given.positionals.find((name) => !Object.hasOwn(SUITES, name))
  if (unknown !== undefined) throw new Error(`No suite is named ${JSON.stringify(unknown)}.`)
  return given
}

/** Each suite has a process of its own: what one suite taught the compiler must not slow the next. */
function inProcesses(names: readonly string[]): number {
  const flags = process.argv.slice(2).filter((word) => word.startsWith('-'))
  for (const name of names) {
    const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name, ...flags], { stdio: 'inherit' })
    if (status !== 0) return status ?? 1
  }
  return 0
}

function withoutNoise({ figures, notes }: Outcome): Outcome {
  return { figures: Object.fromEntries(Object.entries(figures).map(([id, value]) => [id, rounded(value)])), notes }
}

function table({ name, targets }: Suite, { figures, notes }: Outcome): string {
  const ids = [...Object.keys(targets), ...Object.keys(figures).filter((id) => !Object.hasOwn(targets, id))]
  const rows = ids.map((id) => {
    const value = figures[id]
    const target = targets[id]
    const verdict = target === undefined || value === undefined ? '' : meets(value, target) ? 'yes' : 'NO'
    return [id, value === undefined ? '-' : String(value), target === undefined ? '' : describe(target), verdict]
  })
  const { peers, median_ns, spread, remarks, machine, node, ...more } = notes
  const medians = Object.entries(median_ns).map(([id, value]) => [id, String(value), `± ${Math.round(50 * (spread[id] ?? 0))} %`])
  return [
    `${name}: ${machine}, Node ${node}`,
    aligned([['figure', 'measured', 'target', 'met'], ...rows]),
    aligned([['median', 'ns', 'spread'], ...medians]),
    `Peers: ${Object.entries(peers).flat().join(' ')}`,
    ...others(more),
    ...remarks.map((remark) => `- ${remark}`),
    '',
  ].join('\n\n')
}

function others(more: Partial<Notes>): string[] {
  return Object.entries(more).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
}

function meets(value: number, { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Target): boolean {
  return value >= atLeast && value <= atMost
}

function describe({ atLeast, atMost }: Target): string {
  return atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '))
    .join('\n')
}
