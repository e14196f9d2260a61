// SPDX-License-Identifier: MIT
// `holdfast h5 recover`, on files whose writer died, and on others.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/file-folders.ts'
import { holdfast } from './program.ts'

const ARRAY = fileURLToPath(new URL('../../examples/data/array.h5', import.meta.url))

/** A real file, torn: its writer was killed after its first change. */
async function tornFile(folder: string): Promise<string> {
  const path = join(folder, 'torn.h5')
  copyFileSync(ARRAY, path)
  const program = `
    import { File } from 'holdfast/hdf5'
    const file = await File.open(process.argv[1], 'r+')
    await file.write(async (tx) => {
      await tx.createDataset('new', { data: new Float64Array(10000) })
      process.stdout.write('in the middle')
      setInterval(() => {}, 1000)
      await new Promise(() => {})
    })`
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return path
}

describe('h5 recover', () => {
  test('restores a torn file byte for byte, and leaves a whole one as it is', async () => {
    const folder = temporaryFolder()
    const path = await tornFile(folder)
    expect(readFileSync(path).equals(readFileSync(ARRAY))).toBe(false)
    const first = await holdfast(['h5', 'recover', path, ARRAY])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toBe(`${path}: restored to what it was before the write\n${ARRAY}: nothing to restore\n`)
    expect(readFileSync(path).equals(readFileSync(ARRAY))).toBe(true)
    expect(readdirSync(folder)).toEqual(['torn.h5'])
    expect(await holdfast(['h5', 'recover', path])).toMatchObject({ code: 0, stdout: `${path}: nothing to restore\n` })
  })

  test('takes a journal that lies elsewhere, and leaves it there', async () => {
    const folder = temporaryFolder()
    const path = await tornFile(folder)
    const journal = join(temporaryFolder(), 'journal')
    renameSync(`${path}.holdfast-journal`, journal)
    expect(await holdfast(['h5', 'recover', path])).toMatchObject({ code: 65, stderr: expect.stringContaining('(HDF5_TORN)') })
    expect(await holdfast(['h5', 'recover', '--journal', journal, path])).toMatchObject({ code: 0 })
    expect(readFileSync(path).equals(readFileSync(ARRAY))).toBe(true)
  })

  test('goes on after a file that it cannot restore, and ends with what was wrong with the first', async () => {
    const folder = temporaryFolder()
    const text = join(folder, 'text.h5')
    writeFileSync(text, 'no HDF5 at all')
    const { code, stdout, stderr } = await holdfast(['h5', 'recover', join(folder, 'none.h5'), text, ARRAY])
    expect(code).toBe(66)
    expect(stderr).toMatch(/^holdfast: .*none\.h5.*\(HDF5_NO_FILE\)\nholdfast: .*text\.h5.*\(HDF5_NOT_HDF5\)\n$/)
    expect(stdout).toBe(`${ARRAY}: nothing to restore\n`)
  })

  test('says what it can do when it is asked for something else', async () => {
    expect(await holdfast(['h5', 'repack', ARRAY])).toMatchObject({ code: 64, stderr: expect.stringContaining('recover') })
    expect(await holdfast(['h5', 'recover'])).toMatchObject({ code: 64 })
  })
})
