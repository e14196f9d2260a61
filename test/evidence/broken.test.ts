// SPDX-License-Identifier: MIT
// Every check can fail: engines that break one promise each are found out by the check that is there for it.
import { expect, test } from 'vitest'
import type { Check, Report } from '../../src/evidence/report.ts'
import type * as Verify from '../../src/evidence/verify.ts'
import type { Argument, FileFault, MemoryFault } from '../programs/verify-broken.ts'
import { temporaryFolder } from '../support/file-folders.ts'

// The built one, whose workers are built, too.
const { verify } = (await import(new URL('../../dist/evidence/verify.js', import.meta.url).href)) as typeof Verify
const module = new URL('../../build/test/programs/verify-broken.js', import.meta.url).href

async function examined(argument: Argument): Promise<{ report: Report; of: (name: string) => Check | undefined }> {
  const report = await verify({ opening: { module, argument } })
  return { report, of: (name) => report.checks.find(({ check }) => check === name) }
}

type Expected = Readonly<Record<string, RegExp>>

/** By the name of the check, what it finds. */
function found({ report, of }: Awaited<ReturnType<typeof examined>>, outcome: 'failed' | 'warning', expected: Expected): void {
  for (const [name, text] of Object.entries(expected)) expect(of(name)).toMatchObject({ outcome, found: expect.stringMatching(text) })
  expect(report.verdict).toBe(outcome)
}

test.concurrent.each<[MemoryFault, 'failed' | 'warning', Expected]>([
  [
    'writes as reads',
    'failed',
    {
      'modes-tasks': /was let in beside/,
      try: /was granted what somebody else held/,
      'time-out': /although somebody else held/,
      load: /at once what excludes the other/,
    },
  ],
  ['reads as writes', 'failed', { 'modes-tasks': /was refused beside/ }],
  ['tries that wait', 'failed', { try: /answer busy and not to wait/ }],
  ['a part left behind', 'failed', { 'time-out': /left something behind/ }],
  ['nobody is woken', 'failed', { 'hand-off': /Not granted within/ }],
  ['looks now and then', 'warning', { 'hand-off': /p50 (\d{3} ms|\d+\.\d s)/ }],
  ['tired after many grants', 'failed', { load: /at once what excludes the other/ }],
  ['one token for all', 'failed', { tokens: /not above an earlier one/ }],
])('an engine with the fault “%s” is found out', async (memory, outcome, expected) => {
  found(await examined({ memory }), outcome, expected)
})

const LET_IN = /was let in beside/

test.each<[FileFault, Expected]>([
  ['apart', { 'modes-processes': LET_IN, 'modes-threads': LET_IN, load: /at once what excludes the other/ }],
  ['the dead keep', { kill: /not free in time/ }],
])('processes with the fault “%s” are found out', async (file, expected) => {
  found(await examined({ file, directory: temporaryFolder() }), 'failed', expected)
})

test.each<[string, () => Argument]>([
  ['in memory', () => ({ memory: 'none' })],
  ['on files', () => ({ file: 'none', directory: temporaryFolder() })],
])('an engine without a fault passes, %s', async (_, argument) => {
  const { report } = await examined(argument())
  expect(report.checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect(report.verdict).not.toBe('failed')
})
