// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { File, setDefaultLocks, toNested } from '../../src/hdf5/index.ts'
import { isLockError, LockSpace, memoryBackend } from '../../src/index.ts'
import { until } from '../support/file-agent.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { codeOf, copyOf, errorOf, lockFolder, locks, newPath, useOwnLocks } from '../support/hdf5-files.ts'
import { LosingBackend } from '../support/losing-backend.ts'
import { isPending } from '../support/pending.ts'
import { scaled } from '../support/scale.ts'

useOwnLocks()

const AGENT = new URL('../../build/test/programs/hdf5-agent.js', import.meta.url).pathname

/** Runs a process to its end and answers what it said. */
async function agent(...words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [AGENT, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text) => {
    said += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 25_000)
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  if (code !== 0) throw new Error(`hdf5-agent ${words[0]} ended with ${code}`)
  return said
}

describe('The lock on a file', () => {
  test('keeps the writers of several processes apart: no count is lost, nor a row.', async () => {
    const path = newPath()
    const file = await File.open(path, 'w')
    await file.attrs.set('count', 0, { dtype: 'int32' })
    await file.createDataset('log', { shape: [0], maxShape: [null], dtype: 'int32' })
    const times = String(scaled(50))
    const writers = ['count', 'count', 'append'].map((what) => agent(what, path, lockFolder, times))
    const reads = async (): Promise<void> => {
      const done = Promise.all(writers).then(() => false)
      for (let before = 0; await Promise.race([done, Promise.resolve(true)]); ) {
        const [count, log] = await file.read(
          async (view) => [await view.attrs.get('count'), await (await view.dataset('log')).read()] as const,
        )
        expect(count).toBeGreaterThanOrEqual(before)
        expect(log.data.length).toBe(log.shape[0])
        before = count as number
      }
    }
    await Promise.all([...writers, reads()])
    expect(await file.attrs.get('count')).toBe(2 * Number(times))
    const log = (await (await file.dataset('log')).read()).data as Int32Array
    expect(log.length).toBe(Number(times))
    expect(new Set(log).size).toBe(1)
  })

  test('keeps the writers of one process apart, whichever object they use.', async () => {
    const path = newPath()
    const one = await File.open(path, 'w')
    await one.attrs.set('count', 0, { dtype: 'int32' })
    const other = await File.open(join(dirname(path), '.', 'new.h5'), 'r+')
    const count = (file: File) =>
      file.write(async (tx) => {
        await tx.attrs.set('count', ((await tx.attrs.get('count')) as number) + 1, { dtype: 'int32' })
      })
    await Promise.all(Array.from({ length: 30 }, (_, round) => count(round % 2 === 0 ? one : other)))
    expect(await one.attrs.get('count')).toBe(30)
  })

  test('is one with that of the folders above it.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path)
    const lease = await locks.write(dirname(path))
    const reading = file.keys()
    expect(await codeOf(file.with({ timeout: 0 }).keys())).toBe('LOCK_TIMEOUT')
    await until(() => locks.waiting === 1)
    expect(await isPending(reading)).toBe(true)
    await lease.release()
    expect(await reading).toEqual(['TestArray'])
  })

  test('is waited for as long as the caller says, and names who holds it.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r+', { timeout: 5, name: 'the impatient' })
    const lease = await locks.write(path, { name: 'the holder' })
    const error = await errorOf(file.keys())
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'the holder', write: [path] }] })
    expect(await codeOf(file.write(() => 1))).toBe('LOCK_TIMEOUT')
    expect(await codeOf((await Promise.resolve(file.attrs)).with({ timeout: 0 }).set('a', 1))).toBe('LOCK_TIMEOUT')
    const abort = new AbortController()
    const waiting = file.read(() => 1, { signal: abort.signal, timeout: 60_000 })
    abort.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    await expect(file.with({ signal: abort.signal }).keys()).rejects.toBe('enough')
    await lease.release()
    await expect(file.with({ signal: abort.signal }).keys()).rejects.toBe('enough')
    await expect(file.read(() => 1, { signal: abort.signal })).rejects.toBe('enough')
    expect(await file.keys()).toEqual(['TestArray'])
  })

  test('shows the name of an access.', async () => {
    const file = await File.open(copyOf('smpl_i64le.h5'), 'r', { name: 'analysis' })
    await file.read(async () => {
      const { holders } = await locks.inspect()
      expect(holders).toMatchObject([{ name: 'analysis', read: [file.path], write: [] }])
    })
    expect(locks.held).toBe(0)
  })

  test('is that of the real file: links are followed anew each time.', async () => {
    const folder = temporaryFolder()
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, name))
      await (await File.open(join(folder, name, 'a.h5'), 'w')).attrs.set('name', name)
    }
    const path = join(folder, 'current')
    symlinkSync('one', path)
    const file = await File.open(join(path, 'a.h5'))
    const lease = await locks.write(join(folder, 'one'))
    const waiting = file.attrs.get('name')
    await until(() => locks.waiting === 1)
    symlinkSync('two', `${path}.new`)
    renameSync(`${path}.new`, path)
    expect(await file.with({ timeout: 0 }).attrs.get('name')).toBe('two')
    await lease.release()
    expect(await waiting).toBe('two')
    unlinkSync(path)
    expect(await codeOf(file.keys())).toBe('HDF5_NO_FILE')
  })

  test('may be any path of any lock space.', async () => {
    const space = new LockSpace(memoryBackend({ prefer: 'writers' }), { paths: 'object-key' })
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r', { locks: space, lockPath: 'studies/7' })
    const lease = await space.write('studies')
    expect(await codeOf(file.with({ timeout: 0 }).keys())).toBe('LOCK_TIMEOUT')
    expect(await codeOf(File.open(path, 'r', { locks: space, lockPath: 'studies/8', timeout: 0 }))).toBe('LOCK_TIMEOUT')
    await lease.release()
    expect(await file.keys()).toEqual(['TestArray'])
    setDefaultLocks(space)
    const real = await File.open(path)
    const folder = await space.write(dirname(path))
    expect(await codeOf(real.with({ timeout: 0 }).keys())).toBe('LOCK_TIMEOUT')
    await folder.release()
    await space.close()
    expect(await codeOf(real.keys())).toBe('LOCK_CLOSED')
    expect(() => setDefaultLocks({} as LockSpace)).toThrow('LockSpace')
  })

  test('needs a path of its own where the lock space spans hosts.', async () => {
    const space = new LockSpace(new LosingBackend())
    const path = copyOf('smpl_i64le.h5')
    const error = await errorOf(File.open(path, 'r', { locks: space }))
    expect(error).toMatchObject({ code: 'HDF5_INVALID', file: path })
    expect(error.message).toContain('lockPath')
    const file = await File.open(path, 'r+', { locks: space, lockPath: '/studies/7' })
    await file.attrs.set('a', 1)
    expect(await file.attrs.get('a')).toBe(1)
    expect(space.held).toBe(0)
    await space.close()
  })

  test('is by default one of kernel files for all processes of the user, which let each other end.', async () => {
    const path = newPath()
    await (await File.open(path, 'w')).attrs.set('count', 7, { dtype: 'int32' })
    expect(await agent('read', path)).toBe('7\n')
  })
})

