// SPDX-License-Identifier: MIT
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { holdfast, place, start, UNTIL_TOLD } from './program.ts'

describe('holdfast run', () => {
  test.each([
    ['the command’s own', ['sh', '-c', 'exit 7'], 7],
    ['0 when all went well', ['true'], 0],
    ['127 when there is no such command', ['no-such-command'], 127],
    ['126 when it cannot be executed', ['/etc/passwd'], 126],
    ['126 when it is a directory', ['/tmp'], 126],
    ['128 + n when signal n ended it', ['sh', '-c', 'kill -9 $$'], 137],
  ])('ends with an exit code as a shell gives it: %s', async (_what, command, code) => {
    expect(await holdfast(['run', '--on', 'memory:', '/x', '--', ...command])).toMatchObject({ code, stdout: '' })
  })

  test.each([
    ['no-such-command', 'holdfast: no-such-command: command not found\n'],
    ['/tmp', 'holdfast: /tmp: cannot be executed: permission denied, or not a program\n'],
  ])('says why %s did not run', async (command, stderr) => {
    expect(await holdfast(['run', '--on', 'memory:', '/x', command])).toMatchObject({ stderr })
  })

  test('gives the command its words, its streams and its surroundings untouched', async () => {
    const program = start(['run', '--on', 'memory:', '/x', '--', 'sh', '-c', 'cat; echo "$2 $COLOUR" >&2; pwd', 'sh', '--', '-n *'], {
      env: { COLOUR: 'red' },
      cwd: '/tmp',
    })
    program.child.stdin?.write('hello\n')
    expect(await program.finish()).toMatchObject({ code: 0, stdout: 'hello\n/tmp\n', stderr: '-n * red\n' })
  })

  test('keeps the lock while the command runs, and no longer', async () => {
    const { url, locks } = place()
    const program = start(['run', '--on', url, '/a', '--', ...UNTIL_TOLD])
    await program.says(/ready/)
    const here = await locks()
    expect(await here.tryRead('/a/b')).toBeNull()
    await program.finish()
    const lease = await here.tryWrite('/a')
    expect(lease).not.toBeNull()
    await lease?.release()
    await here.close()
  })

  test('takes several paths to read and to write, all or nothing', async () => {
    const { url, locks } = place()
    const here = await locks()
    const other = await here.write('/to/sub')
    const words = ['run', '-n', '--on', url, '--read', '/from', '--write', '/to', '--read', '/also', '--', 'true']
    expect(await holdfast(words)).toMatchObject({ code: 75 })
    expect(await here.tryWrite('/from')).not.toBeNull()
    await other.release()
  })

  test('puts a fencing token that rises into HOLDFAST_TOKEN', async () => {
    const { url } = place()
    const words = ['run', '--on', url, '/a', '--', 'printenv', 'HOLDFAST_TOKEN']
    const first = await holdfast(words)
    const second = await holdfast(words)
    expect(first.stdout).toMatch(/^\d+\n$/)
    expect(BigInt(second.stdout)).toBeGreaterThan(BigInt(first.stdout))
  })

  test('shows the command and the name to those who ask who holds the lock', async () => {
    const { url, locks } = place()
    const program = start(['run', '--on', url, '--name', 'nightly', '/a', '--', ...UNTIL_TOLD])
    await program.says(/ready/)
    const here = await locks()
    const [holder] = (await here.inspect()).holders
    expect(holder).toMatchObject({ name: 'nightly', owner: { pid: program.child.pid, command: expect.stringMatching(/^sh -c echo/) } })
    await program.finish()
    await here.close()
  })

  test('finds the locks by HOLDFAST_URL where --on is not given', async () => {
    const { url, directory } = place()
    expect(await holdfast(['run', '/a', 'true'], { env: { HOLDFAST_URL: url } })).toMatchObject({ code: 0 })
    expect(existsSync(directory)).toBe(true)
  })

  test('resolves a path that does not start with a slash against the working directory', async () => {
    const words = ['run', '--on', 'memory:', '--verbose', '--read', './data', '--write', 'out/', '--write', '/abs/', 'true']
    const { stderr } = await holdfast(words, { cwd: '/usr' })
    expect(stderr).toContain('write /usr/out, write /abs, read /usr/data')
  })

  test('reports with --verbose how long the lock took, which token it has, and what runs', async () => {
    const { stderr } = await holdfast(['run', '--on', 'memory:', '--verbose', '/a', '--', 'echo', 'b'])
    expect(stderr).toMatch(/^holdfast: got the lock to write \/a after \d+\.\d{3} s, token 1\nholdfast: running echo b\n$/)
  })

  test('says nothing of its own without --verbose', async () => {
    expect(await holdfast(['run', '--on', 'memory:', '/a', 'true'])).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
  })
})

