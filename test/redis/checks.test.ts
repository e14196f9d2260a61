// SPDX-License-Identifier: MIT
// Servers that cannot be trusted with locks are refused or warned of, before anything is locked.
import { redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { checkVersion, parseInfo } from '../../src/backends/redis/checks.ts'
import { connect } from '../../src/config/url.ts'
import { freePort, type RedisServer, startRedis } from './server.ts'
import { aSpace, clientOf, openSpace, operator } from './spaces.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

/** The codes of the warnings that come while something is done. */
async function warnings(work: () => Promise<unknown>): Promise<readonly unknown[]> {
  const codes: unknown[] = []
  const note = (warning: Error & { code?: string }): void => void codes.push(warning.code)
  process.on('warning', note)
  try {
    await work()
    // Warnings are emitted in the next turn.
    await new Promise((done) => setImmediate(done))
  } finally {
    process.off('warning', note)
  }
  return codes
}

async function open(
  port: number,
  options: { checks?: 'warn' | 'refuse' | 'off'; space?: string; coldStartGrace?: boolean } = {},
): Promise<void> {
  const backend = await redisBackend({ client: await clientOf('redis', port), space: aSpace(), ...options })
  await backend.close()
}

describe('An eviction policy that throws locks away', () => {
  let evicting: RedisServer
  beforeAll(async () => {
    evicting = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'yes'] })
  })
  afterAll(() => evicting.stop())

  test('is refused', async () => {
    await expect(open(evicting.port)).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringContaining('allkeys-lru') })
  })

  test('is only warned of where that was asked for, once', async () => {
    expect(await warnings(() => open(evicting.port, { checks: 'warn' }))).toEqual(['HOLDFAST_REDIS_EVICTION'])
    expect(await warnings(() => open(evicting.port, { checks: 'warn' }))).toEqual([])
  })

  test('is not looked at where that was asked for', async () => {
    expect(await warnings(() => open(evicting.port, { checks: 'off' }))).toEqual([])
  })
})

test('A server that keeps nothing is warned of, once, unless its cold start is waited for', async () => {
  expect(await warnings(() => open(server.port, { checks: 'refuse', space: aSpace() }))).toEqual(['HOLDFAST_REDIS_NOT_PERSISTENT'])
  expect(await warnings(() => open(server.port))).toEqual([])
  const kept = await startRedis({ args: ['--appendonly', 'yes', '--maxmemory-policy', 'volatile-lru'] })
  onTestFinished(() => kept.stop())
  expect(await warnings(() => open(kept.port))).toEqual([])
})

describe('The version of a server', () => {
  const check = (info: string): void => checkVersion(parseInfo(info), 'here:1')
  const info = (version: string, more = ''): string => `# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n${more}`

  test.each(['6.2.0', '6.2.14', '6.10.1', '7.0.15', '7.2.4', '8.0.0', '10.0.0', '7.4-rc1', '255.255.255'])('may be %s', (version) => {
    expect(() => check(info(version))).not.toThrow()
  })

  test.each(['6.0.16', '6.1.240', '5.0.14', '2.8.24', '6.0-rc4'])('may not be %s', (version) => {
    const said = { code: 'LOCK_UNSUPPORTED', message: `Redis at here:1 has version ${version}; locks need 6.2 or later.` }
    expect(() => check(info(version))).toThrow(expect.objectContaining(said))
  })

  test('is the one of Redis that Valkey says it is like', () => {
    expect(() => check(info('7.2.4', 'server_name:valkey\r\nvalkey_version:8.1.0\r\n'))).not.toThrow()
  })

  test('may be unknown, where the user may not ask', () => {
    expect(() => check('')).not.toThrow()
    expect(() => check('# Server\r\n')).not.toThrow()
  })

  test('is asked of the server itself', async () => {
    const look = await operator(server.port)
    await look.config('RESETSTAT')
    await open(server.port)
    expect(parseInfo(await look.info('commandstats')).get('cmdstat_info')).toMatch(/^calls=[1-9]/)
    const version = parseInfo(await look.info('server')).get('redis_version')
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(() => check(info(version!))).not.toThrow()
  })
})

