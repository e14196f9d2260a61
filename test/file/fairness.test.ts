// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { type Agent, agentIn, agentsIn } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

const SOON_MS = 2000

/** Writes so often beside whatever else goes on; answers the longest wait. */
async function longestWait(directory: string, request: { read?: string; write?: string }, rounds: number): Promise<number> {
  const here = openSpace(directory)
  let longest = 0
  for (let round = 0; round < rounds; round++) {
    const asked = performance.now()
    const lease = await here.lock(request, { timeout: 10_000 })
    longest = Math.max(longest, performance.now() - asked)
    await lease.release()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return longest
}

test('readers that overlap without end in one process let a writer of another in', async () => {
  const directory = temporaryFolder()
  const agent = await agentIn(directory)
  await agent.tell('stream', { request: { read: '/a' }, count: 4, ms: 20 })
  expect(await longestWait(directory, { write: '/a' }, 20)).toBeLessThan(SOON_MS)
  expect(await agent.tell<number>('stop')).toBeGreaterThan(10)
})

test('readers that overlap without end in four processes let writers in, at the node, above it and below it', async () => {
  const directory = temporaryFolder()
  const agents = await agentsIn(directory, 4)
  for (const agent of agents) await agent.tell('stream', { request: { read: '/a/b' }, count: 3, ms: 20 })
  for (const path of ['/a/b', '/a', '/a/b/c', '/']) expect(await longestWait(directory, { write: path }, 5)).toBeLessThan(SOON_MS)
  for (const agent of agents) expect(await agent.tell<number>('stop')).toBeGreaterThan(10)
})

test('writers that follow each other without end in three processes let a reader in', async () => {
  const directory = temporaryFolder()
  const agents = await agentsIn(directory, 3)
  for (const agent of agents) await agent.tell('stream', { request: { write: '/a' }, count: 2, ms: 3 })
  expect(await longestWait(directory, { read: '/a' }, 10)).toBeLessThan(SOON_MS)
  for (const agent of agents) await agent.tell('stop')
})

test('nobody is held up by a waiter with whom it does not conflict', async () => {
  const directory = temporaryFolder()
  const [reader, writer, passer] = (await agentsIn(directory, 3)) as [Agent, Agent, Agent]
  // S holds the node, IX waits for it: IS agrees with both and passes; S and IX would not agree with the waiter or the holder.
  await reader.lock({ read: '/a' })
  const { granted } = await writer.wait({ write: '/a/b' })
  expect(await passer.try({ read: '/a/c' })).not.toBeNull()
  await passer.release()
  expect(await passer.try({ write: '/a/c' })).toBeNull()
  expect(await passer.try({ write: '/elsewhere' })).not.toBeNull()
  await passer.release()
  await reader.release()
  await granted
  expect(await passer.try({ write: '/a/c' })).not.toBeNull()
})

test('a newcomer does not pass a waiter that it conflicts with', async () => {
  const directory = temporaryFolder()
  const [reader, writer, passer] = (await agentsIn(directory, 3)) as [Agent, Agent, Agent]
  await reader.lock({ read: '/a' })
  const { granted } = await writer.wait({ write: '/a' })
  expect(await passer.try({ read: '/a' })).toBeNull()
  expect(await passer.try({ read: '/a/b' })).toBeNull()
  const later = await passer.wait({ read: '/a' })
  await reader.release()
  await granted
  expect(await passer.tell('waiting')).toBe(1)
  await writer.release()
  await later.granted
})

test('a process that is stopped while it is next in line does not keep others out for long', async () => {
  const directory = temporaryFolder()
  const [holder, sleeper, waiter] = (await agentsIn(directory, 3)) as [Agent, Agent, Agent]
  await holder.lock({ read: '/a' })
  const asleep = await sleeper.wait({ write: '/a' })
  sleeper.signal('SIGSTOP')
  const { granted } = await waiter.wait({ write: '/a' })
  await holder.release()
  const free = performance.now()
  await granted
  expect(performance.now() - free).toBeLessThan(3000 + 1000)
  await waiter.release()
  sleeper.signal('SIGCONT')
  expect(await asleep.granted).toMatchObject({ valid: true })
})

test('a process that is stopped further back in the line keeps nobody out', async () => {
  const directory = temporaryFolder()
  const [holder, next, sleeper, waiter] = (await agentsIn(directory, 4)) as [Agent, Agent, Agent, Agent]
  await holder.lock({ write: '/a' })
  const first = await next.wait({ write: '/a' })
  const asleep = await sleeper.wait({ write: '/a' })
  sleeper.signal('SIGSTOP')
  const last = await waiter.wait({ write: '/a' })
  await holder.release()
  const free = performance.now()
  await first.granted
  await next.release()
  await last.granted
  expect(performance.now() - free).toBeLessThan(3000 + 1000)
  await waiter.release()
  sleeper.signal('SIGCONT')
  expect(await asleep.granted).toMatchObject({ valid: true })
})

test('a process that is killed in the line, at any place, keeps nobody out', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const lease = await here.write('/a')
  const doomed = await agentsIn(directory, 3)
  for (const agent of doomed) await agent.wait({ write: '/a' })
  const survivor = await agentIn(directory)
  const { granted } = await survivor.wait({ read: '/a' })
  for (const agent of doomed) await agent.kill()
  const free = performance.now()
  await lease.release()
  await granted
  expect(performance.now() - free).toBeLessThan(1000)
})

test('where writers are preferred, a waiting writer passes waiting readers of other processes', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory, { prefer: 'writers' })
  const agents = await agentsIn(directory, 4)
  for (let round = 0; round < 5; round++) {
    const lease = await here.write('/a')
    const order: string[] = []
    const [one, two, three, four] = agents as [Agent, Agent, Agent, Agent]
    const all: Promise<unknown>[] = []
    const enter = async (agent: Agent, what: string, request: { read?: string; write?: string }): Promise<void> => {
      const { granted } = await agent.wait(request)
      all.push(granted.then(() => void order.push(what)).then(() => agent.release()))
    }
    await enter(one, 'reader', { read: '/a' })
    await enter(two, 'reader', { read: '/a' })
    await enter(three, 'writer', { write: '/a' })
    await enter(four, 'reader', { read: '/a' })
    await lease.release()
    await Promise.all(all)
    expect(order).toEqual(['writer', 'reader', 'reader', 'reader'])
  }
})

test('where writers are preferred, a reader gets in as soon as no writer waits', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory, { prefer: 'writers' })
  const [writer, reader] = (await agentsIn(directory, 2)) as [Agent, Agent]
  for (let round = 0; round < 5; round++) {
    const lease = await here.write('/a')
    const first = await writer.wait({ write: '/a' })
    const { granted } = await reader.wait({ read: '/a' })
    await lease.release()
    await first.granted
    expect(await reader.tell('waiting')).toBe(1)
    const released = performance.now()
    await writer.release()
    await granted
    expect(performance.now() - released).toBeLessThan(SOON_MS)
    await reader.release()
  }
})
