// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { threadCommunicator } from '../../src/communicators/threads.ts'
import { runThreads } from '../../src/communicators/threads-launcher.ts'
import { contractTests, perform, type Start, Text } from './contract.ts'

const start: Start = (size, program, words, options) =>
  runThreads(size, new URL(`../../build/test/programs/${program}.js`, import.meta.url), { argv: [...words], execArgv: [], ...options })

describe('Ranks that are threads', () => {
  contractTests(start)

  test('find the data that they were given', async () => {
    const program = 'import { workerData } from "node:worker_threads"; console.log(workerData.text)'
    const stdout = new Text()
    await runThreads(2, new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
      workerData: { text: 'from outside' },
      execArgv: [],
      stdout,
    })
    expect(stdout.text).toBe('from outside\nfrom outside\n')
  })

  test('are not started at all when their data cannot be cloned', async () => {
    const program = new URL('../../build/test/programs/communicator-contract.js', import.meta.url)
    await expect(runThreads(2, program, { workerData: { method: () => {} }, execArgv: [] })).rejects.toThrow(/could not be cloned/)
  })

  test('have threads and children that are no ranks', async () => {
    const ran = await perform(start, 1, ['offspring'])
    expect(ran.lines).toMatchObject([{ child: 'alone 0 of 1', thread: 'alone 0 of 1' }])
  })

  test('are not who started them', () => {
    expect(threadCommunicator()).toBeNull()
  })
})
