// SPDX-License-Identifier: MIT
// Every user has 128 inotify instances. A process that gets none looks again and again instead.
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import type { LockSpace } from '../../src/index.ts'
import { Agent, agentIn, until } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

let directory: string
let here: LockSpace
let blind: Agent

beforeEach(async () => {
  directory = join(temporaryFolder(), 'locks')
  mkdirSync(directory)
  chmodSync(directory, 0o777)
  here = openSpace(directory)
  // A user that nobody else is, and that has no instance left.
  const uid = 200_000 + Math.trunc(Math.random() * 1_000_000_000)
  const greedy = await Agent.start({ uid })
  expect(await greedy.tell<number>('exhaustInotify')).toBeGreaterThan(0)
  blind = await agentIn(directory, {}, { uid })
  expect(await blind.tell('exhaustInotify')).toBe(0)
})

test('waiting works, in both directions, and when the holder is killed', async () => {
  for (let round = 0; round < 3; round++) {
    const lease = await here.write('/a')
    const { granted } = await blind.wait({ write: round === 1 ? '/' : '/a' })
    const released = performance.now()
    await lease.release()
    await granted
    expect(performance.now() - released).toBeLessThan(1000)
    const mine = here.read('/a')
    await until(() => here.waiting === 1)
    await blind.release()
    await (await mine).release()
  }
  const other = await agentIn(directory)
  await other.lock({ write: '/a' })
  const { granted } = await blind.wait({ write: '/a' })
  await other.kill()
  await granted
})

test('a waiting writer is not passed by readers for ever', async () => {
  const reader = await agentIn(directory)
  await reader.tell('stream', { request: { read: '/a' }, count: 4, ms: 20 })
  for (let round = 0; round < 3; round++) {
    await blind.lock({ write: '/a' }, { timeout: 3000 })
    await blind.release()
  }
  await reader.tell('stop')
})

test('the loss of lock files is noticed', async () => {
  await blind.lock({ write: '/a' })
  rmSync(directory, { recursive: true })
  expect(await blind.state()).toMatchObject({ valid: false })
  await until(async () => (await blind.state()).lost === 'LOCK_LOST')
})

test('a process that waits stays alive, and ends by itself when it need not wait', async () => {
  const lease = await here.write('/a')
  const { granted } = await blind.wait({ write: '/a' })
  await blind.tell('unref')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(blind.lives).toBe(true)
  granted.catch(() => undefined)
  await lease.release()
  await blind.ended
  expect(blind.child.exitCode).toBe(0)
})
