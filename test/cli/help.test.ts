// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { EXIT, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { ageOf, clockTime, printable } from '../../src/cli/output.ts'
import { lockPath } from '../../src/cli/paths.ts'
import { LockError } from '../../src/core/errors.ts'
import { holdfast, MAIN, Program } from './program.ts'

describe('Help', () => {
  test.each([
    [['--help']],
    [['help', 'run']],
    [['run', '--help']],
    [['status', '-h']],
    [['wait', '-h']],
    [['verify', '-h']],
    [['torture', '-h']],
    [['h5', '-h']],
    [['completion', '-h']],
  ])('%j is printed on stdout, with examples, and ends with 0', async (words) => {
    const { code, stdout, stderr } = await holdfast(words)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Examples:\n  ')
    expect(stdout).not.toContain('\u001b')
  })

  test('of run names every exit code that it has of its own', async () => {
    const { stdout } = await holdfast(['run', '--help'])
    const elsewhere: readonly number[] = [EXIT.internal, EXIT.signalled, EXIT.badData, EXIT.noInput, EXIT.inputOutput, EXIT.failed]
    for (const code of Object.values(EXIT).filter((one) => !elsewhere.includes(one)))
      expect(stdout).toMatch(new RegExp(`^ {2}.*\\b${code}\\b {2,}`, 'm'))
    expect(stdout).toContain('128+n')
  })

  test('hides the other spellings that flock(1) has', async () => {
    const { stdout } = await holdfast(['run', '--help'])
    expect(stdout).not.toMatch(/--nb\b|--wait|--path/)
  })
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  expect(await holdfast(['--version'])).toMatchObject({ code: 0, stdout: `holdfast ${version}\n` })
})

test.each([
  ['LOCK_TIMEOUT', 75],
  ['LOCK_LOST', 76],
  ['LOCK_DENIED', 77],
  ['LOCK_UNAVAILABLE', 69],
  ['LOCK_UNSUPPORTED', 69],
  ['LOCK_SPLIT', 69],
  ['LOCK_INVALID', 64],
  ['CONFIG_INVALID', 64],
] as const)('%s ends with %i', (code, exitCode) => {
  expect(exitCodeOf(new LockError(code, ''))).toBe(exitCode)
})

test('what nobody foresaw ends with 70', () => {
  expect(exitCodeOf(new TypeError('x is not a function'))).toBe(70)
})

test.each([
  ['/a/b', '/a/b'],
  ['/a/b/', '/a/b'],
  ['/', '/'],
  ['a', '/home/me/a'],
  ['./a/', '/home/me/a'],
  ['../a', '/home/a'],
  ['.', '/home/me'],
])('the path %j means %s in /home/me', (text, path) => {
  expect(lockPath(text, '/home/me')).toBe(path)
})

test.each(['//', '/a//b', '/a/../b', '/a/./b', '/a//'])('an absolute path such as %j is not tidied up, but refused later', (text) => {
  expect(lockPath(text)).toMatch(/\/\/|\/\.|\/$/)
})

test('ages have one unit', () => {
  const now = Date.parse('2026-05-04T12:00:00Z')
  const age = (seconds: number): string => ageOf(new Date(now - seconds * 1000).toISOString(), now)
  expect([0, 59, 60, 3599, 3600, 86_400].map(age)).toEqual(['0 s', '59 s', '1 min', '59 min', '1 h', '1 d'])
  expect(age(-5)).toBe('0 s')
})

test('times of another day have their date', () => {
  const now = new Date(2026, 4, 4, 12, 0, 0).getTime()
  expect(clockTime(new Date(2026, 4, 4, 9, 5, 7).toISOString(), now)).toBe('09:05:07')
  expect(clockTime(new Date(2026, 4, 3, 9, 5, 7).toISOString(), now)).toBe('2026-05-03 09:05:07')
})

test('text of others cannot steer the terminal', () => {
  expect(printable('a\u001b]0;x\u0007\u202eé')).toBe('a\\x1b]0;x\\x07\\u202eé')
})

test('Node’s warnings are one line, and the one about long waits is left to the line about whom', async () => {
  const output = new URL('output.js', `file://${MAIN}`).href
  const script = `import { takeOverWarnings } from '${output}'
    takeOverWarnings()
    process.emitWarning('long', { code: 'HOLDFAST_LONG_WAIT' })
    process.emitWarning('other')`
  const { stderr } = await new Program(process.execPath, ['--input-type=module', '-e', script]).finish()
  expect(stderr).toBe('holdfast: warning: other\n')
})

test('a disk that is full is an error of the output, in one line', async () => {
  const program = new Program('sh', ['-c', `'${process.execPath}' '${MAIN}' status --on memory: > /dev/full`])
  expect(await program.finish()).toMatchObject({ code: 70, stderr: expect.stringMatching(/^holdfast: .*\(ENOSPC\)\n$/) })
})
