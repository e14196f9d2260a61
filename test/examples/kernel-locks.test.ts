// SPDX-License-Identifier: MIT
// The programs of examples/kernel-locks find everything as docs/kernel-locks.md states it, and the page shows what they print.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Program } from '../cli/program.ts'

const home = resolve(import.meta.dirname, '../..')
const built = join(home, 'build/examples/kernel-locks')
const page = readFileSync(join(home, 'docs/kernel-locks.md'), 'utf8')
/** Each block of the page: a command, and what it prints. */
const blocks = new Map([...page.matchAll(/```console\n\$ (.*)\n([\s\S]*?)```/g)].map(([, command, output]) => [command!, output!]))

const folder = mkdtempSync(join(tmpdir(), 'kernel-locks-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Rejects when the exit code is not 0: when something is not as stated. */
async function run(command: string, options: { through?: readonly string[]; env?: NodeJS.ProcessEnv } = {}): Promise<string> {
  const [file = '', ...args] = [...(options.through ?? []), ...command.split(' ')]
  const { stdout } = await promisify(execFile)(file, args, { cwd: home, env: { ...process.env, ...options.env }, timeout: 25_000 })
  return stdout
}

describe.skipIf(process.platform !== 'linux')('The programs about kernel locks', () => {
  beforeAll(() => run('make -s -C examples/kernel-locks'))

  test('are all on the page.', () => {
    expect([...blocks.keys()].map((command) => command.replaceAll('build/examples/kernel-locks/', ''))).toEqual([
      'c-lock-test all --auto',
      'flock-sizes',
      'node flock-struct.js',
      'node lock-fcntl.js --auto',
      'node lock-fcntl.js ofd --auto',
      'node lock-flock.js --auto',
      'node overlayfs.js',
    ])
  })

  test.each([...blocks])('print what the page shows: %s', async (command, output) => {
    const printed = await run(command)
    // Other machines have their own numbers; that they are as stated is what the exit code says.
    if (process.arch === 'x64' || !command.endsWith('flock-sizes')) expect(printed).toBe(output)
  })

  test.each(['posix', 'lockf', 'ofd', 'flock'])('show one kind alone: c-lock-test %s --auto', async (kind) => {
    expect(await run(`${built}/c-lock-test ${kind} --auto`)).toMatch(/^A locks the file +granted: A +yes$/m)
  })

  test.each([
    ['tmpfs', 'mount -t tmpfs none "$0"'],
    ['overlayfs', 'mount -t tmpfs none "$0" && cd "$0" && mkdir l u w && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w "$0"'],
  ])('find the same on %s, in a PID namespace of their own.', async (_system, mount) => {
    const through = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', `${mount} && exec "$@"`, folder]
    const printed = await run(`${built}/c-lock-test all --auto`, { through, env: { TMPDIR: folder } })
    expect(printed).toBe(blocks.get('build/examples/kernel-locks/c-lock-test all --auto'))
  })

  test('refuse words that they do not know.', async () => {
    for (const program of [[join(built, 'c-lock-test')], [process.execPath, join(built, 'lock-flock.js')]]) {
      const { code, stderr } = await new Program(program[0]!, [...program.slice(1), '--what']).ended
      expect(code).toBe(64)
      expect(stderr).toMatch(/usage:/)
    }
  })
})

describe.skipIf(process.platform !== 'linux')('In two terminals', () => {
  const C = [join(built, 'c-lock-test')]
  const JS = [process.execPath, join(built, 'lock-fcntl.js')]

  /** A program in a terminal, whose user presses Enter when it is asked for something. */
  class Terminal {
    readonly program: Program

    constructor([file, ...words]: readonly string[], path: string) {
      this.program = new Program(file!, [...words, path])
    }

    async enter(what: string): Promise<void> {
      await this.program.says(new RegExp(`Press Enter: ${what}`))
      this.program.child.stdin?.write('\n')
    }
  }

  test.each([
    ['c-lock-test and c-lock-test', C, C],
    ['c-lock-test and lock-fcntl', C, JS],
    ['lock-fcntl and c-lock-test', JS, C],
  ])('one loses its F_SETLK lock to the other by closing a second descriptor: %s', async (_name, first, second) => {
    const [one, other] = [new Terminal(first, join(folder, 'posix')), new Terminal(second, join(folder, 'posix'))]
    await one.enter('ask for the lock')
    await one.program.says(/held by: \d+ \(this process\)\n/)
    await other.enter('ask for the lock')
    await other.program.says(/refused/)
    await other.enter('wait for it')
    await one.enter('open the file again')
    await other.program.says(/granted/)
  })

  test('one keeps its F_OFD_SETLK lock, until the child that has a copy is dead.', async () => {
    const [one, other] = [new Terminal([...JS, 'ofd'], join(folder, 'ofd')), new Terminal([...C, 'ofd'], join(folder, 'ofd'))]
    await one.enter('ask for the lock')
    await one.program.says(/granted/)
    await other.enter('ask for the lock')
    await other.program.says(/refused/)
    await one.enter('open the file again')
    await one.program.says(/Closed\. Can[^\n]*\n.*held by: \d+ \(this process\)\n/)
    await one.enter('ask for the lock again')
    await one.enter('start a program')
    await one.program.says(/Closed\. The[^\n]*\n.*held by: \d+ \(its child\)\n/)
    await other.enter('wait for it')
    await one.enter('kill the program')
    await other.program.says(/granted/)
    expect((await one.program.ended).code).toBe(0)
  })
})
