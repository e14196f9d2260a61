// SPDX-License-Identifier: MIT
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Program } from '../cli/program.ts'
import { python } from '../lock-file/foreign.ts'
import { temporaryFolder } from '../support/file-folders.ts'

const MAIN = new URL('../../build/examples/lock-file/main.js', import.meta.url).pathname

test('The lock file example works one terminal after the other, and waits no longer than it says.', async () => {
  const path = join(temporaryFolder(), 'lock-xxx')
  const [first, second] = [new Program(process.execPath, [MAIN, path, '1.5']), new Program(process.execPath, [MAIN, path, '1.5'])]
  const granted = await Promise.race([first.says(/granted/).then(() => first), second.says(/granted/).then(() => second)])
  const other = granted === first ? second : first
  expect(await python('flock').take(path, 'write')).toBe(false)
  const { stdout } = await granted.ended
  expect(stdout).toBe(`Asking for the lock on ${path}, for 1.5 s at most\n  granted. Working for 1.5 s\n  given back\n`)
  // The other began to wait a little earlier or later: it gets the lock at the end of its patience, or just not; then nobody may be there any more to be named.
  expect((await other.ended).stdout).toMatch(/given back|not granted: /)
})
