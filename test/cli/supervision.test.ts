// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { holdfast, isRunning, MAIN, type Place, Program, place, start, UNTIL_TOLD } from './program.ts'

/** Runs a command under the lock `/a`, and answers when it says `ready` and its pid. */
async function underLock(
  { url }: Place,
  command: readonly string[],
  options: readonly string[] = [],
): Promise<{ program: Program; pid: number }> {
  const program = start(['run', '--on', url, ...options, '/a', '--', ...command])
  const [, pid] = await program.says(/ready (\d+)/)
  return { program, pid: Number(pid) }
}

/** Resolves when the process has ended, of which nobody but its parent is told. */
async function gone(pid: number): Promise<void> {
  await expect.poll(() => isRunning(pid), { interval: 5, timeout: 10_000 }).toBe(false)
}

/** The holder may be writing there at the same moment. */
function remove({ directory }: Place): void {
  rmSync(directory, { recursive: true, maxRetries: 10 })
}

function groupOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2])
}

function openFiles(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
}

/** Kills the supervisor; the command is ended by `end`. */
async function orphaned(there: Place, command: readonly string[], options?: readonly string[]): Promise<{ pid: number; end: () => void }> {
  const { program, pid } = await underLock(there, command, options)
  program.child.kill('SIGKILL')
  await new Promise((resolve) => program.child.once('exit', resolve))
  onTestFinished(() => {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  return { pid, end: () => process.kill(pid) }
}

const SLEEPER: readonly string[] = ['sh', '-c', 'echo "ready $$"; exec sleep 60']

describe('A supervisor that is killed with SIGKILL', () => {
  test('leaves the lock to the command, which inherits its descriptors, until that ends', async () => {
    const there = place()
    const { pid, end } = await orphaned(there, SLEEPER)
    const here = await there.locks()
    expect(isRunning(pid)).toBe(true)
    expect(await here.tryRead('/a')).toBeNull()
    const next = here.write('/a')
    end()
    await (await next).release()
    await here.close()
  })

  test('leaves the lock to a shell script that uses the descriptors 3 to 9 for itself', async () => {
    const there = place()
    const script = 'for n in 3 4 5 6 7 8 9; do eval "exec $n>/dev/null"; done; echo "ready $$"; exec sleep 60'
    const { end } = await orphaned(there, ['sh', '-c', script])
    const here = await there.locks()
    expect(await here.tryRead('/a')).toBeNull()
    end()
    await (await here.write('/a')).release()
    await here.close()
  })

  test('frees the lock at once when --close kept the descriptors from the command', async () => {
    const there = place()
    const { pid } = await orphaned(there, SLEEPER, ['--close'])
    const here = await there.locks()
    await (await here.write('/a')).release()
    expect(isRunning(pid)).toBe(true)
    await here.close()
  })

  test('is spoken of to those who wait for the command that it left', async () => {
    const there = place()
    const { pid, end } = await orphaned(there, SLEEPER)
    const waiter = start(['run', '--on', there.url, '/a', 'true'])
    await waiter.says(
      new RegExp(`waiting to write /a: perhaps for pid ${pid} on .+ \\(sleep 60\\), which does not say what it holds\n`),
      'stderr',
    )
    expect((await holdfast(['status', '--on', there.url])).stdout).toMatch(new RegExp(`^\\? +silent +${pid}@.* sleep 60$`, 'm'))
    end()
    expect(await waiter.ended).toMatchObject({ code: 0 })
  })
})

describe('The end of the command', () => {
  test('frees the lock though a grandchild lives on with the descriptors', async () => {
    const there = place()
    const { program, pid } = await underLock(there, ['sh', '-c', 'sleep 60 > /dev/null 2>&1 < /dev/null & echo "ready $!"'])
    expect(await program.ended).toMatchObject({ code: 0 })
    expect(isRunning(pid)).toBe(true)
    expect(openFiles(pid)).toEqual(expect.arrayContaining([expect.stringContaining(there.directory)]))
    const here = await there.locks()
    const lease = await here.tryWrite('/a')
    expect(lease).not.toBeNull()
    await lease?.release()
    await here.close()
    process.kill(pid, 'SIGKILL')
  })
})

describe('A signal to the supervisor', () => {
  test.each<[NodeJS.Signals, number]>([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
  ])('%s is passed on to the command and what it started; it ends with %i if the command dies of it', async (signal, code) => {
    const there = place()
    const { program, pid } = await underLock(there, ['sh', '-c', 'sh -c \'echo "ready $$"; exec sleep 60\'; true'])
    program.child.kill(signal)
    expect(await program.ended).toMatchObject({ code })
    await gone(pid)
  })

  test('leaves the exit code to a command that handles it', async () => {
    const there = place()
    const { program } = await underLock(there, ['sh', '-c', 'trap "echo bye; exit 9" TERM; echo "ready $$"; while :; do sleep 0.02; done'])
    program.child.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ code: 9, stdout: expect.stringContaining('bye') })
  })

  test('ends a wait, with 128 + n and without running the command', async () => {
    const there = place()
    const here = await there.locks()
    const lease = await here.write('/a')
    const program = start(['run', '--on', there.url, '/a', 'echo', 'ran'])
    await program.says(/waiting/, 'stderr')
    program.child.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ code: 143, stdout: '' })
    expect((await here.inspect()).waiters).toEqual([])
    await lease.release()
  })
})

