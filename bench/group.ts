// SPDX-License-Identifier: MIT
// Locks among the ranks of a group, on each transport, against a bare message to the home and back on the same transport.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Launcher, launch } from '../test/group/launchers.ts'
import { machine, median, type Outcome, type Suite } from './harness.ts'
import type { Fenced, Idle, Measured } from './programs/group-rank.ts'

const RANKS = 4
const LAUNCHERS: readonly Launcher[] = ['threads', 'processes', 'mpich', 'openmpi']
const PROGRAM = new URL('./programs/group-rank.js', import.meta.url)
const PATIENCE_MS = 60_000
/** So often each group is started: how the system places ranks on processors decides much, and stays as it is for the life of a group. */
const STARTS = 5

export const group: Suite = {
  name: 'group',
  targets: {
    remote_write_vs_ping: { atMost: 1.3 },
    remote_read_vs_ping: { atMost: 1.3 },
    idle_rank_core_percent: { atMost: 5 },
  },
  async run(smoke) {
    const seen = new Map<Launcher, Seen[]>(LAUNCHERS.map((launcher) => [launcher, []]))
    for (let start = 0; start < (smoke ? 1 : STARTS); start++) {
      for (const [launcher, runs] of seen) runs.push(await run(launcher, smoke))
    }
    return outcome(new Map(Array.from(seen, ([launcher, runs]) => [launcher, typical(runs)])))
  },
}

interface Seen extends Measured {
  readonly idle: number
  readonly fence: number
}

async function run(launcher: Launcher, smoke: boolean): Promise<Seen> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  try {
    await launch(launcher, RANKS, PROGRAM, [folder, `${smoke}`], AbortSignal.timeout(PATIENCE_MS))
    const read = <What>(file: string): What => JSON.parse(readFileSync(join(folder, file), 'utf8')) as What
    const idle = Array.from({ length: RANKS }, (_, rank) => read<Idle>(`idle-${rank}`).corePercent)
    const fence = Array.from({ length: RANKS }, (_, rank) => read<Fenced>(`fence-${rank}`).collectMs)
    return { ...read<Measured>('measured'), idle: Math.max(...idle), fence: Math.max(...fence) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The median of each figure. */
function typical(runs: readonly Seen[]): Seen {
  const over = (of: (one: Seen) => number): number => median(runs.map(of))
  const each = (of: (one: Seen) => Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.keys(of(runs[0]!)).map((name) => [name, over((one) => of(one)[name]!)]))
  return {
    median_ns: each((one) => one.median_ns),
    spread: each((one) => one.spread),
    write_vs_ping: over((one) => one.write_vs_ping),
    read_vs_ping: over((one) => one.read_vs_ping),
    idle: over((one) => one.idle),
    fence: over((one) => one.fence),
  }
}

function outcome(seen: ReadonlyMap<Launcher, Seen>): Outcome {
  /** The worst of the transports. */
  const worst = (of: (one: Seen) => number): number => Math.max(...Array.from(seen.values(), of))
  const by = (of: (one: Seen) => Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(
      [...seen].flatMap(([launcher, one]) => Object.entries(of(one)).map(([name, value]) => [`${launcher}, ${name}`, value])),
    )
  const each = (name: string, of: (one: Seen) => number): Record<string, number> =>
    Object.fromEntries(Array.from(seen, ([launcher, one]) => [`${name}_${launcher}`, of(one)]))
  return {
    figures: {
      remote_write_vs_ping: worst((one) => one.write_vs_ping),
      remote_read_vs_ping: worst((one) => one.read_vs_ping),
      idle_rank_core_percent: worst((one) => one.idle),
      fence_collect_1mb_ms: worst((one) => one.fence),
      ...each('remote_write_vs_ping', (one) => one.write_vs_ping),
      ...each('remote_read_vs_ping', (one) => one.read_vs_ping),
      ...each('idle_rank_core_percent', (one) => one.idle),
      ...each('fence_collect_1mb_ms', (one) => one.fence),
    },
    notes: {
      machine: machine(),
      node: process.version,
      peers: {},
      median_ns: by((one) => one.median_ns),
      spread: by((one) => one.spread),
      remarks: ['The processor time of a rank that is a thread is that of the process, divided by its ranks.'],
    },
  }
}
