// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { File as Hdf5File } from '../../src/hdf5/index.ts'
import { codeOf, copyOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'

/** The threads that this process started, as they started. */
const started = vi.hoisted((): Worker[] => [])
vi.mock('node:worker_threads', async (original) => {
  const module = await original<typeof import('node:worker_threads')>()
  class Noted extends module.Worker {
    constructor(...options: ConstructorParameters<typeof module.Worker>) {
      super(...options)
      started.push(this)
    }
  }
  return { ...module, Worker: Noted }
})

const { File, setEngineThreads } = await import('../../src/hdf5/index.ts')

useOwnLocks()

async function endAll(): Promise<void> {
  await Promise.all(started.splice(0).map((worker) => worker.terminate()))
}
beforeEach(endAll)
afterEach(async () => {
  setEngineThreads(Math.min(4, availableParallelism()))
  await endAll()
})

describe('The threads of the HDF5 library', () => {
  test('start when they are needed, another one only while all are busy.', async () => {
    setEngineThreads(2)
    const file = await File.open(copyOf('smpl_i64le.h5'))
    const dataset = await file.dataset('TestArray')
    for (let round = 0; round < 20; round++) await dataset.read()
    expect(started).toHaveLength(1)
    await file.read(async (view) => {
      for (let round = 0; round < 20; round++) await view.keys()
      // A session that does nothing does not keep its thread.
      await (await outsideFile()).keys()
    })
    expect(started).toHaveLength(1)
    await Promise.all(Array.from({ length: 20 }, () => dataset.read()))
    expect(started).toHaveLength(2)
    setEngineThreads(1)
    await Promise.all(Array.from({ length: 20 }, () => dataset.read()))
    expect(started).toHaveLength(2)
  })

  test('are as many as one says.', () => {
    for (const count of [0, -1, 1.5, Number.NaN, '2' as unknown as number]) expect(() => setEngineThreads(count)).toThrow('threads')
  })

  test('that die fail what they were doing, and are replaced.', async () => {
    setEngineThreads(1)
    const path = copyOf('smpl_i64le.h5')
    const before = readFileSync(path)
    const file = await File.open(path, 'r+')
    const dataset = await file.dataset('TestArray')
    const [worker] = started
    const failing = [errorOf(dataset.read()), dataset.read()] as const
    void worker!.terminate()
    const error = await failing[0]
    expect(error).toMatchObject({ code: 'HDF5_FAILED', file: path })
    expect(error.message).toContain(path)
    // Whoever waited for the thread gets another.
    expect((await failing[1]).shape).toEqual([6, 5])
    const writing = dataset.write(5n)
    void started.at(-1)!.terminate()
    expect(await codeOf(writing)).toBe('HDF5_FAILED')
    expect((await dataset.read()).shape).toEqual([6, 5])
    expect(readFileSync(path)).toEqual(before)
    expect(started).toHaveLength(3)
  })

  test('that die in a transaction leave the file as it was.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const before = readFileSync(path)
    const file = await File.open(path, 'r+')
    const failing = file.write(async (tx) => {
      await (await tx.dataset('TestArray')).write(7n)
      await tx.createDataset('more', { data: new Float64Array(100_000) })
      await endAll()
      expect(await codeOf(tx.keys())).toBe('HDF5_FAILED')
      return 'ignored'
    })
    expect(await codeOf(failing)).toBe('HDF5_FAILED')
    expect(readFileSync(path)).not.toEqual(before)
    expect(await (await File.open(path)).keys()).toEqual(['TestArray'])
    expect(readFileSync(path)).toEqual(before)
  })

  test('let the process end, and keep it alive while there is work.', () => {
    const program = `
      import { File } from ${JSON.stringify(new URL('../../dist/hdf5/index.js', import.meta.url).href)}
      import { LockSpace } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
      const file = await File.open(${JSON.stringify(newPath())}, 'w', { locks: new LockSpace() })
      await Promise.all([file.createGroup('a'), file.createGroup('b')])
      console.log(await file.keys())
      file.createGroup('c').then(() => file.keys()).then((keys) => console.log(keys))
    `
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000, encoding: 'utf8' })
    expect([stdout, status]).toEqual(["[ 'a', 'b' ]\n[ 'a', 'b', 'c' ]\n", 0])
  })
})

function outsideFile(): Promise<Hdf5File> {
  return File.open(copyOf('smpl_f64be.h5'))
}
