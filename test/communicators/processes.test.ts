// SPDX-License-Identifier: MIT
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { processCommunicator } from '../../src/communicators/processes.ts'
import { runProcesses } from '../../src/communicators/processes-launcher.ts'
import { contractTests, perform, type Start } from './contract.ts'

const programOf = (name: string): URL => new URL(`../../build/test/programs/${name}.js`, import.meta.url)
const start: Start = (size, program, words, options) => runProcesses(size, programOf(program), { args: words, execArgv: [], ...options })

describe('Ranks that are processes', () => {
  contractTests(start)

  test('are told at once of one that was killed, after what it had sent', async () => {
    const ran = await perform(start, 3, ['die:kill'])
    expect(ran.error).toMatchObject({ rank: 2, exitCode: null, signal: 'SIGKILL' })
    expect(ran.lines.map(({ died }) => died)).toEqual([true, true])
    // The end of the line is seen by oneself; the launcher may have said more by then.
    for (const { why } of ran.lines) expect(why).toMatch(/^Rank 2 (was killed, or crashed|of 3 was ended by SIGKILL)\.$/)
  })

  test('stay members while they are stopped', async () => {
    const ran = await perform(start, 3, ['stop'])
    expect(ran).toMatchObject({ error: null, stderr: '' })
    expect(ran.lines).toHaveLength(3)
  })

  test('have children that are no ranks, and threads that are told so', async () => {
    const ran = await perform(start, 2, ['offspring'])
    expect(ran.lines).toMatchObject(new Array(2).fill({ child: 'alone 0 of 1', thread: 'LOCK_UNSUPPORTED' }))
  })

  test('leave no descriptor behind with who started them', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length
    await perform(start, 2, ['end'])
    const before = open()
    await perform(start, 4, ['end'])
    // The last ones are closed in the turns that follow.
    await expect.poll(open).toBeLessThanOrEqual(before)
  })

  test('that cannot be started are an error that names one', async () => {
    const running = runProcesses(2, fileURLToPath(programOf('communicator-contract')), { cwd: '/nowhere/at/all' })
    await expect(running).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', rank: 0, exitCode: null, cause: { code: 'ENOENT' } })
  })

  test('are not who started them', () => {
    expect(processCommunicator()).toBeNull()
  })
})
