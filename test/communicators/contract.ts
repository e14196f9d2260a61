// SPDX-License-Identifier: MIT
// Runs test/programs/communicator-contract.js as ranks and expects what the contract says, whatever the transport.
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { RankError } from '../../src/communicators/launch.ts'
import type { RunThreadsOptions } from '../../src/communicators/threads-launcher.ts'
import { isLockError } from '../../src/core/errors.ts'

/** What all launchers understand. */
type Options = Pick<RunThreadsOptions, 'stdout' | 'stderr' | 'signal' | 'onFailure'>

/** Starts ranks of a program of test/programs with these words. */
export type Start = (size: number, program: string, words: readonly string[], options: Options) => Promise<void>

export interface Ran {
  /** What the ranks reported. */
  readonly lines: readonly Record<string, unknown>[]
  /** What the launcher was told on the way. */
  readonly failures: readonly string[]
  readonly error: unknown
  readonly stderr: string
}

const SIZES = [1, 2, 4]
/** Less than a test has: ranks that hang are killed, and the test says so. */
const WITHIN_MS = 25_000

/** Runs scenarios to their end. */
export async function perform(start: Start, size: number, words: readonly string[], program = 'communicator-contract'): Promise<Ran> {
  const stdout = new Text()
  const stderr = new Text()
  const failures: string[] = []
  const error = await start(size, program, words, {
    stdout,
    stderr,
    signal: AbortSignal.timeout(WITHIN_MS),
    onFailure: ({ message }) => failures.push(message),
  }).then(
    () => null,
    (reason: unknown) => reason,
  )
  const lines = stdout.text.split('\n').filter((line) => line.startsWith('{'))
  return { lines: lines.map((line) => JSON.parse(line)), failures, error, stderr: stderr.text }
}

/** Every rank did every scenario. */
function expectAll(ran: Ran, size: number, scenarios: readonly string[]): void {
  expect(ran).toMatchObject({ error: null, failures: [], stderr: '' })
  const done = ran.lines.map(({ scenario, rank }) => `${scenario} ${rank}`).sort()
  const expected = scenarios.flatMap((name) => Array.from({ length: size }, (_, rank) => `${name.replace(/:.*/, '')} ${rank}`)).sort()
  expect(done).toEqual(expected)
}

export function contractTests(start: Start): void {
  const run = (size: number, ...words: string[]): Promise<Ran> => perform(start, size, words)

  test.each(SIZES)('hand messages over whole and in order, between %i of them', async (size) => {
    const scenarios = ['order', 'sizes', 'many', 'self', 'late', 'busy']
    expectAll(await run(size, ...scenarios), size, scenarios)
  })

  test.each(['0123', '3210', '2031', '0', '01'])(
    'leave in any order, such as %s, and serve the others until all have left',
    async (sequence) => {
      const ran = await run(sequence.length, `leave:${sequence}`)
      expectAll(ran, sequence.length, ['leave'])
      for (const { rank, answers } of ran.lines) expect({ rank, answers }).toEqual({ rank, answers: rank === 0 ? 0 : 1 })
    },
  )

  test.each(SIZES)('leave by themselves when their programs end, and still serve: %i', async (size) => {
    expectAll(await run(size, 'end'), size, ['end'])
  })

  test('cost nothing while they wait', async () => {
    expectAll(await run(2, 'idle:500'), 2, ['idle'])
  })

  test('are told of one that exits with code 0: it left', async () => {
    const ran = await run(3, 'die:0')
    expect(ran).toMatchObject({ error: null, stderr: '' })
    expect(ran.lines.map(({ rank, died }) => ({ rank, died })).sort(byRank)).toEqual([
      { rank: 0, died: false },
      { rank: 1, died: false },
    ])
  })

  test('are told of one that exits with another code: it died; and the launcher says which', async () => {
    const ran = await run(3, 'die:7')
    expect(ran.error).toBeInstanceOf(RankError)
    expect(ran.error).toMatchObject({ code: 'LOCK_UNAVAILABLE', rank: 2, exitCode: 7, signal: null })
    expect(ran.failures).toEqual(['Rank 2 of 3 ended with exit code 7.'])
    expect(ran.lines.map(({ died, why }) => ({ died, why }))).toEqual(
      new Array(2).fill({ died: true, why: 'Rank 2 ended with exit code 7.' }),
    )
  })

  test('are told of one that ends with an error, and of what', async () => {
    const ran = await run(3, 'die:throw')
    expect(ran.error).toMatchObject({ rank: 2, exitCode: 1 })
    expect(ran.lines.map(({ why }) => why)).toEqual(new Array(2).fill('Rank 2 ended with Error: thrown on purpose.'))
  })

  test.each(['abort', 'abort:exit'])('hear that the group was aborted, and why, and so does who started them: %s', async (scenario) => {
    const ran = await run(4, scenario)
    expect(isLockError(ran.error, 'LOCK_UNAVAILABLE') && !(ran.error instanceof RankError)).toBe(true)
    const reason = 'Rank 3 aborted the group: the reason'
    expect(ran.error).toMatchObject({ message: reason })
    expect(ran.failures).toEqual(scenario === 'abort' ? [reason] : [reason, 'Rank 3 of 4 ended with exit code 1.'])
    expect(ran.lines.map((line) => line.reason)).toEqual(new Array(scenario === 'abort' ? 4 : 3).fill(reason))
  })

  test('are told of one that ends without ever taking part', async () => {
    const left = await perform(start, 3, ['absent:10'], 'communicator-absent')
    expect(left).toMatchObject({ error: null, stderr: '' })
    expect(left.lines.map(({ rank, died }) => ({ rank, died })).sort(byRank)).toEqual([
      { rank: 0, died: false },
      { rank: 2, died: false },
    ])
    const died = await perform(start, 2, ['absent:05'], 'communicator-absent')
    expect(died.error).toMatchObject({ rank: 0, exitCode: 5 })
    expect(died.lines).toMatchObject([{ rank: 1, died: true, why: 'Rank 0 of 2 ended with exit code 5.' }])
  })

  test('are as many as were asked for, which is a number', async () => {
    for (const size of [0, -1, 1.5, Number.NaN]) {
      await expect(start(size, 'communicator-contract', [], {})).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    }
  })

  test('end when whoever started them gives up', async () => {
    const giveUp = new AbortController()
    const running = start(2, 'communicator-contract', ['orphan'], { stdout: new Text(), signal: giveUp.signal })
    giveUp.abort(new Error('given up'))
    await expect(running).rejects.toThrow('given up')
    await expect(start(2, 'communicator-contract', ['orphan'], { signal: giveUp.signal })).rejects.toThrow('given up')
  })
}

function byRank(one: { readonly rank: unknown }, other: { readonly rank: unknown }): number {
  return Number(one.rank) - Number(other.rank)
}

/** Keeps what is written. */
export class Text extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: unknown, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
