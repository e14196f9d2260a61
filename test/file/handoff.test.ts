// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { type Agent, agentIn, agentsIn, until } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

/** Whoever hears nothing looks after half a second at the earliest: what is faster than this was told. */
const TOLD_MS = 250
const ROUNDS = 20

const left: ChildProcess[] = []
afterEach(() => {
  for (const child of left.splice(0)) child.kill('SIGKILL')
})

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.trunc(values.length / 2)]!
}

test('whoever releases wakes a waiter of another process', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const agent = await agentIn(directory)
  const waits: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const lease = await here.write('/a')
    // The other waits at the node itself, above it, and below it.
    const { granted } = await agent.wait({ write: ['/a', '/', '/a/b'][round % 3]! })
    const released = performance.now()
    await lease.release()
    await granted
    waits.push(performance.now() - released)
    await agent.release()
  }
  expect(median(waits)).toBeLessThan(TOLD_MS)
})

test('a downgrade wakes readers of another process', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const agent = await agentIn(directory)
  const waits: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const lease = await here.write('/a')
    const { granted } = await agent.wait({ read: round % 2 === 0 ? '/a' : '/a/b' })
    const weakened = performance.now()
    await lease.downgrade()
    await granted
    waits.push(performance.now() - weakened)
    await agent.release()
    await lease.release()
  }
  expect(median(waits)).toBeLessThan(TOLD_MS)
})

test('a holder that is killed wakes a waiter', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const waits: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const agent = await agentIn(directory)
    await agent.lock({ write: '/a' })
    const granted = here.write('/a')
    await until(() => here.waiting === 1)
    const killed = performance.now()
    agent.signal('SIGKILL')
    await (await granted).release()
    waits.push(performance.now() - killed)
    await agent.ended
  }
  expect(median(waits)).toBeLessThan(TOLD_MS)
})

test('a waiter that gives up lets those behind it pass', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const [first, second] = (await agentsIn(directory, 2)) as [Agent, Agent]
  const waits: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const lease = await here.read('/a')
    const writer = await first.wait({ write: '/a' })
    const reader = await second.wait({ read: '/a' })
    const given = performance.now()
    if (round % 2 === 0) await first.tell('abort')
    else await lease.release()
    await (round % 2 === 0 ? expect(writer.granted).rejects.toThrow('changed my mind') : writer.granted)
    if (round % 2 === 1) await first.release()
    await reader.granted
    waits.push(performance.now() - given)
    await lease.release()
    await second.release()
  }
  expect(median(waits)).toBeLessThan(TOLD_MS)
})

test('requests that are aborted at any moment leave nothing, in any process', async () => {
  const directory = temporaryFolder()
  const seed = freshSeed()
  const next = generator(seed)
  const random = (below: number): number => next() % below
  const agents = await agentsIn(directory, 3)
  const paths = ['/', '/a', '/a/b', '/a/b/c', '/a/d', '/e', '/e/f']
  const some = (): string[] => Array.from({ length: 1 + random(2) }, () => paths[random(paths.length)]!)
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random(8)))
  await Promise.all(
    agents.flatMap((agent, i) =>
      Array.from({ length: 3 }, async (_, j) => {
        const label = `${i}.${j}`
        for (let round = 0; round < scaled(40); round++) {
          const request = random(2) === 0 ? { write: some() } : { read: some(), write: some() }
          const granted = agent.lock(request, { label }).then(
            () => true,
            (error: Error) => {
              expect(error.message).toBe('changed my mind')
              return false
            },
          )
          await pause()
          await agent.tell('abort', { label })
          if (await granted) await agent.release(label)
        }
      }),
    ),
  )
  for (const agent of agents) {
    expect(await agent.tell('waiting'), `seed ${seed}`).toBe(0)
    expect(await agent.try({ write: '/' }), `seed ${seed}`).not.toBeNull()
    await agent.release()
    expect((await agent.inspect()).waiters).toEqual([])
  }
})

/** A process of its own, without the channel that keeps an agent alive. */
function program(directory: string, script: string): ChildProcess {
  const imports = `import { LockSpace } from 'holdfast'; import { fileBackend } from 'holdfast/file';`
  const open = `const locks = new LockSpace(fileBackend({ directory: ${JSON.stringify(directory)} }));`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${imports} ${open} ${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: new URL('../..', import.meta.url),
  })
  left.push(child)
  return child
}

test('a process that holds nothing and waits for nothing ends by itself, though it closed nothing', async () => {
  const directory = temporaryFolder()
  const child = program(directory, `await (await locks.write('/a')).release(); await locks.inspect()`)
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('a process that only holds a lease ends by itself, and its lock with it', async () => {
  const directory = temporaryFolder()
  const child = program(directory, `await locks.write('/a')`)
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(await openSpace(directory).tryWrite('/a')).not.toBeNull()
})

test('a process that waits stays alive until it has its lock', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const lease = await here.write('/a')
  const child = program(directory, `console.log('waits'); const lease = await locks.read('/a'); console.log('got it ' + lease.valid)`)
  const said: string[] = []
  child.stdout!.on('data', (data) => said.push(String(data).trim()))
  await until(async () => (await here.inspect()).waiters.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect([child.exitCode, said]).toEqual([null, ['waits']])
  await lease.release()
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(said).toEqual(['waits', 'got it true'])
})
