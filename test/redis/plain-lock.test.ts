// SPDX-License-Identifier: MIT
// A plain lock that Python shares: redis-py itself is asked whether it does.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type RedisPyLock, redisPyLock } from '../../src/backends/redis/plain-lock.ts'
import { TcpProxy } from '../support/proxy.ts'
import { type RedisServer, startRedis } from './server.ts'
import { clientOf, ioredis, LIBRARIES, operator } from './spaces.ts'

const PYTHON = '/usr/bin/python3'

/** Carries out a line of Python after the other, and answers what each is worth. */
const PROGRAM = `
import sys, redis
from redis.lock import Lock
from redis.exceptions import LockError
client = redis.Redis(host='127.0.0.1', port=int(sys.argv[1]))
locks = {}
def lock(name, timeout=None):
    if name not in locks: locks[name] = Lock(client, name, timeout=timeout)
    return locks[name]
print('ready', flush=True)
for line in sys.stdin:
    try: print(repr(eval(line)), flush=True)
    except LockError as error: print(type(error).__name__, flush=True)
`

let server: RedisServer
let python: Python

class Python {
  private readonly child: ChildProcess
  private readonly lines: AsyncIterator<string>

  private constructor(port: number) {
    this.child = spawn(PYTHON, ['-c', PROGRAM, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  static async start(port: number): Promise<Python> {
    const python = new Python(port)
    const { value } = await python.lines.next()
    if (value !== 'ready') throw new Error('Python has no module "redis": apt-get install python3-redis')
    return python
  }

  async says(line: string): Promise<string> {
    this.child.stdin!.write(`${line}\n`)
    return String((await this.lines.next()).value)
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }
}

beforeAll(async () => {
  server = await startRedis()
  python = await Python.start(server.port)
})
afterAll(async () => {
  await python?.stop()
  await server.stop()
})

let names = 0
const aName = (): string => `results-${++names}.db`

describe.each(LIBRARIES)('A plain lock, with %s,', (library) => {
  async function aLock(timeout = 10_000, name = aName()): Promise<RedisPyLock> {
    return redisPyLock({ client: await clientOf(library, server.port), name, timeout })
  }

  test('keeps Python out, which has it when it is released', async () => {
    const lock = await aLock()
    const lease = await lock.acquire()
    expect([lease.state, lease.valid]).toEqual(['held', true])
    expect(await python.says(`lock('${lock.name}').acquire(blocking=False)`)).toBe('False')
    expect(await python.says(`lock('${lock.name}').locked()`)).toBe('True')
    const waiting = python.says(`lock('${lock.name}').acquire(blocking_timeout=5)`)
    await lease.release()
    expect(await waiting).toBe('True')
    expect(await python.says(`lock('${lock.name}').release()`)).toBe('None')
  })

  test('is kept out by Python, and has it when Python releases', async () => {
    const lock = await aLock()
    expect(await python.says(`lock('${lock.name}', 10).acquire()`)).toBe('True')
    expect(await lock.tryAcquire()).toBeNull()
    await expect(lock.acquire({ timeout: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    const waiting = lock.acquire()
    await python.says(`lock('${lock.name}').release()`)
    const lease = await waiting
    expect(await python.says(`lock('${lock.name}').owned()`)).toBe('False')
    await lease.release()
    expect(await python.says(`lock('${lock.name}').locked()`)).toBe('False')
  })

  test('comes free when Python’s time-out is up, and Python can then neither extend nor release it', async () => {
    const lock = await aLock()
    await python.says(`lock('${lock.name}', 0.2).acquire()`)
    const lease = await lock.acquire({ timeout: 5_000 })
    expect(await python.says(`lock('${lock.name}').extend(1)`)).toBe('LockNotOwnedError')
    expect(await python.says(`lock('${lock.name}').release()`)).toBe('LockNotOwnedError')
    expect(await lock.tryAcquire()).toBeNull()
    await lease.release()
  })

  test('is lost by the holder’s own clock before Python can have it, and its release does not disturb Python', async () => {
    const lock = await aLock(400)
    const lease = await lock.acquire()
    const events: string[] = []
    lease.signal.addEventListener('abort', () => events.push('lost'))
    const waiting = python.says(`lock('${lock.name}').acquire(sleep=0.001)`).then(() => events.push('given to Python'))
    await waiting
    expect(events).toEqual(['lost', 'given to Python'])
    expect(lease.state).toBe('lost')
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    await lease.release()
    await expect(lease.extend()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(await python.says(`lock('${lock.name}').owned()`)).toBe('True')
    await python.says(`lock('${lock.name}').release()`)
  })

  test('lasts as long as it is extended', async () => {
    const lock = await aLock(1_000)
    const lease = await lock.acquire()
    const end = performance.now() + 1_400
    while (performance.now() < end) {
      await lease.extend()
      expect(await python.says(`lock('${lock.name}').acquire(blocking=False)`)).toBe('False')
    }
    expect(lease.valid).toBe(true)
    await lease.release()
    expect([lease.state, lease.signal.aborted]).toEqual(['released', false])
  })

  test('that somebody deleted is lost when it is extended', async () => {
    const lock = await aLock()
    const lease = await lock.acquire()
    await python.says(`client.delete('${lock.name}')`)
    await expect(lease.extend()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(lease.signal.aborted).toBe(true)
  })

  test('is not waited for any more when the signal aborts, or the time is up, and nothing is left behind', async () => {
    const lock = await aLock()
    const lease = await lock.acquire()
    const abort = new AbortController()
    const waiting = lock.acquire({ signal: abort.signal })
    const impatient = lock.acquire({ timeout: 30 })
    await expect(impatient).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    abort.abort('changed my mind')
    await expect(waiting).rejects.toBe('changed my mind')
    await expect(lock.acquire({ signal: abort.signal })).rejects.toBe('changed my mind')
    await lease.release()
    expect(await python.says(`lock('${lock.name}').locked()`)).toBe('False')
  })

  test('whose key holds something else says so, and leaves it', async () => {
    const lock = await aLock()
    await python.says(`client.rpush('${lock.name}', 'work')`)
    await expect(lock.tryAcquire()).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringContaining(lock.name) })
    expect(await python.says(`client.llen('${lock.name}')`)).toBe('1')
  })

  test('is taken once though the answer was lost with the connection, or else not at all', async () => {
    const proxy = await TcpProxy.to(server.port)
    onTestFinished(() => proxy.close())
    const lock = redisPyLock({ client: await clientOf(library, proxy.port), name: aName(), timeout: 10_000 })
    const look = await operator(server.port)
    for (const cut of ['before the request', 'inside the request', 'after the request', 'inside the answer'] as const) {
      const happened = proxy.cutAt(lock.name, cut)
      const lease = await lock.tryAcquire().catch((error: { code: string }) => error.code)
      await happened
      if (typeof lease === 'string') expect(lease).toBe('LOCK_UNAVAILABLE')
      else await lease!.release()
      while ((await look.exists(lock.name)) === 1);
    }
  })
})

test('A plain lock whose server does not answer fails in the time given, and what is granted late goes back', async () => {
  const name = aName()
  const lock = redisPyLock({ client: await ioredis(server.port), name, timeout: 10_000 })
  const before = new Redis(server.port, '127.0.0.1')
  onTestFinished(() => before.disconnect())
  await before.ping()
  process.kill(server.pid, 'SIGSTOP')
  const failed = lock.acquire({ timeout: 50 })
  await expect(failed).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  process.kill(server.pid, 'SIGCONT')
  await (await lock.acquire({ timeout: 2_000 })).release()
  expect(await before.exists(name)).toBe(0)
})

test('A plain lock refuses bad options', async () => {
  const client = await ioredis(server.port)
  for (const bad of [{ name: '' }, { timeout: 0 }, { timeout: 1.5 }, { timeout: Number.POSITIVE_INFINITY }, { client: {} }]) {
    const made = (): unknown => redisPyLock({ client, name: 'x', timeout: 1_000, ...(bad as object) })
    expect(made).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  }
  const lock = redisPyLock({ client, name: aName(), timeout: 1_000 })
  await expect(lock.acquire({ timeout: -1 })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
})
