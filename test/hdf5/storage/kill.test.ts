// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { temporaryFolder } from '../../support/file-folders.ts'
import { generator } from '../../support/random.ts'
import { patience, scaled } from '../../support/scale.ts'
import { isWhole, open } from './files.ts'
import { content } from './transactions.ts'

const PROGRAM = new URL('../../../build/test/programs/stored-file-writer.js', import.meta.url).pathname
const AT = 512
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Lets a process write to the file, and kills it at a random moment, maybe while it restores what the last one left. */
async function writeAndKill(path: string, log: string, how: 'journal' | 'bare'): Promise<void> {
  const seed = Math.trunc(Math.random() * 2 ** 31)
  const child = spawn(process.execPath, [PROGRAM, path, log, String(seed), how], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.add(child)
  const end = once(child, 'exit')
  const ready = await Promise.race([once(child, 'message'), end])
  expect(ready[0]).toBe('ready')
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 40))
  child.kill('SIGKILL')
  expect(await end).toEqual([null, 'SIGKILL'])
  children.delete(child)
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** What the file may be by the log, whose last line may be incomplete: then its transaction has not begun. */
function allowed(log: string): string[] {
  return readFileSync(log, 'utf8').split('\n').at(-2)!.split(' ')
}

function start(): { path: string; log: string } {
  const folder = temporaryFolder()
  const path = join(folder, 'data.h5')
  const log = join(folder, 'log')
  writeFileSync(path, content(generator(5), 100_000, AT))
  writeFileSync(log, `${digest(path)} ${digest(path)}\n`)
  return { path, log }
}

test(
  'A file whose writers are killed at random moments is as before or after the last transaction, byte for byte.',
  async () => {
    const { path, log } = start()
    let torn = 0
    const kills = scaled(60)
    for (let kill = 0; kill < kills; kill++) {
      await writeAndKill(path, log, 'journal')
      if (isWhole(path, AT)) expect(allowed(log)).toContain(digest(path))
      else torn++
      // Else the next writer does it, and may be killed meanwhile.
      if (kill % 2 === 0 || kill === kills - 1) {
        open(path).close()
        expect(allowed(log)).toContain(digest(path))
      }
    }
    console.log(`${kills} writers killed, the file torn after ${torn} of them`)
    expect(torn).toBeGreaterThan(0)
    expect(readdirSync(join(path, '..')).filter((name) => !name.endsWith('.holdfast-journal'))).toEqual(['data.h5', 'log'])
  },
  patience(60_000),
)

test('Without the journal a killed writer leaves a file that is neither.', async () => {
  for (let round = 0, torn = false; !torn; round++) {
    expect(round).toBeLessThan(50)
    const { path, log } = start()
    await writeAndKill(path, log, 'bare')
    torn = !allowed(log).includes(digest(path))
  }
})
