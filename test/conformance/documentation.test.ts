// SPDX-License-Identifier: MIT
// The examples of docs/writing-a-backend.md run as they stand there.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

const home = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(home, 'docs/writing-a-backend.md'), 'utf8')
const examples = new Map([...page.matchAll(/```js\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(([, name, code]) => [name!, code!]))

// Inside the package, so that its own name leads to it.
mkdirSync(join(home, 'build'), { recursive: true })
const folder = mkdtempSync(join(home, 'build/writing-a-backend-'))
for (const [name, code] of examples) writeFileSync(join(folder, name), code)
afterAll(() => rmSync(folder, { recursive: true }))

async function run(name: string, ...options: string[]): Promise<string> {
  // A runner inside a runner: without this, node:test would report to the one above it.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: '0' }
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', ...options, join(folder, name)], { env })
  return stdout
}

describe('The page about backends', () => {
  test('shows a backend that passes the suite.', async () => {
    const report = await run('noted-backend.test.js')
    expect(report).toMatch(/^# fail 0$/m)
    expect(Number(/^# pass (\d+)$/m.exec(report)?.[1])).toBeGreaterThan(60)
  })

  test.skipIf(process.platform !== 'linux')('shows how to run it on processes.', async () => {
    const report = await run('processes.test.js', '--test-name-pattern=: (5|7)\\.')
    expect(report).toMatch(/^# fail 0$/m)
    expect(report).toMatch(/^ok .* 5\. A holder that dies/m)
  })
})
