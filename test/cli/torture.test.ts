// SPDX-License-Identifier: MIT
// `holdfast torture` on every engine, on servers of its own and of others, and what is left when it ends.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nodeOf } from '../../src/evidence/hands.ts'
import type { TortureReport } from '../../src/evidence/torture/report.ts'
import { connect } from '../../src/index.ts'
import { startRedis } from '../redis/server.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { freshSeed } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { holdfast, isRunning, type Program, place, type Result, start } from './program.ts'

const SECONDS = scaled(20, 3)
const FAILED = 78

function reportOf({ stdout }: Result): TortureReport {
  return JSON.parse(stdout) as TortureReport
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

/** Resolves when there are so many. */
async function childrenIn({ child }: Program, count: number): Promise<readonly number[]> {
  for (;;) {
    const children = childrenOf(child.pid!)
    if (children.length >= count) return children
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('Whatever happens to processes, connections and servers, every promise is kept', () => {
  test.each<[string, readonly string[]]>([
    ['on kernel files', []],
    ['on Redis', ['--on', 'redis:']],
    ['on ZooKeeper', ['--on', 'zookeeper:']],
  ])(
    '%s',
    async (_, words) => {
      const seed = String(freshSeed())
      const cwd = temporaryFolder()
      const result = await holdfast(['torture', ...words, '--seconds', String(SECONDS), '--seed', seed, '--json'], { cwd })
      const report = reportOf(result)
      const { grants, faults, requests, lateWrites, promises, processes, tasks, sentence } = report
      console.log(`${sentence} seed ${seed}`, faults, requests, lateWrites)
      expect(promises.filter(({ outcome }) => outcome === 'failed')).toEqual([])
      expect(result).toMatchObject({ code: 0, stderr: '' })
      expect(report).toMatchObject({ version: 1, verdict: 'ok', seed: Number(seed), interrupted: false, timeline: null })
      expect({ processes, tasks }).toEqual({ processes: 4, tasks: 4 })
      expect(grants).toBeGreaterThan(SECONDS)
      expect(Object.values(faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(SECONDS / 5)
      expect(readdirSync(cwd)).toEqual([])
    },
    2_000 * SECONDS + 120_000,
  )
})

test('In memory it tortures one process, and the same seed has the same plan', async () => {
  const run = async (seed: string): Promise<TortureReport> =>
    reportOf(await holdfast(['torture', '--on', 'memory:', '--seconds', '0.5', '--seed', seed, '--json']))
  const [one, again, another] = [await run('1'), await run('1'), await run('2')]
  expect(one).toMatchObject({ verdict: 'ok', engine: 'memory', processes: 1, tasks: 16, leaseMs: null })
  expect(one.promises.map(({ promise, outcome }) => [promise, outcome])).toEqual(
    ['exclusion', 'tokens', 'order', 'waiting', 'left', 'fence', 'workers'].map((promise) => [promise, 'ok']),
  )
  expect(again.plan).toBe(one.plan)
  expect(another.plan).not.toBe(one.plan)
})

test('It spreads its requests over several trees', async () => {
  const words = ['--processes', '2', '--tasks', '8', '--trees', '16', '--seconds', String(scaled(5, 1)), '--json']
  const report = reportOf(await holdfast(['torture', ...words], { cwd: temporaryFolder() }))
  expect(report.promises.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect(report).toMatchObject({ verdict: 'ok', trees: 16, processes: 2, tasks: 8 })
})

test('It ends when there were as many grants as are wanted', async () => {
  const report = reportOf(await holdfast(['torture', '--on', 'memory:', '--seconds', '60', '--grants', '3000', '--json']))
  expect(report).toMatchObject({ verdict: 'ok', interrupted: false })
  expect(report.grants).toBeGreaterThanOrEqual(3_000)
  expect(report.seconds).toBeLessThan(30)
})

test('A server that others use is tortured in a tree beside all paths, and its connections are cut', async () => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  const url = `redis://127.0.0.1:${server.port}?space=lab&lease=1s`
  const others = await connect(url)
  onTestFinished(() => others.close({ timeout: 0 }))
  const lease = await others.write('/')
  const words = ['torture', '--on', url, '--seconds', '4', '--processes', '2', '--faults', 'cut,kill']
  const result = await holdfast(words)
  expect(result.stdout).toMatch(/^ok +exclusion +[\d,]+ grants/m)
  expect(result.stdout).toMatch(/^No promise was broken/m)
  expect(result.stdout).toMatch(/^Faults: +.*cut/m)
  expect(result.stderr).toMatch(/^holdfast: torture of the server at 127\.0\.0\.1, --seed \d+$/m)
  expect(result.code).toBe(0)
  expect(lease.valid).toBe(true)
  expect((await others.inspect()).holders).toHaveLength(1)
})

test('Somebody who is in the way of all others is found out: exit code 78, and a drawing', async () => {
  const { url, locks } = place()
  const others = await locks()
  onTestFinished(() => others.close({ timeout: 0 }))
  await others.write(nodeOf('holdfast-torture:1/d'))
  const timeline = join(temporaryFolder(), 'drawn.svg')
  const words = ['torture', '--on', url, '--faults', 'none', '--seconds', '1', '--processes', '2', '--timeline', timeline]
  const result = await holdfast(words)
  expect(result.code).toBe(FAILED)
  expect(result.stdout).toMatch(/^FAILED +nobody waits for ever +.*waits, and nobody is let in any more$/m)
  expect(result.stdout).toMatch(/^Broken: nobody waits for ever/m)
  expect(result.stdout).toContain(`Time line: ${timeline}\n`)
  expect(readFileSync(timeline, 'utf8')).toMatch(/^<svg [\s\S]*somebody waits for ever[\s\S]*<\/svg>\n$/)
})

test.each([
  ['files', []],
  ['redis', ['--on', 'redis:']],
])('SIGINT ends it early, with a summary, and everything of it is gone (%s)', async (_, words) => {
  const folder = temporaryFolder()
  const program = start(['torture', '--seconds', '60', '--seed', '3', ...words], { env: { TMPDIR: folder } })
  await program.says(/--seed 3/, 'stderr')
  const children = await childrenIn(program, 4)
  program.child.kill('SIGINT')
  const { code, stdout } = await program.ended
  expect(stdout).toMatch(/^No promise was broken \(.*, interrupted\)\.$/m)
  expect(code).toBe(130)
  expect(children.filter(isRunning)).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('A process of its own that somebody else kills is reported, and once', async () => {
  const { url, locks } = place()
  const others = await locks()
  onTestFinished(() => others.close({ timeout: 0 }))
  const words = ['torture', '--on', url, '--seconds', '60', '--faults', 'none', '--processes', '2', '--json']
  const program = start(words, { cwd: temporaryFolder() })
  const workers = await childrenIn(program, 2)
  // All begin when one does.
  const begun = async (): Promise<boolean> =>
    (await others.inspect()).holders.some(({ read, write }) => [...read, ...write].some((key) => key.startsWith('holdfast-torture:1/')))
  while (!(await begun())) await new Promise((resolve) => setTimeout(resolve, 5))
  process.kill(workers[0]!, 'SIGKILL')
  const result = await program.ended
  const failed = reportOf(result).promises.filter(({ outcome }) => outcome === 'failed')
  expect(failed).toMatchObject([{ promise: 'workers', violations: 1, found: expect.stringMatching(/^p\d ended by itself \(SIGKILL\)/) }])
  expect(result.code).toBe(FAILED)
})

test('What SIGKILL leaves of it is cleared away by the next one, and nothing of one that lives', async () => {
  const env = { TMPDIR: temporaryFolder() }
  const another = async (): Promise<void> => {
    const words = ['torture', '--processes', '1', '--seconds', '0.1', '--faults', 'none']
    expect(await holdfast(words, { env })).toMatchObject({ code: 0 })
  }
  const program = start(['torture', '--seconds', '60', '--processes', '2'], { env })
  await childrenIn(program, 2)
  const folders = readdirSync(env.TMPDIR)
  expect(folders).toHaveLength(1)
  await another()
  expect(readdirSync(env.TMPDIR)).toEqual(folders)
  program.child.kill('SIGKILL')
  await program.ended
  expect(readdirSync(env.TMPDIR)).toEqual(folders)
  await another()
  expect(readdirSync(env.TMPDIR)).toEqual([])
})

test.each<[string, readonly string[], RegExp]>([
  [
    'a fault that nobody knows',
    ['--faults', 'kill,flood'],
    /Faults are kill, pause, cut, restart, freeze, with commas between them, or none; not "flood"/,
  ],
  [
    'a fault that files cannot have',
    ['--faults', 'cut'],
    /cut cannot be injected into kernel files in a directory of its own: kill, pause can be/,
  ],
  ['faults in memory', ['--on', 'memory:', '--faults', 'kill'], /no faults can be/],
  [
    'a server of others that is to be restarted',
    ['--on', 'redis://localhost:1', '--faults', 'restart'],
    /restart cannot be injected into the server/,
  ],
  ['a wrong parameter', ['--on', 'zookeeper:?laese=3s'], /laese/],
  ['a wrong engine', ['--on', 'ftp://x'], /engine/],
  ['too many trees', ['--trees', '1001'], /whole number from 1 to 1000/],
  ['no process', ['--processes', '0'], /whole number from 1 to 64/],
  ['a seed that is none', ['--seed', '-1'], /whole number from 0/],
])('%s is wrong usage', async (_, words, message) => {
  expect(await holdfast(['torture', '--seconds', '1', ...words])).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringMatching(message),
  })
})

test('A server that is not installed is unavailable', async () => {
  const result = await holdfast(['torture', '--on', 'redis:'], { env: { PATH: temporaryFolder() } })
  expect(result).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(/no redis-server on this machine.*apt install/) })
})
