// SPDX-License-Identifier: MIT
// The lock directory, or a part of it, is removed or replaced while it is in use.
import { mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { locate } from '../../src/backends/file/layout.ts'
import { isLockError, type Lease, type LockSpace } from '../../src/index.ts'
import { type Agent, agentIn, agentsIn, failure, until } from '../support/file-agent.ts'
import { openDescriptors, openSpace, temporaryFolder } from '../support/file-folders.ts'

let directory: string
let space: LockSpace

beforeEach(() => {
  directory = join(temporaryFolder(), 'locks')
  space = openSpace(directory)
})

const shardOf = (key: string): string => join(directory, 'shards', locate(key).shard.toString(16).padStart(3, '0'))

/** Those who wait put it there again at once, maybe before all of it is gone. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    remove(folder)
  }
}

const removeAll = (): void => remove(directory)

/** Does not let the event loop turn. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const WAYS: readonly [string, () => void][] = [
  ['the directory is removed', removeAll],
  ['the directory is renamed', () => renameSync(directory, `${directory}-old`)],
  [
    'another directory is put in its place',
    () => {
      renameSync(directory, `${directory}-old`)
      // One of those that wait may have put it there by now.
      mkdirSync(directory, { recursive: true })
    },
  ],
  ['the folder of shards is removed', () => remove(join(directory, 'shards'))],
  ['the folder of shards is renamed', () => renameSync(join(directory, 'shards'), `${directory}-shards`)],
  ['the shard of the node is removed', () => rmSync(shardOf('/a'))],
  ['the shard of the root is removed', () => rmSync(shardOf('/'))],
  [
    'the shard of the node is replaced',
    () => {
      writeFileSync(join(directory, 'fresh'), '')
      renameSync(join(directory, 'fresh'), shardOf('/a'))
    },
  ],
]

describe.each(WAYS)('when %s', (_, harm) => {
  test('leases are not valid from that moment on, and are told so', async () => {
    const lease = await space.write('/a')
    const told = new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    expect(lease.valid).toBe(true)
    harm()
    expect(lease.valid).toBe(false)
    await told
    expect(lease.state).toBe('lost')
    expect(isLockError(lease.signal.reason, 'LOCK_LOST')).toBe(true)
    await lease.release()
    await lease.release()
    expect(lease.state).toBe('lost')
    expect(space.held).toBe(0)
  })

  test('those that wait begin anew and get their locks; the space goes on, and keeps others out', async () => {
    const [holder, waiter, later] = (await agentsIn(directory, 3)) as [Agent, Agent, Agent]
    await holder.lock({ write: '/a' })
    const waits = [await waiter.wait({ write: '/a' }), await later.wait({ read: '/a' })]
    harm()
    await Promise.all([waits[0]!.granted.then(() => waiter.release()), waits[1]!.granted.then(() => later.release())])
    await until(async () => (await holder.state()).lost === 'LOCK_LOST')
    expect(await waiter.lock({ write: '/a' })).toMatchObject({ state: 'held', valid: true })
    expect(await later.try({ read: '/a' })).toBeNull()
    expect(await holder.try({ read: '/a' }, { label: 'again' })).toBeNull()
    await waiter.release()
    const lease = await space.write('/')
    expect(lease.valid).toBe(true)
    expect(await holder.try({ read: '/a/b' })).toBeNull()
    expect((await holder.inspect()).holders).toMatchObject([{ write: ['/'], owner: { pid: process.pid } }])
  })
})

test('when space.lock is removed, leases are lost, too, and the space goes on', async () => {
  const agent = await agentIn(directory)
  await agent.lock({ write: '/a' })
  const lease = await space.write('/b')
  rmSync(join(directory, 'space.lock'))
  await until(async () => lease.state === 'lost' && (await agent.state()).lost === 'LOCK_LOST')
  expect(await agent.try({ write: '/' })).toMatchObject({ valid: true })
  expect(await space.tryRead('/a')).toBeNull()
})

test('leases on other shards survive the loss of one', async () => {
  const lost = await space.read('/a')
  const kept = await space.read('/kept')
  const keptToo = await space.read('/kept/b')
  rmSync(shardOf('/a'))
  await until(() => lost.state === 'lost')
  expect([kept.state, kept.valid, keptToo.state, keptToo.valid]).toEqual(['held', true, 'held', true])
  const agent = await agentIn(directory)
  expect(await agent.try({ write: '/kept' })).toBeNull()
  expect(await agent.try({ write: '/a' })).not.toBeNull()
  await agent.release()
  await kept.release()
  await keptToo.release()
  expect(await agent.try({ write: '/' })).not.toBeNull()
})

test('a lock that is got on a file that is not there any more is taken anew', async () => {
  const holder = await agentIn(directory)
  await holder.lock({ write: '/a' })
  const waiting = space.write('/a')
  await until(() => space.waiting === 1)
  // This process hears of the removal only when the old lock has come free.
  rmSync(shardOf('/a'))
  await until(async () => (await holder.state()).lost !== null)
  const stopped = performance.now()
  while (performance.now() - stopped < 50) block(10)
  const lease = await waiting
  expect(lease.valid).toBe(true)
  expect(await holder.try({ read: '/a' }, { label: 'again' })).toBeNull()
})

test('the same, when nobody has heard yet that the file is gone', async () => {
  const other = openSpace(directory)
  for (let round = 0; round < 20; round++) {
    const held = await validLease(other)
    const waiting = space.write('/a', { timeout: 5000 })
    await until(() => space.waiting === 1)
    rmSync(shardOf('/a'))
    // Rings, and lets go of the old file before anybody has looked.
    await held.release()
    const lease = await waiting
    expect(lease.valid).toBe(true)
    await lease.release()
  }
  await (await validLease(other)).release()
  expect(await other.tryWrite('/')).not.toBeNull()
})

/** Not one on a file of which it has not heard yet that it is gone. */
async function validLease(of: LockSpace): Promise<Lease> {
  for (;;) {
    const lease = await of.write('/a')
    if (lease.valid) return lease
    await lease.release()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

test('a listener may release other leases that are lost with its own, while others wait', async () => {
  const agent = await agentIn(directory)
  await agent.lock({ write: '/elsewhere' })
  const leases: Lease[] = []
  for (const path of ['/a', '/a/b', '/c', '/c/d']) leases.push(await space.read(path))
  const { granted } = await agent.wait({ write: '/a' }, { label: 'waits' })
  const queued = space.write('/elsewhere/x')
  for (const lease of leases) lease.signal.addEventListener('abort', () => leases.forEach((other) => void other.release()))
  rmSync(shardOf('/'))
  await until(() => leases.every(({ state }) => state !== 'held'))
  expect(await granted).toMatchObject({ valid: true })
  await agent.release('waits')
  await until(async () => (await agent.state()).lost === 'LOCK_LOST')
  expect((await queued).valid).toBe(true)
  expect(space.held).toBe(1)
})

test('while nothing can be put in its place, requests say why; afterwards they work', async () => {
  const lease = await space.write('/a')
  removeAll()
  writeFileSync(directory, 'a file')
  await until(() => lease.state === 'lost')
  expect((await failure(space.write('/a'))).code).toBe('LOCK_INVALID')
  expect((await failure(space.tryWrite('/a'))).message).toContain(directory)
  expect((await failure(space.inspect())).code).toBe('LOCK_INVALID')
  rmSync(directory)
  const after = await space.write('/a')
  expect(after.valid).toBe(true)

  // Somebody made a directory of another policy there.
  removeAll()
  openSpace(directory, { prefer: 'writers' })
  await until(() => after.state === 'lost')
  expect((await failure(space.write('/a'))).message).toContain('prefer')
})

test('a directory that nobody needs any more is not made again behind the back of whoever removes it', async () => {
  const agents = await agentsIn(directory, 2)
  for (const agent of agents) await agent.lock({ read: '/a' })
  removeAll()
  for (const agent of agents) await until(async () => (await agent.state()).lost === 'LOCK_LOST')
  expect(() => openSync(directory, 'r')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})

test('a hundred losses cost no descriptor', async () => {
  let before = 0
  for (let round = 0; round < 100; round++) {
    const lease = await space.write('/a')
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    if (round % 3 === 0) removeAll()
    else if (round % 3 === 1) rmSync(shardOf('/a'))
    else rmSync(join(directory, 'space.lock'))
    await lost
    if (round === 2) before = openDescriptors()
  }
  expect(openDescriptors()).toBeLessThanOrEqual(before)
})
