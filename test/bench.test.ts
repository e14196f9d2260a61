// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { report } from '../bench/report.ts'
import { PAGE, PLOTS, RESULTS } from '../bench/report-files.ts'
import { merged, readResults, type SuiteResult } from '../bench/results.ts'
import { SUITES } from '../bench/suites.ts'
import { bound } from '../bench/verdict.ts'

const RUN = fileURLToPath(new URL('../build/bench/run.js', import.meta.url))
const TIMEOUT_MS = 120_000

interface Printed {
  readonly suite: string
  readonly figures: Readonly<Record<string, number>>
  readonly notes: Readonly<Record<string, unknown>>
}

const PROMISED: Readonly<Record<string, readonly string[]>> = {
  memory: ['depth5_vs_await', 'try_depth5_vs_await', 'depth5_vs_async_mutex', 'held_1e5_vs_0', 'queue_1000_vs_promise'],
  file: [
    'flat_vs_raw',
    'depth4_vs_raw',
    'held_1e4_vs_0',
    'vs_proper_lockfile',
    'handoff_p50_us',
    'sigkill_to_grant_ms',
    'sigkill_to_grant_p99_ms',
    'idle_50_waiters_core_percent',
    'writer_max_wait_ms',
  ],
  redis: [
    'flat_vs_setnx_seq',
    'depth3_vs_setnx_seq',
    'depth3_vs_setnx_100',
    'held_1e5_vs_0',
    'queue_1e4_vs_0',
    'handoff_p50_ms',
    'handoff_p99_ms',
    'longest_run',
  ],
  zookeeper: ['depth1_vs_plain', 'depth3_vs_plain', 'depth6_vs_plain', 'held_1e4_vs_0', 'handoff_p50_ms', 'herd'],
  group: ['remote_write_vs_ping', 'remote_read_vs_ping', 'idle_rank_core_percent', 'fence_collect_1mb_ms'],
  hdf5: ['read_vs_bare', 'write_vs_bare', 'large_read_vs_bare', 'readers_4_vs_1', 'loop_stall_ms', 'lock_round_trips'],
  curves: [
    'memory_depth_20_vs_1',
    'file_depth_20_vs_1',
    'redis_depth_20_vs_1',
    'zookeeper_depth_20_vs_1',
    'memory_held_1e5_vs_1',
    'file_held_1e4_vs_1',
    'memory_waiters_1e4_vs_1',
  ],
}

function bench(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [RUN, ...words], { encoding: 'utf8', timeout: TIMEOUT_MS })
}

describe('the benchmarks', () => {
  for (const [suite, promised] of Object.entries(PROMISED)) {
    it.skipIf(suite === 'file' && process.platform !== 'linux')(
      `print the promised figures of the suite "${suite}" as JSON, and nothing else`,
      () => {
        const { status, stdout, stderr } = bench(suite, '--smoke', '--json')
        expect(stderr).toBe('')
        expect(status).toBe(0)
        const printed = JSON.parse(stdout) as Printed
        expect(Object.keys(printed)).toEqual(['suite', 'figures', 'notes'])
        expect(printed.suite).toBe(suite)
        expect(Object.keys(printed.figures)).toEqual(expect.arrayContaining([...promised]))
        for (const [id, value] of Object.entries(printed.figures))
          expect(Number.isFinite(value) && value >= 0, `${id} is ${value}`).toBe(true)
        expect(printed.notes).toMatchObject({
          machine: expect.any(String),
          node: process.version,
          peers: expect.any(Object),
          median_ns: expect.any(Object),
          spread: expect.any(Object),
        })
      },
      TIMEOUT_MS,
    )
  }

  it('refuse a suite that does not exist, and say which there are', () => {
    const { status, stdout, stderr } = bench('nonesuch', '--json')
    expect(status).toBe(64)
    expect(stdout).toBe('')
    expect(stderr).toContain('No suite is named "nonesuch"')
    expect(stderr).toContain(Object.keys(SUITES).join(', '))
  })

  it('refuse to save what was measured only to see whether it runs', () => {
    const { status, stderr } = bench('memory', '--smoke', '--save')
    expect(status).toBe(64)
    expect(stderr).toContain('is not saved')
  })

  it('are all promised something of', () => {
    expect(Object.keys(PROMISED)).toEqual(Object.keys(SUITES))
  })
})

