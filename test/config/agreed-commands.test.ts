// SPDX-License-Identifier: MIT
// Commands under a lock on several engines: killed, stopped, and stubborn ones; and folders of the agreement that cannot be used.
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isRunning, MAIN, Program, type Result, start } from '../cli/program.ts'
import { configure, eventually, folder, nobody, opened, server } from './several.ts'

const STUBBORN: readonly string[] = ['sh', '-c', 'trap "" TERM; echo "ready $$"; while :; do sleep 0.05; done']

describe('A command under a lock', () => {
  test.each([[[]], [['--close']]])(
    'that does not end when the lease is lost keeps the others from another engine until it is gone: %j',
    async (more) => {
      const home = folder()
      const first = await server()
      const words = ['run', '--write', '/a', '--grace', '3', ...more, '--', ...STUBBORN]
      const run = start(words, configure(home, first.port, '600ms'))
      const [, pid] = await run.says(/ready (\d+)/)
      const file = opened(home)
      await first.kill()
      await run.says(/is lost/, 'stderr')
      let looks = 0
      while (isRunning(Number(pid))) {
        const others = file.others()
        if (isRunning(Number(pid))) expect(others).toBe('users')
        looks++
        await sleep(20)
      }
      expect(looks).toBeGreaterThan(50)
      await run.ended
      expect(file.others()).toBe('nobody')
    },
  )

  test('keeps its engine when its supervisor is killed, and shows that it does', async () => {
    const home = folder()
    const first = await server()
    const environment = configure(home, first.port, '600ms')
    const run = start(['run', '--write', '/a', '--', 'sh', '-c', 'echo "ready $$"; exec sleep 60'], environment)
    const [, pid] = await run.says(/ready (\d+)/)
    onTestFinished(() => {
      if (isRunning(Number(pid))) process.kill(Number(pid), 'SIGKILL')
    })
    const ended = once(run.child, 'exit')
    run.child.kill('SIGKILL')
    await ended
    await first.kill()
    const refused = await start(['run', '--write', '/a', '--', 'true'], environment).finish()
    expect(refused).toMatchObject({ code: 69, stderr: expect.stringContaining(`${pid}@`) })
    process.kill(Number(pid), 'SIGKILL')
    await eventually(() => expect(opened(home).others()).toBe('nobody'))
    expect(await start(['run', '--write', '/a', '--', 'true'], environment).finish()).toMatchObject({ code: 0 })
  })

  test('that stands still past its lease keeps the others from another engine, and knows when it goes on that it has lost', async () => {
    const home = folder()
    const first = await server()
    const environment = configure(home, first.port, '600ms')
    const run = start(['run', '--write', '/a', '--', 'sh', '-c', 'echo ready; exec sleep 60'], environment)
    await run.says(/ready/)
    run.child.kill('SIGSTOP')
    await first.kill()
    await sleep(1_000)
    const refused = await start(['run', '--write', '/a', '--', 'true'], environment).finish()
    expect(refused).toMatchObject({ code: 69, stderr: expect.stringContaining(`${run.child.pid}@`) })
    run.child.kill('SIGCONT')
    expect(await run.ended).toMatchObject({ code: 76, stderr: expect.stringContaining('is lost') })
    expect(await start(['run', '--write', '/a', '--', 'true'], environment).finish()).toMatchObject({ code: 0 })
  })
})

describe('An agreement folder', () => {
  const ALICE = 54_321

  /** Runs in a mount namespace of its own, with a small disk for the agreement, after these commands. */
  async function onSmallDisk(before: string): Promise<Result> {
    const home = folder()
    const environment = configure(home, (await nobody()).port, '600ms')
    mkdirSync(join(home, 'agreement'))
    const script = `mount -t tmpfs -o size=64k,nr_inodes=8 tmpfs ${home}/agreement && ${before}; exec "$@"`
    const words = ['-m', 'sh', '-c', script.replaceAll('FOLDER', `${home}/agreement`), 'sh', process.execPath, MAIN]
    return await new Program('unshare', [...words, 'run', '--write', '/a', '--', 'echo', 'ran'], environment).finish()
  }

  test('on a full disk is LOCK_UNAVAILABLE, unless the file is there', async () => {
    expect(await onSmallDisk('true')).toMatchObject({ code: 0, stdout: 'ran\n' })
    const full = await onSmallDisk('dd if=/dev/zero of=FOLDER/fill 2>FOLDER/../said')
    expect(full).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(/agreement folder .* cannot be used: .*full/) })
    const noInode = await onSmallDisk('for i in 1 2 3 4 5 6 7 8; do echo > FOLDER/$i; done 2>FOLDER/../said')
    expect(noInode).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(/agreement folder .* cannot be used: .*full/) })
  })

  test('that is read-only is LOCK_DENIED', async () => {
    const denied = await onSmallDisk('mount -o remount,ro FOLDER')
    expect(denied).toMatchObject({ code: 77, stdout: '', stderr: expect.stringMatching(/agreement folder .*read-only/) })
  })

  test('of somebody else is LOCK_DENIED, and one that was made for all is shared by all', async () => {
    const home = folder()
    const environment = configure(home, (await nobody()).port, '600ms')
    for (const name of ['', 'agreement', 'locks']) {
      mkdirSync(join(home, name), { recursive: true })
      chmodSync(join(home, name), name === 'agreement' ? 0o700 : 0o777)
    }
    const asAlice = (): Promise<Result> =>
      new Program(
        'setpriv',
        [`--reuid=${ALICE}`, `--regid=${ALICE}`, '--clear-groups', process.execPath, MAIN, 'run', '--write', '/a', '--', 'true'],
        environment,
      ).finish()
    expect(await asAlice()).toMatchObject({ code: 77, stderr: expect.stringContaining('agreement folder') })
    chmodSync(join(home, 'agreement'), 0o777)
    expect(await asAlice()).toMatchObject({ code: 0 })
    expect(await start(['run', '--write', '/a', '--', 'true'], environment).finish()).toMatchObject({ code: 0 })
    chownSync(join(home, 'agreement'), ALICE, ALICE)
    expect(await asAlice()).toMatchObject({ code: 0 })
  })
})
