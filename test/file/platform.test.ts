// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const FILE = new URL('../../dist/backends/file/index.js', import.meta.url).href
const HOLDFAST = new URL('../../dist/index.js', import.meta.url).href

test.each(['darwin', 'win32'])('On %s kernel files are LOCK_UNSUPPORTED, with the reason, and memory works.', (platform) => {
  const program = `
    Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} })
    const { LockSpace } = await import(${JSON.stringify(HOLDFAST)})
    const lease = await new LockSpace().write('/a')
    const { fileBackend } = await import(${JSON.stringify(FILE)})
    try {
      fileBackend({ directory: '/nowhere/at/all' })
    } catch (error) {
      console.log(JSON.stringify({ memory: lease.state, code: error.code, message: error.message }))
    }`
  const said = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }))
  expect(said).toMatchObject({ memory: 'held', code: 'LOCK_UNSUPPORTED', message: expect.stringContaining(`not on ${platform}`) })
})
