// SPDX-License-Identifier: MIT
import { execFile, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { rivalsOf } from '../../src/hdf5/access/rival.ts'
import { File } from '../../src/hdf5/index.ts'
import { isLockError, LockSpace, memoryBackend } from '../../src/index.ts'
import { lockFile } from '../../src/native/flock.ts'
import { codeOf, errorOf, newPath, useOwnLocks } from '../support/hdf5-files.ts'
import { hasH5py, Rival } from '../support/rival.ts'

useOwnLocks()

let path: string
let file: File
beforeEach(async () => {
  path = newPath()
  file = await File.open(path, 'w')
  await file.attrs.set('count', 1, { dtype: 'int32' })
})

describe.skipIf(!hasH5py)('h5py', () => {
  let rival: Rival
  beforeAll(() => {
    rival = new Rival()
  })
  afterEach(() => rival.tell('close'))
  afterAll(() => rival.kill())

  test('that holds a file for writing keeps us out, and the error names it.', async () => {
    expect(await rival.tell('open', path, 'r+')).toBe('open')
    for (const work of [
      () => file.with({ timeout: 50 }).attrs.get('count'),
      () => file.with({ timeout: 0 }).attrs.set('count', 2),
      () => file.read(() => 1, { timeout: 50 }),
      () => File.open(path, 'w', { timeout: 50 }),
    ]) {
      const error = await errorOf(work())
      expect(error.code).toBe('LOCK_TIMEOUT')
      expect(error.message).toContain('python3')
      expect(error.message).toContain(String(rival.pid))
      expect(isLockError(error) && error.holders).toMatchObject([{ state: 'held', write: [path], owner: { pid: rival.pid } }])
    }
    const signal = AbortSignal.abort('enough')
    await expect(file.with({ signal }).keys()).rejects.toBe('enough')
    const abort = new AbortController()
    const waiting = file.with({ signal: abort.signal }).keys()
    setTimeout(() => abort.abort('enough of it'), 20)
    await expect(waiting).rejects.toBe('enough of it')
  })

  test('that reads lets us read, and not write.', async () => {
    await rival.tell('open', path, 'r')
    expect(await file.attrs.get('count')).toBe(1)
    const error = await errorOf(file.with({ timeout: 20 }).attrs.set('count', 2))
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ read: [path] }] })
  })

  test('that lets go lets us in at once.', async () => {
    for (const mode of ['r+', 'r']) {
      await rival.tell('open', path, mode)
      const writing = file.attrs.set('count', 2, { dtype: 'int32' }).then(() => performance.now())
      await new Promise((resolve) => setTimeout(resolve, 150))
      const closed = performance.now()
      await rival.tell('close')
      expect((await writing) - closed).toBeLessThan(500)
      expect(await rival.tell('open', path, 'r')).toBe('open')
      expect(await rival.tell('count')).toBe(2)
      await rival.tell('close')
    }
  })

  test('that is killed lets us in.', async () => {
    const doomed = new Rival()
    await doomed.tell('open', path, 'r')
    const writing = file.attrs.set('count', 2, { dtype: 'int32' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    doomed.kill()
    await writing
    expect(await file.attrs.get('count')).toBe(2)
  })

  test('is kept out while we hold the file, and comes in after us.', async () => {
    await file.write(async (tx) => {
      await tx.attrs.set('count', 5, { dtype: 'int32' })
      for (const mode of ['r', 'r+', 'a']) expect(await rival.tell('open', path, mode)).toMatch(/^(BlockingIOError|OSError)/)
    })
    await file.read(async () => {
      expect(await rival.tell('open', path, 'r+')).toMatch(/^(BlockingIOError|OSError)/)
      expect(await rival.tell('open', path, 'r')).toBe('open')
      expect(await rival.tell('count')).toBe(5)
    })
  })

  test('is waited for with a warning that names it, once.', async () => {
    await rival.tell('open', path, 'r+')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const warnings: Error[] = []
      const listener = (warning: Error): void => void warnings.push(warning)
      process.on('warning', listener)
      const abort = new AbortController()
      const waiting = file.with({ signal: abort.signal }).keys()
      waiting.catch(() => undefined)
      // The answer of the thread comes in real time, the waiting does not.
      for (let turn = 0; turn < 2000 && vi.getTimerCount() === 0; turn++) await new Promise((resolve) => setImmediate(resolve))
      await vi.advanceTimersByTimeAsync(25_000)
      abort.abort('enough')
      await expect(waiting).rejects.toBe('enough')
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', listener)
      expect(warnings).toMatchObject([{ code: 'HOLDFAST_LONG_WAIT', message: expect.stringContaining(`process ${rival.pid}`) }])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe.skipIf(spawnSync('h5dump', ['--version']).status !== 0)('h5dump', () => {
  test('is kept out while we write, and not while we read.', async () => {
    const dump = promisify(execFile)
    await file.write(async (tx) => {
      await tx.createGroup('a')
      await expect(dump('h5dump', [path])).rejects.toThrow()
    })
    await file.read(async () => {
      expect((await dump('h5dump', [path])).stdout).toContain('GROUP "a"')
    })
  })
})

describe('Another user of flock on the file', () => {
  test('is found by the kernel’s account, also in this very process.', async () => {
    expect(rivalsOf(path)).toEqual([])
    const fd = openSync(path, 'r')
    lockFile(fd, 'shared')
    expect(rivalsOf(path)).toMatchObject([{ pid: process.pid, access: 'read' }])
    const error = await errorOf(file.with({ timeout: 5 }).attrs.set('a', 1))
    expect(error.message).toContain('this very process')
    closeSync(fd)
    expect(rivalsOf('/no/such/file')).toEqual([])
  })

  test('may be ourselves, in another lock space, and is waited for.', async () => {
    const other = await File.open(path, 'r+', { locks: new LockSpace(memoryBackend()) })
    let writing: Promise<void> | undefined
    await file.read(async (view) => {
      writing = other.attrs.set('late', 1)
      expect(await codeOf(other.attrs.with({ timeout: 20 }).set('x', 1))).toBe('LOCK_TIMEOUT')
      expect(await view.attrs.keys()).toEqual(['count'])
    })
    await writing
    expect(await file.attrs.keys()).toEqual(['count', 'late'])
  })

  test('is waited for in a worker thread, too.', async () => {
    const fd = openSync(path, 'r')
    lockFile(fd, 'exclusive')
    const program = `
      import { parentPort, workerData } from 'node:worker_threads'
      const { File } = await import(workerData.hdf5)
      const { LockSpace } = await import(workerData.holdfast)
      parentPort.postMessage('waiting')
      const file = await File.open(workerData.path, 'r', { locks: new LockSpace() })
      parentPort.postMessage(await file.attrs.get('count'))
    `
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
      execArgv: [],
      workerData: {
        path,
        hdf5: new URL('../../dist/hdf5/index.js', import.meta.url).href,
        holdfast: new URL('../../dist/index.js', import.meta.url).href,
      },
    })
    const said: unknown[] = []
    const answered = new Promise<void>((resolve, reject) => {
      worker.on('message', (message) => {
        said.push(message)
        if (said.length === 2) resolve()
        else setTimeout(() => closeSync(fd), 300)
      })
      worker.on('error', reject)
    })
    await answered
    expect(said).toEqual(['waiting', 1])
    await worker.terminate()
  })
})