describe('A lock that is busy', () => {
  test.each([
    [['-n'], 75],
    [['--nonblock'], 75],
    [['-w', '0'], 75],
    [['--timeout', '.05'], 75],
    [['-n', '-E', '3'], 3],
    [['-w', '.05', '--conflict-exit-code', '4'], 4],
  ])('ends %j with %i, without running the command', async (words, code) => {
    const { url, locks } = place()
    const here = await locks()
    await here.write('/a', { name: 'me' })
    const result = await holdfast(['run', '--on', url, ...words, '/a', 'echo', 'ran'])
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toMatch(/^holdfast: .*write \/a\..*\(LOCK_TIMEOUT\)\n$/)
  })

  test('is not worth a word when -E 0 says that it is no failure', async () => {
    const { url, locks } = place()
    const here = await locks()
    await here.write('/a')
    expect(await holdfast(['run', '--on', url, '-n', '-E', '0', '/a', 'echo', 'ran'])).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  test('lets readers in beside readers', async () => {
    const { url, locks } = place()
    const here = await locks()
    await here.read('/a')
    expect(await holdfast(['run', '--on', url, '-ns', '/a', 'echo', 'ran'])).toMatchObject({ code: 0, stdout: 'ran\n' })
    expect(await holdfast(['run', '--on', url, '-nx', '/a', 'echo', 'ran'])).toMatchObject({ code: 75, stdout: '' })
  })

  test('is waited for, and the wait is explained after a second: for whom, since when', async () => {
    const { url, locks } = place()
    const here = await locks()
    const lease = await here.write('/a', { name: 'import' })
    const program = start(['run', '--on', url, '-s', '/a/b', '--', 'echo', 'ran'])
    await program.says(
      /^holdfast: waiting to read \/a\/b: "import", pid \d+ on .+ has had the lock to write \/a since [\d:]{8} \(\d+ s\)\n$/,
      'stderr',
    )
    await lease.release()
    expect(await program.ended).toMatchObject({ code: 0, stdout: 'ran\n' })
  })
})

describe('Words as flock(1) takes them', () => {
  test.each<[string, string, string]>([
    ['/p echo a', 'write /p', 'echo a'],
    ['-x /p echo a', 'write /p', 'echo a'],
    ['-e /p echo a', 'write /p', 'echo a'],
    ['--exclusive /p echo -n', 'write /p', 'echo -n'],
    ['-s /p echo a', 'read /p', 'echo a'],
    ['-s -x /p echo a', 'write /p', 'echo a'],
    ['-xs /p echo a', 'read /p', 'echo a'],
    ['--shared --nb /p echo a', 'read /p', 'echo a'],
    ['--wait .5 /p echo a', 'write /p', 'echo a'],
    ['-w5 /p -- echo a', 'write /p', 'echo a'],
    ['/p --timeout 5 -s -- echo a', 'read /p', 'echo a'],
    ['/p -n echo a', 'write /p', 'echo a'],
    ['/p -c echo', 'write /p', '/bin/sh -c echo'],
    ['-s --command echo /p', 'read /p', '/bin/sh -c echo'],
    ['/p echo a -- -n b', 'write /p', 'echo a -- -n b'],
    ['/p -- echo -- b', 'write /p', 'echo -- b'],
    ['--read /p echo /q', 'read /p', 'echo /q'],
    ['--read /p -- echo /q', 'read /p', 'echo /q'],
    ['--read /p -x /q -- echo a', 'write /q, read /p', 'echo a'],
    ['/p --read /q -- echo a', 'write /p, read /q', 'echo a'],
    ['--write=/p echo a', 'write /p', 'echo a'],
  ])('run %s', async (words, lock, command) => {
    const { stderr, code } = await holdfast(['run', '--on', 'memory:', '--verbose', ...words.split(' ')])
    expect(stderr.split('\n')).toEqual([expect.stringContaining(`got the lock to ${lock} after`), `holdfast: running ${command}`, ''])
    expect(code).toBe(0)
  })
})

describe('Wrong words', () => {
  test.each<[string[], string]>([
    [['run'], 'no path to lock'],
    [['run', '--', 'make'], 'no path to lock'],
    [['run', '/a'], 'no command to run'],
    [['run', '/a', '--'], 'no command to run'],
    [['run', '--read', '/a'], 'no command to run'],
    [['run', '--read', '/a', '-x', '--', 'make'], 'no path to lock'],
    [['run', '/a', '-c', 'true', 'more'], '"more" is too much'],
    [['run', '/a', '-c'], "'-c, --command <string>' argument missing"],
    [['run', '', 'true'], 'A lock path is not empty'],
    [['run', '/a', ''], 'the name of the command is empty'],
    [['run', '--tiemout', '3', '/a', 'true'], 'Did you mean --timeout?'],
    [['run', '/a', '--verbos', '--', 'true'], 'Did you mean --verbose?'],
    [['run', '-w', 'soon', '/a', 'true'], 'Seconds are a number such as 10 or 0.5.'],
    [['run', '-w', '-1', '/a', 'true'], 'Seconds are a number'],
    [['run', '-E', '256', '/a', 'true'], 'from 0 to 255'],
    [['run', '/a//b', 'true'], 'LOCK_INVALID'],
    [['run', '/a/../b', 'true'], 'resolve it first'],
    [['run', '--on', 'fil:', '/a', 'true'], 'Did you mean "file"? (CONFIG_INVALID)'],
    [['wait'], "missing required argument 'path'"],
    [['wait', '/a', '/b'], 'too many arguments'],
    [['status', '--jsn'], 'Did you mean --json?'],
    [['completion', 'csh'], 'Allowed choices are bash, zsh, fish'],
    [['rnu'], 'Did you mean run?'],
    [[], 'Usage: holdfast'],
  ])('%j end with 64 and a word of help on stderr', async (words, hint) => {
    const { url } = place()
    const { code, stdout, stderr } = await holdfast(words, { env: { HOLDFAST_URL: url } })
    expect(stderr).toContain(hint)
    expect(stderr).not.toContain('    at ')
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  })

  test('are found before anything is taken or made', async () => {
    const { url, directory } = place()
    await holdfast(['run', '--on', url, '/a', '--tiemout', '3', '--', 'true'])
    expect(existsSync(directory)).toBe(false)
  })

  test('show where they were found when HOLDFAST_DEBUG is set', async () => {
    const { stderr } = await holdfast(['status', '--on', 'fil:'], { env: { HOLDFAST_DEBUG: '1' } })
    expect(stderr).toMatch(/\(CONFIG_INVALID\)\nLockError: .*\n {4}at /)
  })

  test.each([
    ['is not available', 'file:/proc/holdfast', 69, 'LOCK_UNAVAILABLE'],
    ['is not permitted', 'file:/sys/holdfast', 77, 'LOCK_DENIED'],
  ])('are told apart from a place that %s', async (_what, url, code, word) => {
    expect(await holdfast(['run', '--on', url, '/a', 'true'])).toMatchObject({ code, stderr: expect.stringContaining(`(${word})`) })
  })
})
