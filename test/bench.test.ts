// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

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
  hdf5: ['read_vs_bare', 'write_vs_bare', 'large_read_vs_bare', 'readers_4_vs_1', 'loop_stall_ms', 'lock_round_trips'],
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
    expect(stderr).toContain('memory, file, redis, zookeeper, hdf5')
  })
})
