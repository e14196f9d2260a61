// SPDX-License-Identifier: MIT
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { File, recoverFile } from '../../src/hdf5/index.ts'
import { codeOf, copyOf, lockFolder, newPath, useOwnLocks } from '../support/hdf5-files.ts'

useOwnLocks()

const AGENT = new URL('../../build/test/programs/hdf5-agent.js', import.meta.url).pathname

let path: string
let before: Buffer

/** A file whose writer is killed in the middle of a transaction. */
beforeEach(async () => {
  path = copyOf('smpl_i64le.h5')
  before = readFileSync(path)
  const writer = spawn(process.execPath, [AGENT, 'hold', path, lockFolder], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(writer.stdout, 'data')
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  expect(readFileSync(path)).not.toEqual(before)
})

describe('A file whose writer was killed', () => {
  test('is as it was before the transaction for whoever opens it, for reading too.', async () => {
    const file = await File.open(path, 'r')
    expect(await file.keys()).toEqual(['TestArray'])
    expect(readFileSync(path)).toEqual(before)
  })

  test('is restored by the first access of many that already had it open.', async () => {
    const files = await Promise.all(Array.from({ length: 4 }, () => File.open(path, 'r+')))
    const all = await Promise.all(
      files.map((file, number) => (number === 0 ? file.attrs.set('a', 1).then(() => ['TestArray']) : file.keys())),
    )
    expect(all).toEqual(Array(4).fill(['TestArray']))
  })

  test('is restored on demand.', async () => {
    expect(await recoverFile(path)).toBe(true)
    expect(readFileSync(path)).toEqual(before)
    expect(await recoverFile(path)).toBe(false)
  })

  test('is restored, as a copy of it is, by a journal that is named.', async () => {
    const copy = newPath('copy.h5')
    copyFileSync(path, copy)
    const journal = readdirSync(dirname(path)).find((name) => name.includes('journal'))!
    expect(await codeOf(recoverFile(copy))).toBe('HDF5_TORN')
    expect(await recoverFile(copy, { journal: join(dirname(path), journal) })).toBe(true)
    expect(readFileSync(copy)).toEqual(before)
    expect(await codeOf(recoverFile(path, { journal: '' }))).toBe('HDF5_INVALID')
  })

  test.runIf(process.getuid?.() === 0)('is refused to whoever may not restore it.', async () => {
    const nobody = (): string => {
      const program = `
        import { File } from ${JSON.stringify(new URL('../../dist/hdf5/index.js', import.meta.url).href)}
        import { LockSpace } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
        for (const mode of ['r', 'r+']) {
          const opened = File.open(${JSON.stringify(path)}, mode, { locks: new LockSpace() })
          console.log(await opened.then((file) => file.keys(), (error) => error.code))
        }
      `
      const command = ['--input-type=module', '-e', program]
      const { stdout, stderr } = spawnSync(process.execPath, command, {
        uid: 65_534,
        gid: 65_534,
        cwd: '/',
        encoding: 'utf8',
        timeout: 20_000,
      })
      return stdout + stderr
    }
    expect(nobody()).toBe('HDF5_NEEDS_RECOVERY\nHDF5_DENIED\n')
    await File.open(path)
    expect(readFileSync(path)).toEqual(before)
    expect(nobody()).toBe("[ 'TestArray' ]\nHDF5_DENIED\n")
  })
})
