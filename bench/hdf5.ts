// SPDX-License-Identifier: MIT
// HDF5 files through Holdfast, against h5wasm alone and h5py.
import { fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fileBackend } from 'holdfast/file'
import { type Dataset, File, ndArray, slice } from 'holdfast/hdf5'
import { fileSystemOf, temporaryFolder } from './clients.ts'
import { type Case, machine, median, type Outcome, type Suite, Timings, time } from './harness.ts'
import { BareHdf5, h5pyRates } from './hdf5-peers.ts'
import { versionOf } from './peers.ts'

const CLIENT = fileURLToPath(new URL('./programs/hdf5-client.js', import.meta.url))
const LARGE_ROWS = 65_536
const COLUMNS = 1024
/** Small reads of a process before they are counted. */
const WARM_READS = 4000
const SCENARIO = { processes: 40, datasets: 40, rows: 8000, columns: 1500 }

export const hdf5: Suite = {
  name: 'hdf5',
  targets: {
    read_vs_bare: { atLeast: 0.8 },
    write_vs_bare: { atLeast: 0.3 },
    large_read_vs_bare: { atLeast: 0.9 },
    readers_4_vs_1: { atLeast: 1.5 },
    loop_stall_ms: { atMost: 50 },
    lock_round_trips: { atMost: 0 },
  },
  async run(smoke) {
    const bare = await BareHdf5.start()
    try {
      return await measure(bare, smoke)
    } finally {
      await bare.end()
    }
  },
}

async function measure(bare: BareHdf5, smoke: boolean): Promise<Outcome> {
  const folder = temporaryFolder()
  const small = await smallFile(join(folder, 'small.h5'))
  const timings = new Timings()
  await time(await smallAccesses(small, bare), { rounds: 21, sliceMs: 60, smoke }, timings)
  await time(await largeReads(join(folder, 'large.h5'), bare, smoke), { rounds: 7, sliceMs: 1, smoke }, timings)
  const readingMs = smoke ? 50 : 2_000
  const alone: number[] = []
  const together: number[] = []
  for (let round = 0; round < (smoke ? 1 : 3); round++) {
    alone.push(await readers(1, small, readingMs, smoke ? 1 : WARM_READS))
    together.push(await readers(4, small, readingMs, smoke ? 1 : WARM_READS))
  }
  const stalls = []
  for (let round = 0; round < (smoke ? 1 : 3); round++)
    stalls.push(await stall(join(folder, `gzip-${round}.h5`), smoke ? 2 ** 18 : 2 ** 24))
  const h5py = h5pyRates(small, 'd', smoke ? 0.05 : 2)
  const scenario = await manyProcesses(join(folder, 'many.h5'), smoke)
  const perSecond = (name: string): number => 1e9 / median(timings.of(name))
  return {
    figures: {
      read_vs_bare: timings.ratio('bare read', 'read'),
      write_vs_bare: timings.ratio('bare write', 'write'),
      write_power_vs_bare: timings.ratio('bare write', 'write, power'),
      large_read_vs_bare: timings.ratio('bare large read', 'large read'),
      readers_4_vs_1: median(together) / median(alone),
      loop_stall_ms: median(stalls),
      lock_round_trips: lockRoundTrips(join(folder, 'locks')),
      reads_per_second: perSecond('read'),
      writes_per_second: perSecond('write'),
      ...(h5py === null ? {} : { read_vs_h5py: perSecond('read') / h5py.reads, write_vs_h5py: perSecond('write') / h5py.writes }),
      forty_processes_s: scenario.seconds,
    },
    notes: {
      machine: machine(),
      node: process.version,
      file_system: fileSystemOf(folder),
      peers: { h5wasm: versionOf('h5wasm'), h5py: h5py?.version ?? 'not installed' },
      median_ns: timings.medians(),
      spread: timings.spreads(),
      reads_per_second: { one_process: alone, four_processes: together, h5py: h5py?.reads ?? null },
      writes_per_second: { h5py: h5py?.writes ?? null },
      loop_stalls_ms: stalls,
      forty_processes: scenario,
      remarks: [],
    },
  }
}

async function smallFile(path: string): Promise<string> {
  const file = await File.open(path, 'w')
  await file.createDataset('d', { data: Float32Array.from({ length: 100_000 }, (_, i) => i), shape: [1000, 100] })
  await file.close()
  return path
}

