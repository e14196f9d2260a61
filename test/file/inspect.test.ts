// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileLease, fileBackend } from '../../src/backends/file/index.ts'
import { type LockError, LockSpace } from '../../src/index.ts'
import { type Agent, agentIn, agentsIn, failure, until } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

let directory: string
let here: LockSpace

beforeEach(() => {
  directory = join(temporaryFolder(), 'locks')
  here = openSpace(directory)
})

const members = (): string[] => readdirSync(join(directory, 'members'))

test('shows who holds and who waits, in every process, and for whom', async () => {
  const begun = Date.now()
  const [holder, waiter, behind] = (await agentsIn(directory, 3)) as [Agent, Agent, Agent]
  const held = await holder.lock({ read: '/from', write: ['/to', '/log/x'] }, { name: 'copy' })
  await waiter.wait({ write: '/from' }, { name: 'clear' })
  await behind.wait({ read: '/from/deep' })
  const own = await here.read('/elsewhere', { name: 'mine' })
  const seen = await here.inspect()

  expect(seen).toEqual(JSON.parse(JSON.stringify(seen)))
  expect(seen).toMatchObject({ backend: 'file', silent: [] })
  expect(seen.holders).toHaveLength(2)
  const shown = seen.holders.find(({ name }) => name === 'copy')!
  expect(shown).toMatchObject({
    state: 'held',
    read: ['/from'],
    write: ['/log/x', '/to'],
    token: held.token,
    owner: { pid: holder.pid, thread: 0, host: hostname(), command: expect.stringMatching(/^node .*file-agent\.js/) },
  })
  expect(Object.fromEntries(shown.claims.map(({ key, mode }) => [key, mode]))).toEqual({
    '/': 'IX',
    '/from': 'S',
    '/log': 'IX',
    '/log/x': 'X',
    '/to': 'X',
  })
  expect(seen.holders.find(({ name }) => name === 'mine')).toMatchObject({ token: own.token.toString(), owner: { pid: process.pid } })
  expect(seen.waiters).toMatchObject([
    { name: 'clear', state: 'waiting', write: ['/from'], token: null, owner: { pid: waiter.pid }, waitsFor: [shown.id] },
    { name: null, state: 'waiting', read: ['/from/deep'], owner: { pid: behind.pid }, waitsFor: [expect.any(String)] },
  ])
  expect(seen.waiters[1]!.waitsFor).toEqual([seen.waiters[0]!.id])
  for (const { since } of [...seen.holders, ...seen.waiters]) {
    expect(Date.parse(since)).toBeGreaterThan(begun - 1000)
    expect(Date.parse(since)).toBeLessThan(Date.now() + 1000)
  }
  // Everybody sees the same.
  const ids = (all: readonly { id: string }[]): string[] => all.map(({ id }) => id).sort()
  const theirs = await behind.inspect()
  expect([ids(theirs.holders), ids(theirs.waiters)]).toEqual([ids(seen.holders), ids(seen.waiters)])
})

test('blockers() names those in other processes who stand in the way of a request', async () => {
  const agent = await agentIn(directory)
  await agent.lock({ read: '/a/b' }, { name: 'theirs' })
  expect(await here.blockers({ read: '/a' })).toEqual([])
  expect(await here.blockers({ write: '/a' })).toMatchObject([{ name: 'theirs', owner: { pid: agent.pid } }])
})

test('a request that is out of time names the holders in other processes', async () => {
  const [agent, sleeper] = (await agentsIn(directory, 2)) as [Agent, Agent]
  await agent.lock({ write: '/a' }, { name: 'theirs' })
  const error = await failure(here.write('/a', { timeout: 0 }))
  expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ name: 'theirs', owner: { pid: agent.pid } }] })
  expect(error.message).toContain(String(agent.pid))
  // Another process that says nothing does not keep that from being told.
  sleeper.signal('SIGSTOP')
  const other: LockError = await failure(here.write('/a', { timeout: 30 }))
  expect(other.holders).toMatchObject([{ name: 'theirs', owner: { pid: agent.pid } }])
})

test('a process that was killed is not shown, and its socket is removed', async () => {
  const [holder, waiter] = (await agentsIn(directory, 2)) as [Agent, Agent]
  await holder.lock({ write: '/a' })
  await waiter.wait({ write: '/a' })
  expect(members()).toHaveLength(3)
  await waiter.kill()
  await holder.kill()
  expect(await here.inspect()).toEqual({ backend: 'file', holders: [], waiters: [], silent: [] })
  expect(members()).toHaveLength(1)
})

test('a process that is just beginning to listen is not taken for dead', async () => {
  const c = koffi.load(null)
  const socket = c.func('int socket(int domain, int type, int protocol)')(1, 1, 0) as number
  try {
    const path = join(directory, 'members', `${process.pid}.0.99.one.new`)
    const address = Buffer.alloc(110)
    address.writeUInt16LE(1)
    address.write(path, 2)
    expect(c.func('int bind(int fd, void *address, int length)')(socket, address, 3 + Buffer.byteLength(path))).toBe(0)
    await here.inspect()
    expect(members()).toHaveLength(2)
    c.func('int listen(int fd, int backlog)')(socket, 5)
    renameSync(path, path.replace('.new', ''))
    await here.inspect()
    expect(members()).toHaveLength(2)
  } finally {
    closeSync(socket)
  }
  await here.inspect()
  expect(members()).toHaveLength(1)
})