describe('A lock that is lost', () => {
  test('stops the command and everything that it started, with 76', async () => {
    const there = place()
    const { program, pid } = await underLock(there, ['sh', '-c', 'sleep 60 & echo "ready $!"; wait'])
    remove(there)
    const { code, stderr } = await program.ended
    expect({ code, stderr }).toEqual({ code: 76, stderr: expect.stringContaining('the lock to write /a is lost: stopping the command.') })
    await gone(pid)
  })

  test('is a chance for the command to end well, which does not change the 76', async () => {
    const there = place()
    const { program } = await underLock(there, [
      'sh',
      '-c',
      'trap "echo saved; exit 0" TERM; echo "ready $$"; while :; do sleep 0.02; done',
    ])
    remove(there)
    expect(await program.ended).toMatchObject({ code: 76, stdout: expect.stringContaining('saved') })
  })

  test('lets a command that is stopped go on, so that it can end', async () => {
    const there = place()
    const { program } = await underLock(there, ['sh', '-c', 'trap "echo bye; exit" TERM; echo "ready $$"; kill -STOP $$; sleep 60'])
    remove(there)
    expect(await program.ended).toMatchObject({ code: 76, stdout: expect.stringContaining('bye') })
  })

  test('kills with SIGKILL whoever is left after --grace', async () => {
    const there = place()
    const stubborn = 'trap "" TERM; sleep 60 & echo "ready $!"; wait; wait'
    const { program, pid } = await underLock(there, ['sh', '-c', stubborn], ['--grace', '0.2'])
    remove(there)
    expect(await program.ended).toMatchObject({ code: 76 })
    await gone(pid)
  })

  test('kills at once with --grace 0', async () => {
    const there = place()
    const { program } = await underLock(
      there,
      ['sh', '-c', 'trap "echo never" TERM; echo "ready $$"; while :; do sleep 0.02; done'],
      ['--grace', '0'],
    )
    remove(there)
    expect(await program.ended).toMatchObject({ code: 76, stdout: expect.not.stringContaining('never') })
  })
})

describe('The process group of the command', () => {
  test('is its own without a terminal', async () => {
    const there = place()
    const { program, pid } = await underLock(there, UNTIL_TOLD)
    expect(groupOf(pid)).toBe(pid)
    await program.finish()
  })

  /** The same, on a terminal of its own. */
  function onTerminal(words: readonly string[]): Program {
    const line = [process.execPath, MAIN, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    return new Program('script', ['-qec', `exec ${line}`, '/dev/null'], { env: { SHELL: '/bin/sh' } })
  }
  const terminal = existsSync('/usr/bin/script') ? test : test.skip

  terminal('is that of the supervisor in the foreground of a terminal', async () => {
    const { url } = place()
    const program = onTerminal(['run', '--on', url, '/a', '--', ...UNTIL_TOLD])
    const pid = Number((await program.says(/ready (\d+)/))[1])
    const supervisor = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])
    expect(groupOf(pid)).toBe(groupOf(supervisor))
    program.child.stdin?.write('\n')
    expect(await program.ended).toMatchObject({ code: 0 })
  })

  terminal('gets ^C once, from the terminal, and the supervisor ends as the command does', async () => {
    const { url } = place()
    const script = 'trap "echo caught" INT; echo "ready $$"; read line; sleep 0.3; exit 5'
    const program = onTerminal(['run', '--on', url, '/a', '--', 'sh', '-c', script])
    await program.says(/ready/)
    program.child.stdin?.write('\x03')
    await program.says(/caught/)
    program.child.stdin?.write('\n')
    const { code, stdout } = await program.ended
    expect(code).toBe(5)
    expect(stdout.match(/caught/g)).toHaveLength(1)
  })

  terminal('dies of ^C together with the command, so that the loop of a shell around them ends', async () => {
    const { url } = place()
    const loop = `for i in 1 2 3; do '${process.execPath}' '${MAIN}' run --on '${url}' /a -- '${process.execPath}' -e 'console.log("ready"); setTimeout(String, 60000)'; done; echo went on`
    const program = new Program('script', ['-qec', `exec bash -c '${loop.replaceAll("'", "'\\''")}'`, '/dev/null'], {
      env: { SHELL: '/bin/sh' },
    })
    await program.says(/ready/)
    program.child.stdin?.write('\x03')
    const { stdout } = await program.ended
    expect(stdout.match(/ready/g)).toHaveLength(1)
    expect(stdout).not.toContain('went on')
  })

  terminal('is spared at a terminal when the lock is lost; the command and its descendants are not', async () => {
    const there = place()
    const program = onTerminal(['run', '--on', there.url, '/a', '--', 'sh', '-c', 'sh -c "sleep 60 & echo \\"ready \\$!\\"; wait"; true'])
    const pid = Number((await program.says(/ready (\d+)/))[1])
    remove(there)
    expect(await program.ended).toMatchObject({ code: 76 })
    await gone(pid)
  })
})

describe('Descriptors', () => {
  test('that a shell opens for <(…) reach the command', async () => {
    const { url } = place()
    const program = new Program('bash', ['-c', `'${process.execPath}' '${MAIN}' run --on '${url}' /a -- cat <(echo from the shell)`])
    expect(await program.finish()).toMatchObject({ code: 0, stdout: 'from the shell\n' })
  })

  test('of low numbers that an argument names reach the command', async () => {
    const { url } = place()
    const program = new Program('bash', ['-c', `'${process.execPath}' '${MAIN}' run --on '${url}' /a -- cat /dev/fd/3 3< <(echo three)`])
    expect(await program.finish()).toMatchObject({ code: 0, stdout: 'three\n' })
  })
})

test('holdfast run waits for nothing when its stdout is closed early', async () => {
  expect(await holdfast(['run', '--on', 'memory:', '/a', '--', 'sh', '-c', 'exec >&-; exit 3'])).toMatchObject({ code: 3 })
})