describe('the page of the benchmarks', () => {
  const results = readResults(RESULTS)!
  const committed = readFileSync(PAGE, 'utf8')

  it('is what the results make, and so are its plots: `npm run bench -- --report`', () => {
    const { page, plots } = report(results)
    expect(committed).toBe(page)
    expect(readdirSync(PLOTS).sort()).toEqual(Object.keys(plots).sort())
    for (const [file, svg] of Object.entries(plots)) expect(readFileSync(join(PLOTS, file), 'utf8'), file).toBe(svg)
  })

  it('shows every plot', () => {
    for (const file of readdirSync(PLOTS)) expect(committed).toContain(`](plots/${file})`)
  })

  it.each(Object.keys(SUITES))(
    'has the promised figures of the suite "%s", each with the target of today and what it says',
    async (name) => {
      expect(Object.keys(results.suites), 'npm run bench measures all').toContain(name)
      const { targets, figures } = results.suites[name]!
      expect(targets).toEqual((await SUITES[name]!.load()).targets)
      const from = committed.indexOf(`\n## The suite \`${name}\``)
      const section = committed.slice(from, committed.indexOf('\n## ', from + 1) + 1 || undefined)
      const rows = section.split('\n').map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
      for (const id of [...PROMISED[name]!, ...Object.keys(targets)]) {
        const [, target, measured, verdict, says] = rows.find(([figure]) => figure === `\`${id}\``) ?? []
        expect(target, id).toBe(targets[id] === undefined ? '' : bound(targets[id]))
        expect(Number(measured?.replaceAll(',', '')), id).toBe(figures[id])
        expect(verdict, id).toBe(targets[id] === undefined ? '' : kept(figures[id]!, targets[id]) ? 'kept' : '**missed**')
        if (SUITES[name]!.page !== undefined) expect(says, id).toMatch(/\w/)
      }
    },
  )

  it('says openly which targets were missed', () => {
    const glance = committed.slice(committed.indexOf('\n## At a glance'), committed.indexOf('\n## How it is measured'))
    for (const [name, { targets, figures }] of Object.entries(results.suites))
      for (const [id, target] of Object.entries(targets))
        expect(glance.includes(`\`${id}\` ([${name}]`), `${name}: ${id}`).toBe(!kept(figures[id]!, target))
  })
})

describe('results', () => {
  const here = { machine: 'this one', cpu: 'a', cores: 2, node: 'v20.0.0', kernel: 'linux' }
  const suite = (date: string): SuiteResult => ({ ...readResults(RESULTS)!.suites.memory!, date })
  const known = merged(null, here, { memory: suite('2020-01-01'), file: suite('2020-01-02') })

  it('of one suite take the place of its older ones, and leave those of others', () => {
    const { date, suites } = merged(known, here, { memory: suite('2020-01-03') })
    expect(date).toBe('2020-01-03')
    expect(Object.entries(suites).map(([name, one]) => [name, one.date])).toEqual([
      ['memory', '2020-01-03'],
      ['file', '2020-01-02'],
    ])
  })

  it('of another machine, or another Node, are dropped', () => {
    for (const there of [
      { ...here, machine: 'another' },
      { ...here, node: 'v22.0.0' },
    ])
      expect(Object.keys(merged(known, there, { file: suite('2020-01-03') }).suites)).toEqual(['file'])
  })
})

function kept(figure: number, { atLeast, atMost }: { readonly atLeast?: number; readonly atMost?: number }): boolean {
  return !(figure < (atLeast ?? figure) || figure > (atMost ?? figure))
}