async function smallAccesses(path: string, bare: BareHdf5): Promise<Case[]> {
  const rows = new Float32Array(1000).fill(1.5)
  const block = ndArray(rows, [10, 100])
  const dataset = await (await File.open(path, 'r+')).dataset('d')
  const durable = await (await File.open(path, 'r+', { durability: 'power' })).dataset('d')
  const repeated = (name: string, once: (row: number) => Promise<unknown>): Case => ({
    name,
    async run(times) {
      for (let i = 0; i < times; i++) await once((i * 10) % 900)
    },
  })
  return [
    repeated('bare read', (row) => bare.tell({ file: path, dataset: 'd', rows: [row, row + 10] })),
    repeated('read', (row) => dataset.read(slice(row, row + 10))),
    repeated('bare write', (row) => bare.tell({ file: path, dataset: 'd', rows: [row, row + 10], write: rows })),
    repeated('write', (row) => dataset.write(block, slice(row, row + 10))),
    repeated('write, power', (row) => durable.write(block, slice(row, row + 10))),
  ]
}

async function largeReads(path: string, bare: BareHdf5, smoke: boolean): Promise<Case[]> {
  const rows = smoke ? 64 : LARGE_ROWS
  const file = await File.open(path, 'w')
  const dataset: Dataset = await file.createDataset('d', { shape: [rows, COLUMNS], dtype: 'float32' })
  for (let row = 0; row < rows; row += 4096) {
    const some = Math.min(4096, rows - row)
    await dataset.write(ndArray(new Float32Array(some * COLUMNS).fill(row), [some, COLUMNS]), slice(row, row + some))
  }
  return [
    { name: 'bare large read', run: async (times) => repeat(times, () => bare.tell({ file: path, dataset: 'd', rows: [0, rows] })) },
    { name: 'large read', run: async (times) => repeat(times, () => dataset.read()) },
  ]
}

async function repeat(times: number, once: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < times; i++) await once()
}

/** Small reads a second of so many processes together. */
async function readers(count: number, path: string, ms: number, first: number): Promise<number> {
  const words = ['read', path, 'd', String(ms), String(first)]
  const children = Array.from({ length: count }, () => fork(CLIENT, words, { execArgv: [] }))
  try {
    await Promise.all(children.map((child) => message(child)))
    const counts = await Promise.all(
      children.map((child) => {
        const counted = message(child) as Promise<{ reads: number }>
        child.send('go')
        return counted
      }),
    )
    return counts.reduce((sum, { reads }) => sum + reads, 0) / (ms / 1e3)
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

function message(child: ReturnType<typeof fork>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null): void => reject(new Error(`A process ended early, with ${code}.`))
    child.once('exit', died)
    child.once('message', (what) => {
      child.off('exit', died)
      resolve(what)
    })
  })
}

async function stall(path: string, elements: number): Promise<number> {
  const data = Float32Array.from({ length: elements }, (_, i) => i % 1009)
  const file = await File.open(path, 'w')
  await pause(50)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await file.createDataset('d', { data, gzip: true })
  delay.disable()
  return delay.max / 1e6
}

/** A kernel file lock that is free is taken without asking anybody. */
function lockRoundTrips(directory: string): number {
  return fileBackend({ directory, prefer: 'writers' }).supports.immediate ? 0 : 1
}

async function manyProcesses(path: string, smoke: boolean): Promise<{ seconds: number; processes: number; bytes: number }> {
  const { processes, datasets, rows, columns } = smoke ? { processes: 4, datasets: 4, rows: 60, columns: 10 } : SCENARIO
  const file = await File.open(path, 'w')
  for (let i = 0; i < datasets; i++)
    await file.createDataset(`data${i}`, { data: new Float32Array(rows * columns), shape: [rows, columns] })
  const from = performance.now()
  const children = Array.from({ length: processes }, (_, index) =>
    // On a busy machine they may wait for long, which need not be said.
    fork(CLIENT, ['check', path, String(datasets), String(index)], { execArgv: ['--no-warnings'] }),
  )
  const kill = (): void => {
    for (const child of children) child.kill('SIGKILL')
  }
  process.once('exit', kill)
  try {
    await Promise.all(children.map((child) => message(child)))
    return { seconds: (performance.now() - from) / 1e3, processes, bytes: statSync(path).size }
  } finally {
    kill()
    process.off('exit', kill)
  }
}
