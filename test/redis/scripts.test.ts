// SPDX-License-Identifier: MIT
// The scripts one by one: what they answer at their edges, on a real server.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SCRIPTS } from '../../src/backends/redis/scripts.ts'
import { claimsOfShape, treeOf } from '../core/lock-table-model.ts'
import { freshSeed, generator } from '../support/random.ts'
import { type Answer, ScriptedSpace } from './scripted-space.ts'
import { type RedisServer, startRedis } from './server.ts'

let server: RedisServer
let space: ScriptedSpace
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  space = await new ScriptedSpace(server.port).connect()
  await space.client.flushall()
  for (const session of ['one', 'two']) await space.open(session, '00000001')
})
afterEach(() => space.close())

const reads = (...paths: string[]) => claimsOfShape({ read: paths, write: [] })
const writes = (...paths: string[]) => claimsOfShape({ read: [], write: paths })

function ask(session: string, id: string, claims = writes('/a'), wait = true): Promise<Answer> {
  return space.ask({ session, epoch: '00000001', id, claims, wait })
}

const folder = new URL('../../src/backends/redis/lua/', import.meta.url)
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }))

describe('The scripts', () => {
  test('are sent without comments, with what they include, and known by their SHA-1.', async () => {
    expect(Object.keys(SCRIPTS).sort()).toEqual(
      files
        .map(({ name }) => name.replace('.lua', ''))
        .filter((name) => name !== 'space')
        .sort(),
    )
    for (const { name, source, sha } of Object.values(SCRIPTS)) {
      expect(source, name).not.toMatch(/^\s*--/m)
      expect(source, name).toContain('local function advance')
      expect(sha).toBe(createHash('sha1').update(source).digest('hex'))
      expect(await space.client.script('LOAD', source)).toBe(sha)
    }
  })

  test('say at their head what they take and answer.', () => {
    for (const { name, text } of files) {
      expect(text, name).toMatch(/^-- SPDX-License-Identifier: MIT\n-- \w/)
      if (name === 'space.lua') continue
      expect(text, name).toMatch(/^-- KEYS .*\n-- ARGV .*\n(?:-- {4}.*\n)*-- Answer /m)
    }
  })

  test('need no command that Redis 6.2 does not have, and none whose effect a replica could not repeat.', () => {
    const used = new Set(files.flatMap(({ text }) => Array.from(text.matchAll(/call\('(\w+)'/g), ([, command]) => command!)))
    const hash = ['HDEL', 'HGET', 'HMGET', 'HSET']
    const set = ['ZADD', 'ZCARD', 'ZCOUNT', 'ZRANGE', 'ZRANGEBYLEX', 'ZRANGEBYSCORE', 'ZREM', 'ZSCORE']
    expect([...used].sort()).toEqual([...hash, 'PUBLISH', 'TIME', 'UNLINK', ...set])
  })
})

describe('A request', () => {
  test('asked for again is the same request, whether it holds its lock or waits.', async () => {
    const [, token] = await ask('one', 'a')
    expect(await ask('one', 'a')).toEqual([1, token])
    expect((await ask('two', 'b'))[0]).toBe(2)
    expect((await ask('two', 'b'))[0]).toBe(2)
    expect(await space.release('one', 'a', writes('/a'))).toBe(1)
    const [granted] = await space.settled()
    expect(await ask('two', 'b')).toEqual([1, granted!.text.split(' ')[1]])
    await space.release('two', 'b', writes('/a'))
    expect(await space.release('two', 'b', writes('/a'))).toBe(0)
  })

  test('that only tries gets past a dead session, and past nobody else.', async () => {
    await ask('one', 'a')
    expect(await ask('two', 'b', writes('/a/b'), false)).toEqual([0, 1])
    await space.expire('one')
    expect((await ask('two', 'c', writes('/a/b'), false))[0]).toBe(1)
    expect(await space.release('one', 'a', writes('/a'))).toBe(0)
  })

  test('is told when there are dead sessions that nobody had the time to bury.', async () => {
    await space.open('many', '00000001')
    for (let i = 0; i < 400; i++) await ask('many', `${i}`, reads('/a'))
    await space.expire('many')
    expect(await ask('two', 'b', writes('/a'), false)).toEqual([0, 2])
    await space.tidyUp()
    expect((await ask('two', 'b', writes('/a'), false))[0]).toBe(1)
  })

  test('may have 2,000 claims, and when it has too many it fails and leaves nothing.', async () => {
    const wide = (count: number) => writes(...Array.from({ length: count - 1 }, (_, i) => `/${i}`))
    const most = wide(2_000)
    expect((await ask('one', 'a', most))[0]).toBe(1)
    expect((await ask('two', 'b', most))[0]).toBe(2)
    expect((await ask('two', 'c', most))[0]).toBe(2)
    expect(await space.release('two', 'b', most)).toBeGreaterThan(0)
    expect(await space.release('one', 'a', most)).toBeGreaterThan(0)
    await space.tidyUp()
    expect((await space.settled()).map(({ text }) => text.split(' ')[0])).toEqual(['c'])
    expect(await space.release('two', 'c', most)).toBe(1)
    await expect(ask('one', 'd', wide(4_100))).rejects.toThrow(/too many results to unpack/)
    for (const session of ['one', 'two']) await space.endSession(session)
    expect(await space.remains()).toEqual([])
  })
})

describe('The clock', () => {
  const lease = 1_000_000_000

  async function setStamp(ahead: number): Promise<number> {
    const stamp = Date.now() * 1_000 + ahead
    await space.client.hset(space.hash, '#t', stamp)
    return stamp
  }

  test('stands still while the server’s is behind by less than a lease, and tokens rise all the same.', async () => {
    const stamp = await setStamp(lease / 2)
    expect(await ask('one', 'a')).toEqual([1, `${stamp + 1}`])
    await space.heartbeat('one', '00000001')
    expect(Number(await space.client.zscore(space.keys[3]!, 'one'))).toBe(stamp + 1 + lease)
    await space.client.hset(space.hash, '@two', `${stamp - 1}${'1'.padStart(8, '0')}`)
    expect(await ask('two', 'b', writes('/b'))).toEqual([-1])
  })

  test('follows the server’s when that was set back by more than a lease, and tokens rise all the same.', async () => {
    const stamp = await setStamp(2 * lease)
    expect(await ask('one', 'a', writes('/a'))).toEqual([1, `${stamp + 1}`])
    await ask('two', 'b', reads('/a'))
    await space.release('one', 'a', writes('/a'))
    expect((await space.settled())[0]!.text).toBe(`b ${stamp + 3}`)
    await space.heartbeat('one', '00000001')
    expect(Number(await space.client.zscore(space.keys[3]!, 'one'))).toBeLessThan(stamp)
  })
})

test('A session that expires while its request is being placed leaves nothing behind.', async () => {
  // Between the first look at the clock and the next, time passes.
  const slow = await new ScriptedSpace(server.port).connect((source) =>
    source.replace(/^local session, id = ARGV\[1\], ARGV\[3\]$/m, (line) => `${line}\n${WAIT_LUA}`),
  )
  await ask('two', 'b')
  const expiry = `${(Number((await space.client.time())[0]) + 1) * 1e6}`
  await space.client.hset(space.hash, '@one', `${expiry}00000001`)
  await space.client.zadd(space.keys[3]!, expiry, 'one')
  const answer = await slow.ask({ session: 'one', epoch: '00000001', id: 'a', claims: writes('/a'), wait: true })
  slow.close()
  expect(answer[0]).toBe(2)
  await space.release('two', 'b', writes('/a'))
  while (((await space.run('tidy', space.lease)) as number[])[1] === 2 || (await space.client.hexists(space.hash, '@one'))) {
    // Until the dead session is reaped.
  }
  expect((await ask('two', 'c'))[0]).toBe(1)
})

/** Stands still until the second in which session "one" expires is over. */
const WAIT_LUA = `do
  local until_ = tonumber(string.sub(redis.call('HGET', KEYS[1], '@' .. session), 1, 16)) / 1000000
  repeat until tonumber(redis.call('TIME')[1]) > until_
end`

describe('A space', () => {
  test('is refused to whoever has another policy.', async () => {
    const other = await space.run('open-session', 'three', '00000001', space.lease, '{}', '1|writers|1000000', '0')
    expect(other).toEqual([-3, '1|first-come|1000000'])
  })

  test('takes another policy once nobody is there, dead or alive, who knew the old one.', async () => {
    const policy = '1|writers|2000000'
    const open = () => space.run('open-session', 'three', '00000001', space.lease, '{}', policy, '0')
    await ask('one', 'a')
    await space.expire('two')
    expect(await open()).toEqual([-3, '1|first-come|1000000'])
    await space.expire('one')
    expect(await open()).toEqual([1])
    expect(await space.client.hget(space.hash, '#v')).toBe(policy)
  })

  test('shows nothing of the dead, buried or not.', async () => {
    await ask('one', 'a')
    await ask('two', 'b')
    await space.expire('one')
    const { records, owners } = await space.inspect()
    expect([...records.keys()]).toEqual(['b'])
    expect([...owners.keys()]).toEqual(['two'])
  })

  test('whose hash was deleted begins anew, whatever the other keys still say.', async () => {
    await ask('one', 'a')
    await ask('two', 'b')
    await ask('two', 'c')
    await space.client.del(space.hash)
    expect(await ask('one', 'd')).toEqual([-1])
    expect(await space.heartbeat('two', '00000001')).toEqual([-1])
    await space.open('three', '00000001')
    expect((await ask('three', 'e'))[0]).toBe(1)
    expect((await ask('three', 'f'))[0]).toBe(2)
    await space.release('three', 'e', writes('/a'))
    expect((await space.settled()).map(({ session, text }) => [session, text.split(' ')[0]])).toEqual([['three', 'f']])
  })

  test('on a server that is full takes in nobody, and lets everybody out.', async () => {
    await ask('one', 'a', writes('/a/b'))
    await ask('one', 'b', writes('/c'))
    await ask('one', 'e', writes('/c/d'))
    await ask('two', 'c', reads('/c'))
    await space.client.config('SET', 'maxmemory', '1')
    try {
      await expect(ask('two', 'd', writes('/d'))).rejects.toThrow(/OOM/)
      await expect(ask('two', 'd', writes('/c'))).rejects.toThrow(/OOM/)
      await expect(space.open('three', '00000001')).rejects.toThrow(/OOM/)
      expect((await space.heartbeat('one', '00000001'))[0]).toBe(1)
      expect(await space.downgrade('one', 'b', writes('/c').withoutWriting())).toBe(1)
      expect(await space.release('one', 'a', writes('/a/b'))).toBe(1)
      expect(await space.release('one', 'e', writes('/c/d'))).toBe(1)
      expect((await space.settled()).map(({ text }) => text.split(' ')[0])).toEqual(['c'])
      await space.client.config('SET', 'maxmemory', '0')
      await space.expire('two')
      await space.client.config('SET', 'maxmemory', '1')
      await space.tidyUp()
      await space.endSession('one')
      expect(await space.remains()).toEqual([])
    } finally {
      await space.client.config('SET', 'maxmemory', '0')
    }
  })

  test('is the same on a replica.', async () => {
    await space.client.config('SET', 'repl-diskless-sync-delay', '0')
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${server.port}`] })
    const other = new ScriptedSpace(replica.port)
    try {
      await space.client.wait(1, 10_000)
      const next = generator(freshSeed())
      const paths = treeOf(2, 2)
      for (let i = 0; i < 150; i++) {
        const path = paths[next() % paths.length]!
        const claims = next() % 2 === 0 ? reads(path) : writes(path)
        await space.ask({
          session: 'one',
          epoch: '00000001',
          id: `${i}`,
          claims,
          wait: true,
          aside: next() % 2 === 0 && claims.write.length === 0,
        })
        if (next() % 2 === 0) await space.release('one', `${next() % (i + 1)}`, claims)
      }
      await space.client.wait(1, 10_000)
      expect(await contents(other)).toEqual(await contents(space))
      expect((await contents(space))[2]).not.toEqual([])
    } finally {
      other.close()
      await replica.stop()
    }
  })
})

async function contents({ client, hash, keys }: ScriptedSpace): Promise<unknown[]> {
  const sets = keys.slice(1).map((key) => client.call('ZRANGE', key, '0', '-1', 'WITHSCORES'))
  return [await client.hgetall(hash), ...(await Promise.all(sets))]
}
