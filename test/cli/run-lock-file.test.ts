// SPDX-License-Identifier: MIT
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { LockFile } from '../../src/compat/lock-file.ts'
import { python } from '../lock-file/foreign.ts'
import { holdfast, isRunning, start, UNTIL_TOLD } from './program.ts'

let path: string
let file: LockFile

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  path = join(folder, 'a.lock')
  file = new LockFile(path)
})

describe('holdfast run --lock-file', () => {
  test('locks that very file while the command runs, ends with its exit code, and says in the file who has it', async () => {
    const program = start(['run', '--lock-file', path, '--', 'sh', '-c', 'echo "ready $HOLDFAST_TOKEN"; read line; exit 7'])
    const [, token] = await program.says(/ready (\d+)/)
    const them = python('lockf')
    expect([await file.tryRead(), await them.take(path, 'write')]).toEqual([null, false])
    expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`\nheld now by pid ${program.child.pid} on \\S+ since \\S+: sh -c echo`))
    expect(await program.finish()).toMatchObject({ code: 7, stderr: '' })
    const lease = await file.tryWrite()
    expect(lease!.token).toBeGreaterThan(BigInt(token!))
    await lease!.release()
  })

  test('shares it with -s and --shared, wherever that stands', async () => {
    const lease = await file.read()
    for (const words of [
      ['-s', `--lock-file=${path}`],
      ['--lock-file', path, '--shared', '--'],
    ]) {
      expect(await holdfast(['run', '-n', ...words, 'echo', 'ran'])).toMatchObject({ code: 0, stdout: 'ran\n' })
    }
    expect(await holdfast(['run', '-n', '--lock-file', path, 'echo', 'ran'])).toMatchObject({ code: 75, stdout: '' })
    await lease.release()
  })

  test('takes a name relative to the working directory, and a command through the shell', async () => {
    const { stderr } = await holdfast(['run', '--verbose', '--lock-file', 'a.lock', '-c', 'test -e a.lock'], { cwd: join(path, '..') })
    expect(stderr).toMatch(new RegExp(`^holdfast: got the lock to write ${path} after `))
  })

  test('says for whom it waits, and fails in time as without it', async () => {
    writeFileSync(path, '')
    const them = python('flock')
    await them.take(path, 'write')
    const program = start(['run', '--lock-file', path, '--', 'echo', 'ran'])
    await program.says(new RegExp(`waiting to write ${path}: pid ${them.pid} on \\S+ \\(python3 .*\\) has had the lock`), 'stderr')
    const late = await holdfast(['run', '-w', '.1', '-E', '3', '--lock-file', path, '--', 'echo', 'ran'])
    expect(late).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('(LOCK_TIMEOUT)') })
    await them.unlock()
    expect(await program.ended).toMatchObject({ code: 0, stdout: 'ran\n' })
  })

  test('stops the command when the file is removed', async () => {
    const program = start(['run', '--lock-file', path, '--', ...UNTIL_TOLD])
    const [, pid] = await program.says(/ready (\d+)/)
    rmSync(path)
    expect(await program.ended).toMatchObject({ code: 76, stderr: expect.stringContaining('removed or replaced') })
    expect(isRunning(Number(pid))).toBe(false)
  })

  test.each([
    [[], 'the command inherits it and keeps the lock'],
    [['--close'], 'the command does not have it'],
  ])('with %j, when it is killed, %s', async (words, _what) => {
    const program = start(['run', ...words, '--lock-file', path, '--', 'sh', '-c', 'echo "ready $$"; exec sleep 60'])
    const [, pid] = await program.says(/ready (\d+)/)
    onTestFinished(() => {
      if (isRunning(Number(pid))) process.kill(Number(pid), 'SIGKILL')
    })
    const ended = new Promise((resolve) => program.child.once('exit', resolve))
    program.child.kill('SIGKILL')
    await ended
    const lease = await file.tryWrite()
    expect(lease !== null).toBe(words.length > 0)
    await lease?.release()
    const next = file.write({ timeout: 5000 })
    process.kill(Number(pid))
    await (await next).release()
  })

  test.each<[string[], number, string]>([
    [['--on', 'file:'], 64, '--on'],
    [['--read', '/x'], 64, '--read'],
    [['--write', '/x'], 64, '--write'],
  ])('cannot be joined with %j', async (words, code, word) => {
    const result = await holdfast(['run', '--lock-file', path, ...words, '--', 'true'])
    expect(result).toMatchObject({ code, stderr: expect.stringContaining(word) })
  })

  test('ends with the usual codes where the file cannot be locked', async () => {
    mkdirSync(path)
    expect(await holdfast(['run', '--lock-file', path, 'true'])).toMatchObject({ code: 64, stderr: expect.stringContaining('a folder') })
    expect(await holdfast(['run', '--lock-file', '', 'true'])).toMatchObject({ code: 64 })
    expect(await holdfast(['run', '--lock-file', path])).toMatchObject({ code: 64, stderr: expect.stringContaining('no command') })
  })
})
