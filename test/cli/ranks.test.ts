// SPDX-License-Identifier: MIT
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { holdfast, isRunning, type Program, start } from './program.ts'

const CONTRACT = fileURLToPath(new URL('../../build/test/programs/communicator-contract.js', import.meta.url))

/** Ranks that wait for the end of their group: they, and their process ids. */
async function waiting(): Promise<{ readonly program: Program; readonly pids: readonly number[] }> {
  const program = start(['ranks', '-n', '2', CONTRACT, 'orphan'])
  const said = await program.says(/pid \d+\n(?:.*\n)*?pid \d+\n/)
  const pids = [...said[0].matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid))
  onTestFinished(() => {
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  return { program, pids }
}

describe('holdfast ranks', () => {
  test('runs a program as many times as it is told, and passes its output on', async () => {
    const { code, stdout, stderr } = await holdfast(['ranks', '-n', '3', '--', CONTRACT, 'self', 'leave'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { scenario: string; rank: number; size: number })
    expect(
      lines
        .filter(({ scenario, size }) => scenario === 'self' && size === 3)
        .map(({ rank }) => rank)
        .sort(),
    ).toEqual([0, 1, 2])
  })

  test('ends with the exit code of the rank that failed first, and says which it was', async () => {
    expect(await holdfast(['ranks', '-n', '2', CONTRACT, 'die:9'])).toMatchObject({
      code: 9,
      stderr: 'holdfast: Rank 1 of 2 ended with exit code 9.\n',
    })
    expect(await holdfast(['ranks', '-n', '2', CONTRACT, 'die:kill'])).toMatchObject({
      code: 137,
      stderr: 'holdfast: Rank 1 of 2 was ended by SIGKILL.\n',
    })
    expect(await holdfast(['ranks', '-n', '2', CONTRACT, 'abort'])).toMatchObject({
      code: 69,
      stderr: 'holdfast: Rank 1 aborted the group: the reason\n',
    })
  })

  test('lets rank 0 read the input', async () => {
    const script = 'process.stdin.on("data", (data) => process.stdout.write(process.env.HOLDFAST_RANK.split(" ")[0] + ": " + data))'
    const program = start(['ranks', '-n', '2', '--', '-e', script])
    program.child.stdin!.end('a line\n')
    expect(await program.ended).toMatchObject({ code: 0, stdout: '0: a line\n' })
  })

  test('need not be awake for the ranks to hear at once that one was killed', async () => {
    const program = start(['ranks', '-n', '3', CONTRACT, 'die:kill-unseen'])
    onTestFinished(() => void program.child.kill('SIGCONT'))
    const { code, stdout } = await program.ended
    expect(code).toBe(137)
    expect(stdout).toContain('"why":"Rank 2 was killed, or crashed."')
  })

  test('hands SIGTERM on to the ranks, and ends by it', async () => {
    const { program, pids } = await waiting()
    program.child.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ code: null, signal: 'SIGTERM' })
    expect(pids.filter(isRunning)).toEqual([])
  })

  test('leaves a group that is over when it is killed', async () => {
    const { program } = await waiting()
    program.child.kill('SIGKILL')
    // The output ends when the ranks have ended.
    const { stdout } = await program.ended
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
    const over = { code: 'LOCK_UNAVAILABLE', reason: 'The program that started the group is gone.' }
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([over, over])
  })

  test.each([
    [['ranks', CONTRACT], 64],
    [['ranks', '-n', '0', CONTRACT], 64],
    [['ranks', '-n', 'two', CONTRACT], 64],
    [['ranks', '-n', '2'], 64],
  ])('is used with a number and a program: %j is wrong usage', async (words, code) => {
    expect(await holdfast(words)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining('Try "holdfast ranks --help"') })
  })

  test('has help, with examples and exit codes', async () => {
    const { code, stdout } = await holdfast(['ranks', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('Examples:\n  ')
    expect(stdout).toContain('128+n')
  })
})