test('a process that ends in order, or closes its space, leaves no socket', async () => {
  const [one, other] = (await agentsIn(directory, 2)) as [Agent, Agent]
  await one.tell('close')
  expect(members()).toHaveLength(2)
  other.child.disconnect()
  await other.ended
  expect(members()).toHaveLength(1)
})

test('a holder that is stopped is named as silent, and shown again when it goes on', async () => {
  const agent = await agentIn(directory)
  const idle = await agentIn(directory)
  await agent.lock({ write: '/a' })
  agent.signal('SIGSTOP')
  idle.signal('SIGSTOP')
  const asked = performance.now()
  const { holders, silent } = await here.inspect()
  expect(performance.now() - asked).toBeLessThan(2000)
  expect(holders).toEqual([])
  expect(silent).toMatchObject([{ pid: agent.pid, host: hostname(), command: expect.stringMatching(/^node .*file-agent\.js/) }])
  agent.signal('SIGCONT')
  idle.signal('SIGCONT')
  await until(async () => (await here.inspect()).holders.length === 1)
  expect((await here.inspect()).silent).toEqual([])
})

test('a command that inherited a lock from a process that is gone is named as silent', async () => {
  const backend = fileBackend({ directory })
  const space = new LockSpace(backend)
  const lease = (await space.write('/a')) as FileLease
  const child: ChildProcess = spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', ...lease.descriptors] })
  try {
    await once(child, 'spawn')
    // As if this process had been killed: the descriptors are closed, and nothing was unlocked.
    await backend.close()
    const { holders, silent } = await here.inspect()
    expect(holders).toEqual([])
    expect(silent).toMatchObject([{ pid: child.pid, command: 'sleep 30' }])
    expect(await here.tryWrite('/a')).toBeNull()
  } finally {
    child.kill('SIGKILL')
  }
  expect((await here.write('/a')).valid).toBe(true)
})

describe('beside a socket of somebody who', () => {
  const servers: Server[] = []
  const sockets: Socket[] = []

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) server.close()
  })

  async function hostile(answer: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      answer(socket)
    })
    servers.push(server)
    server.listen(join(directory, 'members', `${999_999_000 + servers.length}.0.1.xxxxxx`))
    await once(server, 'listening')
  }

  const holder = { id: '1', state: 'held', read: [], write: ['/a'], claims: [], since: '', token: '1', name: null }
  const owner = { pid: 1, thread: 0, host: 'h', command: 'c' }

  test.each<[string, (socket: Socket) => void]>([
    ['answers nothing', () => undefined],
    ['hangs up', (socket) => void socket.end()],
    ['breaks off', (socket) => void socket.destroy()],
    ['answers no JSON', (socket) => void socket.end('garbage\0\xff')],
    ['answers null', (socket) => void socket.end('null')],
    ['answers JSON of another kind', (socket) => void socket.end('{"holders":1,"waiters":[]}')],
    ['names no owner', (socket) => void socket.end('{"holders":[],"waiters":[]}')],
    ['holds nothing known', (socket) => void socket.end(JSON.stringify({ owner, holders: [null], waiters: [] }))],
    [
      'has no claims',
      (socket) => void socket.end(JSON.stringify({ owner, holders: [{ ...holder, claims: undefined, owner }], waiters: [] })),
    ],
    [
      'claims nonsense',
      (socket) => void socket.end(JSON.stringify({ owner, holders: [], waiters: [{ ...holder, claims: [null], owner }] })),
    ],
    [
      'never ends',
      (socket) => {
        const chunk = Buffer.alloc(2 ** 16, 'x')
        const more = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        }
        socket.on('drain', more)
        more()
      },
    ],
    ['drips', (socket) => void setInterval(() => socket.write('x'), 20).unref()],
  ])('%s, inspect() answers soon', async (_, answer) => {
    await hostile(answer)
    const agent = await agentIn(directory)
    await agent.lock({ write: '/a' })
    await here.read('/b')
    const asked = performance.now()
    const { holders, waiters } = await here.inspect()
    expect(performance.now() - asked).toBeLessThan(2000)
    expect(holders.map(({ owner }) => owner.pid).sort()).toEqual([process.pid, agent.pid].sort())
    expect(waiters).toEqual([])
  })
})

test('what is no socket does not disturb inspect()', async () => {
  const agent = await agentIn(directory)
  await agent.lock({ write: '/a' })
  writeFileSync(join(directory, 'members', 'file'), '')
  mkdirSync(join(directory, 'members', 'folder', 'inner'), { recursive: true })
  symlinkSync('/nowhere', join(directory, 'members', 'link'))
  symlinkSync('.', join(directory, 'members', 'loop'))
  expect((await here.inspect()).holders).toMatchObject([{ owner: { pid: agent.pid } }])
})

test('when the folder of sockets is removed, locks work all the same', async () => {
  const agent = await agentIn(directory)
  rmSync(join(directory, 'members'), { recursive: true })
  await agent.lock({ write: '/a' })
  expect(await here.tryRead('/a')).toBeNull()
  const waiting = here.read('/a')
  await agent.release()
  expect((await waiting).valid).toBe(true)
})

test('when nobody can be asked, inspect() says so in a LockError', async () => {
  rmSync(join(directory, 'members'), { recursive: true })
  const error = await failure(here.inspect())
  expect(error.code).toBe('LOCK_UNAVAILABLE')
  expect(error.message).toContain(directory)
})
