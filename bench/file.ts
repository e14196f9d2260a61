// SPDX-License-Identifier: MIT
// Locks between processes, against the cost of the system calls themselves and against another lock.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LockSpace } from 'holdfast'
import { handOver, killHolders, waitIdly, writeBesideReaders } from './between-processes.ts'
import { closeAll, fileSystemOf, open, temporaryFolder, withClients } from './clients.ts'
import {
  type Case,
  distribution,
  type Effort,
  machine,
  median,
  type Outcome,
  quantile,
  rounded,
  type Suite,
  Timings,
  time,
} from './harness.ts'
import { properLockfile, versionOf } from './peers.ts'
import { rawLock } from './raw-lock.ts'

const OTHERS = 10_000
const SPREAD = 256
const HANDOFFS = 300
const KILLS = 100
const IDLE_MS = 5_000
const READER_HOLDS_MS = 1
const READING_MS = 5_000

export const file: Suite = {
  name: 'file',
  targets: {
    flat_vs_raw: { atMost: 1.3 },
    depth4_vs_raw: { atMost: 3.3 },
    held_1e4_vs_0: { atMost: 1.5 },
    vs_proper_lockfile: { atLeast: 100 },
    handoff_p50_us: { atMost: 200 },
    sigkill_to_grant_ms: { atMost: 5 },
    idle_50_waiters_core_percent: { atMost: 0.2 },
    writer_max_wait_ms: { atMost: 100 },
  },
  async run(smoke) {
    try {
      return await measure(smoke)
    } finally {
      await closeAll()
    }
  },
}

async function measure(smoke: boolean): Promise<Outcome> {
  const folder = temporaryFolder()
  const directory = (name: string): string => join(folder, name)
  const effort: Effort = { rounds: 31, sliceMs: 8, smoke }
  const timings = new Timings()
  await time(uncontended(folder), effort, timings)
  await amongOthers(directory, smoke ? 100 : OTHERS, effort, timings)
  const handoffs = await handOver(directory('handoff'), smoke ? 3 : HANDOFFS)
  const kills = await killHolders(directory('sigkill'), smoke ? 2 : KILLS)
  const idle = await waitIdly(directory('idle'), smoke ? 100 : IDLE_MS)
  const beside = await writeBesideReaders(directory('readers'), smoke ? 100 : READING_MS, READER_HOLDS_MS)
  const besideBusy = await writeBesideReaders(directory('busy-readers'), smoke ? 100 : READING_MS, 0)
  return {
    figures: {
      flat_vs_raw: timings.ratio('flat', 'raw'),
      depth4_vs_raw: timings.ratio('depth 4', 'raw'),
      held_1e4_vs_0: timings.ratio('many paths, others held', 'many paths, none held'),
      held_1e4_same_process_vs_0: timings.ratio('many paths, others held here', 'many paths, none held'),
      vs_proper_lockfile: timings.ratio('proper-lockfile', 'flat'),
      handoff_p50_us: median(handoffs) / 1e3,
      sigkill_to_grant_ms: median(kills) / 1e6,
      sigkill_to_grant_p99_ms: quantile(kills, 0.99) / 1e6,
      idle_50_waiters_core_percent: idle,
      writer_max_wait_ms: Math.max(...beside.waits),
      writer_max_wait_spinning_readers_ms: Math.max(...besideBusy.waits),
    },
    notes: {
      machine: machine(),
      node: process.version,
      file_system: fileSystemOf(folder),
      peers: { 'proper-lockfile': versionOf('proper-lockfile'), koffi: versionOf('koffi') },
      median_ns: timings.medians(),
      spread: timings.spreads(),
      handoff_us: summary(handoffs.map((ns) => ns / 1e3)),
      sigkill_to_grant_ms: summary(kills.map((ns) => ns / 1e6)),
      writer_wait_ms: { ...summary(beside.waits), reads: beside.reads },
      writer_wait_spinning_readers_ms: { ...summary(besideBusy.waits), reads: besideBusy.reads },
      distributions: { release: distribution(handoffs), SIGKILL: distribution(kills) },
      remarks: [],
    },
  }
}

function uncontended(folder: string): Case[] {
  const flat = open(join(folder, 'flat'))
  const deep = open(join(folder, 'deep'))
  const lockfile = properLockfile()
  const target = join(folder, 'proper')
  writeFileSync(target, '')
  return [
    rawLock(join(folder, 'raw')),
    {
      name: 'flat',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await flat.write('/x')
          void lease.release()
        }
      },
    },
    {
      name: 'depth 4',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await deep.write('/studies/mouse-7/session-3/raw')
          void lease.release()
        }
      },
    },
    {
      name: 'proper-lockfile',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const release = await lockfile.lock(target)
          await release()
        }
      },
    },
  ]
}

async function amongOthers(directory: (name: string) => string, count: number, effort: Effort, timings: Timings): Promise<void> {
  const random = randomFrom(1)
  const paths = (number: number): string[] =>
    Array.from({ length: number }, () => `/group-${Math.trunc(random() * 100)}/${Math.trunc(random() * 2 ** 48).toString(36)}`)
  const others = paths(count)
  const own = paths(SPREAD)
  await withClients(1, directory('held'), async ([holder]) => {
    await holder!.tell({ do: 'hold', paths: others })
    const here = open(directory('held-here'))
    for (const path of others) if (here.tryWriteSync(path) === null) throw new Error(`${path} was busy.`)
    const takeInTurn = (name: string, space: LockSpace): Case => ({
      name,
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await space.write(own[i % SPREAD]!)
          void lease.release()
        }
      },
    })
    const cases = [
      takeInTurn('many paths, none held', open(directory('none-held'))),
      takeInTurn('many paths, others held', open(directory('held'))),
      takeInTurn('many paths, others held here', here),
    ]
    await time(cases, effort, timings)
  })
}

function summary(values: readonly number[]): Record<string, number> {
  return { rounds: values.length, p50: rounded(median(values)), p99: rounded(quantile(values, 0.99)), max: rounded(Math.max(...values)) }
}

/** The same numbers in each run: the generator of Park and Miller. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