describe('A task in a session', () => {
  test('is refused what would wait for that session.', async () => {
    const path = copyOf('smpl_i64le.h5')
    const file = await File.open(path, 'r+')
    const other = await File.open(path, 'r+')
    const dataset = await file.dataset('TestArray')
    for (const session of ['read', 'write'] as const) {
      await file[session](async () => {
        const nested = [
          () => file.keys(),
          () => dataset.read(),
          () => file.attrs.set('a', 1),
          () => other.keys(),
          () => other.write(() => 1),
          () => file.read(() => 1),
          () => File.open(path, 'a'),
          () => file.close(),
        ]
        for (const work of nested) expect(await codeOf(work())).toBe('LOCK_REENTRANT')
      })
    }
    expect(await file.keys()).toEqual(['TestArray'])
    expect(locks.held).toBe(0)
  })

  test('uses other files as it likes, also a session in a session.', async () => {
    const one = await File.open(copyOf('smpl_i64le.h5'))
    const two = await File.open(newPath(), 'w')
    await one.read(async (view) => {
      const values = await (await view.dataset('TestArray')).read()
      await two.write(async (tx) => {
        await tx.createDataset('copy', { data: values })
        expect(await codeOf(one.keys())).toBe('LOCK_REENTRANT')
      })
      expect(toNested(await (await two.dataset('copy')).read())).toEqual(toNested(values))
    })
  })

  test('is free again when the session is over, wherever it was begun.', async () => {
    const file = await File.open(copyOf('smpl_i64le.h5'))
    let later: Promise<string[]> | undefined
    await file.read(() => {
      later = new Promise((resolve) => setTimeout(resolve, 20)).then(() => file.keys())
    })
    expect(await later).toEqual(['TestArray'])
  })
})

describe('A lost lock', () => {
  async function losing(): Promise<{ backend: LosingBackend; file: File }> {
    const backend = new LosingBackend({ scope: 'machine' })
    const path = copyOf('smpl_i64le.h5')
    return { backend, file: await File.open(path, 'r+', { locks: new LockSpace(backend) }) }
  }

  test('in a transaction is LOCK_LOST, and nothing of it is written.', async () => {
    const { backend, file } = await losing()
    const failing = file.write(async (tx, lease) => {
      await tx.attrs.set('a', 1)
      backend.loseAll()
      expect(lease.state).toBe('lost')
      expect(await codeOf(tx.attrs.set('b', 2))).toBe('LOCK_LOST')
      return 'done'
    })
    expect(await codeOf(failing)).toBe('LOCK_LOST')
    expect(await (await File.open(file.path)).attrs.keys()).toEqual([])
  })

  test('in a transaction that fails has that as its cause.', async () => {
    const { backend, file } = await losing()
    const reason = new Error('mine')
    const error = await errorOf(
      file.write(() => {
        backend.loseAll()
        throw reason
      }),
    )
    expect(error).toMatchObject({ code: 'LOCK_LOST', cause: reason })
  })

  test('in a view is LOCK_LOST too, also when only the clock says so.', async () => {
    const { backend, file } = await losing()
    const failing = file.read(async (view) => {
      expect(await view.keys()).toEqual(['TestArray'])
      backend.last.runOut = true
    })
    expect(await codeOf(failing)).toBe('LOCK_LOST')
    expect(await file.keys()).toEqual(['TestArray'])
  })

  test('in a single access is LOCK_LOST.', async () => {
    const { backend, file } = await losing()
    for (const access of [() => file.keys(), () => file.attrs.set('a', 1)]) {
      const failing = access()
      const failed = errorOf(failing)
      await until(() => backend.leases.size === 1)
      backend.loseAll()
      const error = await failed
      expect(isLockError(error, 'LOCK_LOST')).toBe(true)
    }
    expect(backend.leases.size).toBe(0)
  })
})
