// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { File, toNested } from '../../src/hdf5/index.ts'
import { lockFolder, newPath, useOwnLocks } from '../support/hdf5-files.ts'
import { patience, scaled } from '../support/scale.ts'

useOwnLocks()

const PROGRAM = new URL('../../build/test/programs/hdf5-parallel.js', import.meta.url)
const children = new Set<ChildProcess>()
const workers = new Set<Worker>()

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all([...workers].map((worker) => worker.terminate()))
})

interface Done {
  readonly number: number
  readonly reads: number
  readonly writes: number
  readonly counted: number
  readonly seen: readonly number[]
}

async function makeFile(datasets: number, crew: number): Promise<File> {
  const file = await File.open(newPath(), 'w')
  await file.write(async (tx) => {
    for (let index = 0; index < datasets; index++) await tx.createDataset(`big/${index}`, { shape: [400, 150], dtype: 'float32' })
    await tx.createDataset('counts', { shape: [crew + 1], dtype: 'int32' })
  })
  return file
}

async function inProcess(words: readonly string[]): Promise<Done> {
  const child = spawn(process.execPath, [PROGRAM.pathname, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  const [said, complaint, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (code !== 0) throw new Error(complaint)
  return JSON.parse(said) as Done
}

async function inThread(words: readonly string[]): Promise<Done> {
  const worker = new Worker(PROGRAM, { workerData: words, execArgv: [] })
  workers.add(worker)
  const [done] = await once(worker, 'message')
  return done as Done
}

/** All of them at once; and then nothing is missing. */
async function work(run: (words: readonly string[]) => Promise<Done>, crew: number, datasets: number, rounds: number): Promise<void> {
  const file = await makeFile(datasets, crew)
  const start = performance.now()
  const all = await Promise.all(Array.from({ length: crew }, (_, number) => run([file.path, lockFolder, `${number}`, `${rounds}`])))
  const seconds = (performance.now() - start) / 1000
  const writers = all.filter(({ number }) => number % 4 === 0)
  for (const { number, reads, writes, counted, seen } of all) {
    expect({ reads, writes, counted }).toEqual(
      number % 4 === 0
        ? { reads: 0, writes: rounds * datasets, counted: rounds }
        : { reads: rounds * datasets, writes: 0, counted: rounds },
    )
    for (const constant of seen) expect([0, ...writers.map((one) => one.number)]).toContain(constant)
  }
  expect(toNested(await (await file.dataset('counts')).read())).toEqual([crew * rounds, ...Array(crew).fill(rounds)])
  const accesses = all.reduce((sum, { reads, writes, counted }) => sum + reads + writes + counted, 0)
  console.log(`${crew} at once: ${accesses} accesses in ${seconds.toFixed(1)} s, starts included`)
}

describe('Readers and writers of one file', () => {
  test("in 8 processes see whole writes, and lose none: h5pySWMR's own scenario.", () => work(inProcess, 8, 8, scaled(6)), patience(60_000))

  test('in threads of one process do, too.', () => work(inThread, 4, 4, scaled(4)), patience(60_000))

  test('with file objects of their own in one thread do, too.', async () => {
    const { path } = await makeFile(1, 0)
    const files = await Promise.all(Array.from({ length: 5 }, () => File.open(path, 'r+')))
    const add = async (file: File): Promise<void> => {
      for (let time = 0; time < 20; time++) {
        await file.write(async (tx) => {
          const counts = await tx.dataset('counts')
          const [count] = (await counts.read<Int32Array>()).data
          await counts.write(count! + 1)
        })
      }
    }
    const [reader, ...writers] = files as [File, ...File[]]
    let over = false
    const watch = async (): Promise<void> => {
      for (let last = 0; !over; ) {
        const [count] = (await (await reader.dataset('counts')).read<Int32Array>()).data
        expect(count).toBeGreaterThanOrEqual(last)
        last = count!
      }
    }
    const watching = watch()
    await Promise.all(writers.map(add))
    over = true
    await watching
    expect((await (await reader.dataset('counts')).read<Int32Array>()).data).toEqual(Int32Array.of(80))
  })
})
