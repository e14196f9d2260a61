// SPDX-License-Identifier: MIT
// The programs of docs/coming-from.md run as they stand there, and print what stands below them.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { runProcesses } from 'holdfast/group'
import ts from 'typescript'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Program, type Result } from '../cli/program.ts'

const home = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(home, 'docs/coming-from.md'), 'utf8')
const programs = [...page.matchAll(/```ts\n(\/\/ ([\w-]+)\.ts[\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)].map(([, code, name, prints]) => ({
  name: name!,
  code: code!,
  prints: prints!,
}))
const [, configuration] = /```yaml\n([\s\S]*?)```/.exec(page)!

/** Its own folder for one test, inside the package, so that the package's name leads to it. */
function folder(): string {
  mkdirSync(join(home, 'build'), { recursive: true })
  const made = mkdtempSync(join(home, 'build/coming-from-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  writeFileSync(join(made, 'count.txt'), '0')
  writeFileSync(join(made, 'isf.yml'), configuration!)
  return made
}

/** What it prints goes to a pipe there: so it must not depend on colours. */
async function run(name: string, cwd: string): Promise<Result> {
  const { code } = programs.find((program) => program.name === name)!
  const { outputText } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
  const file = join(cwd, `${name}.mjs`)
  if (!existsSync(file)) writeFileSync(file, outputText)
  const env = { ISF_DISTRIBUTED_LOCK_CONFIG: join(cwd, 'isf.yml'), NO_COLOR: '1' }
  return await new Program(process.execPath, [file], { cwd, env }).ended
}

describe('The page for those who come from other systems', () => {
  test('has a program for each of them.', () => {
    expect(programs.map(({ name }) => name)).toEqual(['tree-lock', 'isf', 'hdf5', 'lock-mgr', 'lock-file', 'groups'])
    expect(programs).toHaveLength([...page.matchAll(/```ts\n/g)].length)
  })

  test.each(programs)('shows what the program $name prints.', async ({ name, prints }) => {
    expect(await run(name, folder())).toEqual({ code: 0, signal: null, stdout: prints, stderr: '' })
  })

  test('shows a program that counts right, however many of it run at a time.', async () => {
    const cwd = folder()
    const ended = await Promise.all(Array.from({ length: 3 }, () => run('isf', cwd)))
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(readFileSync(join(cwd, 'count.txt'), 'utf8')).toBe('75')
  })

  test('shows a program that runs on many ranks.', async () => {
    const cwd = folder()
    await run('groups', cwd)
    const printed = new PassThrough()
    const output = text(printed)
    await runProcesses(3, join(cwd, 'groups.mjs'), { cwd, stdout: printed })
    printed.end()
    const lines = (await output).trim().split('\n').sort()
    expect(lines).toEqual([0, 1, 2].flatMap((rank) => [`rank ${rank}: 4 datasets`, `rank ${rank}: the sum is 6`]))
  })
})
