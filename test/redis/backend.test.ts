// SPDX-License-Identifier: MIT
// What a lock space on Redis does while nothing goes wrong with the server.
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { type Lease, LockSpace } from 'holdfast'
import { redisBackend } from 'holdfast/redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SCRIPTS } from '../../src/backends/redis/scripts.ts'
import { generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'
import { type RedisServer, startRedis } from './server.ts'
import { aSpace, becomes, clientOf, cutEverybodyElse, LIBRARIES, leftIn, openSpace, operator } from './spaces.ts'

const WAITERS = 1_000

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

describe.each(LIBRARIES)('With the client library %s', (library) => {
  test(`${WAITERS} requests of one process wait in line, and are let in in the order in which they came`, async () => {
    const space = aSpace()
    const locks = await openSpace(server.port, library, { space })
    const first = await locks.write('/a')
    const served: number[] = []
    const tokens: bigint[] = [first.token]
    const line = Array.from({ length: WAITERS }, async (_, place) => {
      const lease = await locks.write('/a')
      served.push(place)
      tokens.push(lease.token)
      await lease.release()
    })
    await first.release()
    await Promise.all(line)
    expect(served).toEqual([...served.keys()])
    expect(tokens.every((token, i) => i === 0 || token > tokens[i - 1]!)).toBe(true)
    expect(await leftIn(await operator(server.port), space)).toEqual([])
  })

  test('a lock costs two commands, and a third, which has the next holder told first, where its holder had to wait', async () => {
    const space = aSpace()
    const [one, two] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const monitor = await (await operator(server.port)).monitor()
    onTestFinished(() => monitor.disconnect())
    const marker = await operator(server.port)
    let sent: string[] = []
    let marked = (): void => {}
    monitor.on('monitor', (_: string, [command, ...args]: string[], source: string) => {
      if (command === 'echo') marked()
      else if (source !== 'lua' && args[0] !== SCRIPTS.heartbeat.sha && args.some((arg) => arg.includes(`{${space}}`)))
        sent.push(command!.toLowerCase())
    })
    /** Since the last time. */
    const commands = async (): Promise<string[]> => {
      await new Promise<void>((done) => {
        marked = done
        void marker.echo('mark')
      })
      const all = sent
      sent = []
      return all
    }
    // The server learns the scripts when they are first used.
    for (const locks of [one, two]) await (await locks.write('/a')).release()
    const first = await one.write('/a')
    const waiting = [two.write('/a'), two.write('/a')]
    // In the line, and told so.
    while ((await one.inspect()).waiters.length < 2 || two.waiting < 2);
    await commands()
    await first.release()
    const [second, third] = waiting as [Promise<Lease>, Promise<Lease>]
    await second
    expect(await commands()).toEqual(['evalsha'])
    await (await second).release()
    await third
    expect(await commands()).toEqual(['zcard', 'evalsha'])
    await (await third).release()
    expect(await commands()).toEqual(['zcard', 'evalsha'])
    await (await one.write('/a')).release()
    expect(await commands()).toEqual(['evalsha', 'evalsha'])
  })

  test('requests that are given up at any moment leave nothing at the server', async () => {
    const space = aSpace()
    const [one, two] = [await openSpace(server.port, library, { space }), await openSpace(server.port, library, { space })]
    const next = generator(7)
    const paths = ['/a', '/a/b', '/c', '/c/d/e', '/']
    const task = async (locks: LockSpace): Promise<void> => {
      for (let round = 0; round < scaled(30); round++) {
        const path = paths[next() % paths.length]!
        const abort = new AbortController()
        const options = next() % 2 === 0 ? { timeout: next() % 4 } : { signal: abort.signal }
        const asked = next() % 3 === 0 ? locks.read(path, options) : locks.write(path, options)
        setTimeout(() => abort.abort('enough'), next() % 6)
        const lease = await asked.catch(() => null)
        if (next() % 2 === 0) await new Promise((done) => setTimeout(done, next() % 3))
        await lease?.release()
      }
    }
    await Promise.all([one, one, one, two, two, two].map(task))
    const look = await operator(server.port)
    expect(await leftIn(look, space)).toEqual([])
    await Promise.all([one.close(), two.close()])
    expect(await look.hkeys(`holdfast:{${space}}`)).toEqual(expect.arrayContaining(['#t', '#v']))
    expect(await look.hlen(`holdfast:{${space}}`)).toBe(2)
    expect(await look.exists(...['owned', 'queue', 'sessions', 'todo'].map((name) => `holdfast:{${space}}:${name}`))).toBe(0)
  })

  test('a client that was handed in stays open when the space is closed, and hears nothing of it any more', async () => {
    const space = aSpace()
    const client = await clientOf(library, server.port)
    const locks = new LockSpace(await redisBackend({ client, space, checks: 'off' }))
    await locks.withWrite('/a', () => {})
    const look = await operator(server.port)
    expect(await look.pubsub('CHANNELS', `holdfast:{${space}}:*`)).toHaveLength(1)
    await locks.close()
    expect(await look.pubsub('CHANNELS', `holdfast:{${space}}:*`)).toEqual([])
    const again = new LockSpace(await redisBackend({ client, space, checks: 'off' }))
    await again.withWrite('/a', () => {})
    await again.close()
  })

  test('several spaces share one client', async () => {
    const client = await clientOf(library, server.port)
    const [one, two] = [
      new LockSpace(await redisBackend({ client, space: aSpace(), checks: 'off' })),
      new LockSpace(await redisBackend({ client, space: aSpace(), checks: 'off' })),
    ]
    const held = [await one.write('/a'), await two.write('/a')]
    const waiting = [one.read('/a'), two.read('/a')]
    for (const lease of held) await lease.release()
    for (const lease of await Promise.all(waiting)) await lease.release()
    await one.close()
    await two.withWrite('/a', () => {})
    await two.close()
  })

  test('a space keeps the policy with which it was made, and tells both when another is asked for', async () => {
    const space = aSpace()
    await openSpace(server.port, library, { space, prefer: 'writers', lease: 5_000 })
    const joined = await openSpace(server.port, library, { space })
    expect(joined.backend.prefer).toBe('writers')
    for (const other of [{ prefer: 'first-come' as const }, { lease: 7_000 }]) {
      const error = await openSpace(server.port, library, { space, ...other }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'LOCK_INVALID', message: expect.stringMatching(/"writers".* 5000 ms.*(first-come|7000)/) })
    }
  })
})