test('A replica is refused, and its primary is warned of unless it waits for replicas', async () => {
  const primary = await startRedis({ args: ['--appendonly', 'yes', '--repl-diskless-sync-delay', '0'] })
  onTestFinished(() => primary.stop())
  const replica = await startRedis({ port: await freePort(), args: ['--replicaof', '127.0.0.1', String(primary.port)] })
  onTestFinished(() => replica.stop())
  await expect(open(replica.port)).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringContaining('replica') })
  const look = await operator(primary.port)
  while (!(await look.info('replication')).includes('state=online')) await new Promise((done) => setTimeout(done, 10))
  expect(await warnings(() => open(primary.port))).toEqual(['HOLDFAST_REDIS_REPLICAS'])
  await look.config('SET', 'min-replicas-to-write', '1')
  expect(await warnings(() => open(primary.port))).toEqual([])
})

test.each(['', ':owned', ':queue', ':sessions', ':todo'])('Something else at the key holdfast:{…}%s is refused by name', async (suffix) => {
  const space = aSpace()
  const look = await operator(server.port)
  const key = `holdfast:{${space}}${suffix}`
  await look.set(key, 'something else')
  await expect(open(server.port, { space })).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringContaining(key) })
  expect(await look.get(key)).toBe('something else')
})

describe('A user of the access list', () => {
  const scripts = '+eval +evalsha +subscribe +unsubscribe +@hash +@sortedset +time +publish +unlink'

  async function asUser(name: string, rules: string): Promise<Redis> {
    const look = await operator(server.port)
    await look.call('ACL', 'SETUSER', name, 'reset', 'on', '>secret', ...rules.split(' '), '+hello', '+client', '+ping')
    const client = new Redis(server.port, '127.0.0.1', { username: name, password: 'secret', enableReadyCheck: false })
    client.on('error', () => {})
    onTestFinished(() => client.disconnect())
    return client
  }

  test('needs no more rights than the message names', async () => {
    const space = aSpace()
    const client = await asUser('enough', `~holdfast:{${space}}* &holdfast:{${space}}:* ${scripts}`)
    const backend = await redisBackend({ client, space })
    await backend.close()
  })

  test.each([
    ['no keys', `&* ${scripts}`],
    ['no channels', `~* ${scripts}`],
    ['no scripts', '~* &* +subscribe +unsubscribe +@hash +@sortedset +time +publish +unlink'],
    ['no sorted sets', '~* &* +eval +evalsha +subscribe +unsubscribe +@hash +time +publish +unlink'],
    ['no publishing', '~* &* +eval +evalsha +subscribe +unsubscribe +@hash +@sortedset +time +unlink'],
  ])('who has %s is told which rights are wanted, and nothing is left', async (what, rules) => {
    const space = aSpace()
    const client = await asUser(`poor-${what.replaceAll(' ', '-')}`, rules)
    const error = await redisBackend({ client, space }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'LOCK_DENIED', message: expect.stringContaining(`~holdfast:{${space}}* &holdfast:{${space}}:*`) })
    expect(await (await operator(server.port)).exists(`holdfast:{${space}}`)).toBe(0)
  })

  test('whose rights are taken away while others wait is told so', async () => {
    const space = aSpace()
    const client = await asUser('unlucky', `~* &* ${scripts}`)
    const backend = await redisBackend({ client, space })
    const look = await operator(server.port)
    await look.call('ACL', 'SETUSER', 'unlucky', '-evalsha', '-eval')
    await expect(backend.inspect()).rejects.toMatchObject({ code: 'LOCK_DENIED' })
    await backend.close()
  })

  test('is named in a URL', async () => {
    const space = aSpace()
    await asUser('by-url', `~holdfast:{${space}}* &holdfast:{${space}}:* ${scripts}`)
    const locks = await connect(`redis://by-url:secret@127.0.0.1:${server.port}?space=${space}`)
    await locks.withWrite('/a', () => {})
    await locks.close()
  })
})

test('A lock space works on a server whose checks were left out', async () => {
  const locks = await openSpace(server.port, 'redis', { space: aSpace(), checks: 'off' })
  await locks.withWrite('/a', () => {})
})
