// SPDX-License-Identifier: MIT
// Locks on Redis by a URL.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, parseUrl } from '../../src/config/url.ts'
import { isLockError, type LockError } from '../../src/core/errors.ts'
import { freePort, type RedisServer, startRedis } from './server.ts'

describe('A redis: URL', () => {
  test.each([
    ['redis:', {}],
    ['redis://', {}],
    ['redis://db.example', { host: 'db.example' }],
    ['redis://db.example:7000/2', { host: 'db.example', port: 7000, db: 2 }],
    ['redis://[::1]:7000', { host: '::1', port: 7000 }],
    ['redis://:s3cret@h', { host: 'h', password: 's3cret' }],
    ['redis://me:p%40ss%2F@h', { host: 'h', username: 'me', password: 'p@ss/' }],
    ['redis:/run/redis.sock?db=1', { path: '/run/redis.sock', db: 1 }],
    [
      'redis://h?space=lab%207&prefix=x&prefer=writers&lease=1500ms',
      { host: 'h', space: 'lab 7', prefix: 'x', prefer: 'writers', lease: 1_500 },
    ],
    ['redis://h?lease=10s', { host: 'h', lease: 10_000 }],
    ['redis://h?lease=0.5m', { host: 'h', lease: 30_000 }],
  ])('%s is read as %o', (url, meaning) => {
    expect(parseUrl(url)).toEqual({ scheme: 'redis', ...meaning })
  })

  test('begins with rediss: where the server is reached by TLS', () => {
    expect(parseUrl('rediss://h')).toEqual({ scheme: 'rediss', host: 'h' })
  })

  test.each([
    ['redis://h:0', 'no port'],
    ['redis://h:99999', 'no port'],
    ['redis://h:x', 'a host and'],
    ['redis://::1', '[::1]'],
    ['redis://h/name', 'a database is a number'],
    ['redis://h/1?db=1', 'twice'],
    ['redis://me@h', 'without a password'],
    ['redis:h', 'did you mean redis://h?'],
    ['rediss:/run/redis.sock', 'needs no TLS'],
    ['redis://h?lease=10', 'such as 1500ms'],
    ['redis://h?lease=0.0001s', 'such as 1500ms'],
    ['redis://h?spaces=x', 'Did you mean "space"?'],
    ['redis://h?prefer=writer', 'Did you mean "writers"?'],
    ['redis://h?space={x}', 'hold no "{"'],
    ['rediz://h', 'Did you mean "redis"?'],
  ])('%s is refused with a hint: %s', (url, hint) => {
    const refusal = errorOf(() => parseUrl(url))
    expect(refusal.code).toBe('CONFIG_INVALID')
    expect(refusal.message).toContain(hint)
  })

  test.each(['redis://me:s3cret@h/x', 'redis://me:s3/cret@h/x', 'redis:me:s3cret@h', 'redi://:s3cret@h'])(
    '%s is shown without its password when it is wrong',
    (url) => {
      const { message } = errorOf(() => parseUrl(url))
      expect(message).not.toMatch(/s3|cret/)
    },
  )
})

describe('connect() to Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis({ args: ['--requirepass', 's3cret', '--unixsocket', 'redis.sock'] })
  })
  afterAll(() => server.stop())

  test('gives a lock space, and closes its own connection with it', async () => {
    const locks = await connect(`redis://:s3cret@127.0.0.1:${server.port}/3?space=by-url&prefer=writers&lease=2s`)
    expect(locks.backend).toMatchObject({ name: 'redis', prefer: 'writers' })
    await locks.withWrite('/a', (lease) => expect(lease.valid).toBe(true))
    await locks.close()
    await expect(locks.write('/a')).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
  })

  test('reaches a socket of this machine', async () => {
    const url = `redis://:s3cret@127.0.0.1:${server.port}?space=socket`
    const byPort = await connect(url)
    const lease = await byPort.write('/a')
    await expect(connect(`redis:${server.dir}/redis.sock?space=socket`)).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await lease.release()
    await byPort.close()
  })

  test.each(['redis://:wrong@127.0.0.1:PORT', 'redis://127.0.0.1:PORT', 'redis://me:wrong@127.0.0.1:PORT'])(
    'is LOCK_DENIED where %s has not the right password, which is not shown',
    async (url) => {
      const error = await connect(url.replace('PORT', String(server.port))).catch((reason: unknown) => reason)
      expect(isLockError(error, 'LOCK_DENIED'), String(error)).toBe(true)
      expect(String(error)).toContain(`127.0.0.1:${server.port}`)
      expect(String(error)).not.toContain('wrong@')
    },
  )

  test('is LOCK_UNAVAILABLE where nobody listens, saying where and what to look at', async () => {
    const port = await freePort()
    const began = performance.now()
    const error = await connect(`redis://127.0.0.1:${port}`).catch((reason: unknown) => reason)
    expect(isLockError(error, 'LOCK_UNAVAILABLE'), String(error)).toBe(true)
    expect((error as Error).message).toContain(`127.0.0.1:${port}`)
    expect((error as Error).message).toContain('is the server running')
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('is LOCK_UNAVAILABLE where the other end does not speak TLS', async () => {
    const error = await connect(`rediss://127.0.0.1:${server.port}`).catch((reason: unknown) => reason)
    expect(isLockError(error, 'LOCK_UNAVAILABLE'), String(error)).toBe(true)
    expect((error as Error).message).toContain('TLS')
  })

  test('is refused where the lease is shorter than a network is quick', async () => {
    await expect(connect(`redis://127.0.0.1:${server.port}?lease=1ms`)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  })
})

function errorOf(work: () => unknown): LockError {
  try {
    work()
  } catch (error) {
    expect(isLockError(error), String(error)).toBe(true)
    return error as LockError
  }
  throw new Error('nothing was thrown')
}