test('Names and keys may hold any character, except for what nobody could tell apart', async () => {
  const locks = await openSpace(server.port, 'redis', { space: aSpace() })
  const path = '/\u00e9 "quoted"/\n{brace}/\ud83d\udd12'
  const lease = await locks.write(path, { name: 'NUL \0 inside' })
  const [holder] = (await locks.inspect()).holders
  expect(holder).toMatchObject({ write: [path], name: 'NUL \ufffd inside' })
  await lease.release()
  for (const key of ['a\0b', 'a\ud800']) {
    await expect(locks.write({ key, ancestors: [] })).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  }
})

test('A request for more nodes than one step can take is refused', async () => {
  const locks = await openSpace(server.port, 'redis', { space: aSpace() })
  const many = Array.from({ length: 1_900 }, (_, i) => `/many/${i}`)
  const lease = await locks.write(many)
  expect(await locks.tryRead('/many/7')).toBeNull()
  await lease.downgrade()
  const reader = await locks.read('/many')
  await Promise.all([lease.release(), reader.release()])
  await expect(locks.write([...many, ...many.map((path) => `${path}x`)])).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED' })
})

describe('A program on its own connection', () => {
  const home = resolve(import.meta.dirname, '../..')

  async function run(text: string, space = aSpace()): Promise<string> {
    const program = `import { connect } from 'holdfast'
      const locks = await connect('redis://127.0.0.1:${server.port}?space=${space}')
      ${text}`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: home,
      timeout: 10_000,
    })
    return stdout.trim()
  }

  test('ends when it has nothing else to do, though it never closed its space', async () => {
    expect(await run(`await locks.write('/a'); console.log('done')`)).toBe('done')
  })

  const waits = `const lease = await locks.write('/a')
    setTimeout(() => lease.release(), 300).unref()
    await (await locks.write('/a')).release()
    console.log('granted')`

  test('stays as long as a request of it waits', async () => {
    expect(await run(waits)).toBe('granted')
  })

  test('stays also where it had to learn first with what lease the space was made', async () => {
    const space = aSpace()
    await openSpace(server.port, 'redis', { space, lease: 5_000 })
    expect(await run(waits, space)).toBe('granted')
  })
})

test.each([
  ['space', ''],
  ['space', 'a{b'],
  ['prefix', 'x}'],
  ['prefer', 'readers'],
  ['lease', 10],
  ['lease', 1.5],
  ['checks', 'on'],
  ['connectTimeout', 0],
  ['coldStartGrace', 'yes'],
  ['client', {}],
  ['client', null],
])('The option %s cannot be %j', async (name, value) => {
  const client = name === 'client' ? {} : await clientOf('redis', server.port)
  await expect(redisBackend({ client, [name]: value } as never)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
})

test('A full server takes no lock away: it refuses new requests, and what is held stays held, over a reconnect too', async () => {
  const space = aSpace()
  const locks = await openSpace(server.port, 'redis', { space, lease: 900 })
  const lease = await locks.write('/held')
  const one = await operator(server.port)
  onTestFinished(async () => void (await one.call('CONFIG', 'SET', 'maxmemory', '0')))
  await one.call('CONFIG', 'SET', 'maxmemory', '1')
  await expect(locks.write('/other')).rejects.toMatchObject({
    code: 'LOCK_UNAVAILABLE',
    message: expect.stringContaining('no memory left'),
  })
  expect(lease.state).toBe('held')
  await cutEverybodyElse(one)
  await becomes(lease, 'suspended')
  await becomes(lease, 'held')
  const until = (lease as unknown as { deadline(): bigint }).deadline()
  while ((lease as unknown as { deadline(): bigint }).deadline() === until) await new Promise((resolve) => setTimeout(resolve, 5))
  expect([lease.state, lease.valid]).toEqual(['held', true])
  await lease.release()
  await one.call('CONFIG', 'SET', 'maxmemory', '0')
  await (await locks.write('/other')).release()
})
