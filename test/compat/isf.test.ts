// SPDX-License-Identifier: MIT
// The seed's interface: its names, what its locks do, and that users of one configuration never lock in different places.
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { LockingServer } from '../../src/compat/isf/configuration.ts'
import type { IsfLock } from '../../src/compat/isf/lock.ts'
import { Locking } from '../../src/compat/isf/locking.ts'
import * as isf from '../../src/compat/isf.ts'
import { LockFile } from '../../src/compat/lock-file.ts'
import { agreementOf } from '../../src/config/agreed.ts'
import { Program } from '../cli/program.ts'
import { eventually, folder, nobody, server } from '../config/several.ts'
import { python } from '../lock-file/foreign.ts'
import { user } from './isf-users.ts'

let home: string
beforeEach(() => {
  home = folder()
})
afterEach(() => vi.unstubAllEnvs())

function files(name = 'locks'): LockingServer {
  return { type: 'file', config: { directory: join(home, name) } }
}

function redis({ port }: { port: number }): LockingServer {
  return { type: 'redis', config: { host: '127.0.0.1', port, socket_timeout: 5 } }
}

describe('The functions', () => {
  test('lock by name, and say which server serves, in camel case and as the Python library spells them', async () => {
    await isf.updateConfig([files()], { agreement: join(home, 'agreement') })
    const lock = isf.getLock('/data/results.db')
    expect(lock.name).toBe('/data/results.db')
    expect(await lock.acquire()).toBe(true)
    expect(await isf.getReadLock('/data/results.db').acquire({ blocking: false })).toBe(false)
    expect(await isf.getWriteLock('/data/results.db').acquire({ timeout: 0 })).toBe(false)
    expect(await lock.release()).toBe(true)
    expect(await isf.getLockingServer()).toEqual(files())
    const client = await isf.getLockingClient()
    expect(client!.backend.name).toBe('file')
    expect(await isf.getLockingServerClient()).toEqual([files(), client])
    const { get_lock, get_read_lock, get_write_lock, get_locking_server, get_locking_client, get_locking_server_client, update_config } =
      isf
    expect([get_lock, get_read_lock, get_write_lock]).toEqual([isf.getLock, isf.getReadLock, isf.getWriteLock])
    expect([get_locking_server, get_locking_client]).toEqual([isf.getLockingServer, isf.getLockingClient])
    expect([get_locking_server_client, update_config]).toEqual([isf.getLockingServerClient, isf.updateConfig])
    await client!.close()
  })

  test('throw where locking is blocked, and have neither server nor client', async () => {
    await isf.updateConfig([files()])
    const before = isf.getLock('a')
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_BLOCK', '')
    const denied = expect.objectContaining({ code: 'LOCK_DENIED', message: expect.stringContaining('ISF_DISTRIBUTED_LOCK_BLOCK') })
    for (const get of [isf.getLock, isf.getReadLock, isf.getWriteLock]) expect(() => get('a')).toThrow(denied)
    await expect(before.acquire()).rejects.toEqual(denied)
    expect(await isf.getLockingServer()).toBeNull()
    expect(await isf.getLockingClient()).toBeNull()
    expect(await isf.getLockingServerClient()).toEqual([null, null])
    await isf.updateConfig([{ type: 'redis', config: await nobody() }])
  })

  test('let a program end that has nothing else to do, even with a lock in hand', async () => {
    const config = join(home, 'isf.yml')
    const up = await server()
    writeFileSync(config, JSON.stringify([redis(await nobody()), redis(up), files()]))
    const script = `
      import { get_lock, get_locking_server } from 'holdfast/isf'
      for (const name of ['a', 'b']) console.log(await get_lock('${home}/' + name).acquire())
      console.log((await get_locking_server()).type)`
    const env = {
      ISF_DISTRIBUTED_LOCK_CONFIG: config,
      ISF_DISTRIBUTED_LOCK_AGREEMENT: join(home, 'agreement'),
      ISF_DISTRIBUTED_LOCK_PYTHON: '1',
    }
    // Inside the package, whose own name leads to it.
    const { code, stdout, stderr } = await new Program(process.execPath, ['--input-type=module', '-e', script], { env }).ended
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'true\ntrue\nredis\n' })
    expect(stderr.match(/HOLDFAST_FALLBACK/g)).toHaveLength(1)
    expect(stderr).toContain('did not answer')
  })
})

describe('A lock', () => {
  let one: Locking
  let lock: IsfLock
  beforeEach(async () => {
    one = await user(home, [files()])
    lock = one.lock('a', 'lock')
  })

  test('says whether it is held, and by which token; giving back what is not held is false', async () => {
    expect([lock.acquired, lock.token, lock.signal]).toEqual([false, null, null])
    expect(await lock.release()).toBe(false)
    await lock.acquire()
    const { token } = lock
    expect([lock.acquired, lock.signal!.aborted]).toEqual([true, false])
    expect([await lock.release(), await lock.release()]).toEqual([true, false])
    await lock.acquire()
    expect(lock.token).toBeGreaterThan(token!)
    await lock.release()
  })

  test('is given back at the end of its block', async () => {
    {
      await using held = one.lock('a', 'lock')
      expect(await held.acquire()).toBe(true)
      expect(await lock.acquire({ timeout: 0.02 })).toBe(false)
    }
    {
      await using unused = one.lock('a', 'lock')
      expect(unused.acquired).toBe(false)
    }
    expect(await lock.acquire({ blocking: false })).toBe(true)
    await lock.release()
  })

  test('runs work, gives back whatever happens, and says when it was lost meanwhile', async () => {
    expect(await lock.with(async ({ acquired }) => [acquired, await one.lock('a', 'read').acquire({ blocking: false })])).toEqual([
      true,
      false,
    ])
    await expect(lock.with(() => Promise.reject(new Error('burnt')))).rejects.toThrow('burnt')
    expect(lock.acquired).toBe(false)
    const lost = lock.with({ timeout: 1 }, async ({ signal }) => {
      rmSync(join(home, 'locks'), { recursive: true })
      if (!signal!.aborted) await once(signal!, 'abort')
      throw new Error('burnt, too')
    })
    await expect(lost).rejects.toMatchObject({ code: 'LOCK_LOST', cause: { message: 'burnt, too' } })
    const again = one.lock('b', 'lock')
    await again.acquire()
    await expect(one.lock('b', 'lock').with({ timeout: 0.02 }, () => 1)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await again.release()
  })

  test('is one holder: tasks that share the object take turns, readers too, and none gives back what is another’s', async () => {
    const reader = one.lock('a', 'read')
    for (const shared of [lock, reader]) {
      const order: string[] = []
      const task = (name: string): Promise<void> =>
        shared.with(async () => {
          order.push(`${name} in`)
          await new Promise(setImmediate)
          order.push(`${name} out`)
        })
      const abort = new AbortController()
      const first = task('1')
      const aborted = shared.acquire({ signal: abort.signal })
      const late = shared.acquire({ timeout: 0.001 }).then((had) => had && shared.release())
      const [second, third] = [task('2'), task('3')]
      abort.abort('enough')
      await expect(aborted).rejects.toBe('enough')
      await Promise.all([first, second, third])
      await late
      expect(order).toEqual(['1 in', '1 out', '2 in', '2 out', '3 in', '3 out'])
    }
    let next: Promise<boolean> | undefined
    await lock.with(async () => {
      next = lock.acquire()
      await lock.release()
      expect(await next).toBe(true)
    })
    expect(lock.acquired).toBe(true)
    await lock.release()
  })

  test.each([
    [{ timeout: -1 }, 'number of seconds'],
    [{ timeout: '5' }, 'number of seconds'],
    [{ blocking: 1 }, 'true or false'],
    [{ blocking: false, timeout: 1 }, 'one try'],
    [null, 'an object'],
  ])('refuses options that mean nothing, before anything is taken: %j', async (options, message) => {
    await expect(lock.acquire(options as object)).rejects.toMatchObject({ code: 'LOCK_INVALID', message: expect.stringContaining(message) })
    await expect(lock.with(7 as never)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    expect(await lock.acquire({ blocking: false })).toBe(true)
    await lock.release()
  })
})

describe('A configuration', () => {
  test('is not changed while anything is locked or waited for: LOCK_SPLIT, naming it', async () => {
    const one = await user(home, [files()])
    const update = (): Promise<void> => one.update([files('elsewhere')], { agreement: join(home, 'agreement'), space: 'test' })
    const lock = one.lock('a', 'lock')
    await lock.acquire()
    await expect(update()).rejects.toMatchObject({ code: 'LOCK_SPLIT', message: expect.stringContaining('(a)') })
    await lock.release()
    const direct = await (await one.client())!.write('/a')
    await expect(update()).rejects.toMatchObject({ code: 'LOCK_SPLIT', message: expect.stringContaining('its lock space') })
    await direct.release()
    await lock.acquire()
    const asked = one.lock('a', 'read').acquire({ timeout: 0.05 })
    await expect(update()).rejects.toMatchObject({ code: 'LOCK_SPLIT' })
    expect(await asked).toBe(false)
    await lock.release()
    await update()
    expect(await one.server()).toEqual(files('elsewhere'))
    // A lock made before goes where the others go.
    await lock.acquire()
    expect(existsSync(join(home, 'elsewhere', 'space.json'))).toBe(true)
    await lock.release()
  })

  test('that is wrong, or whose server is away, is an error for whoever wants a lock, and tried again by the next', async () => {
    const one = new Locking()
    onTestFinished(() => one.close())
    const up = await server()
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_CONFIG', join(home, 'isf.yml'))
    writeFileSync(join(home, 'isf.yml'), '[{type: redis, config: {prot: 1}}]')
    const lock = one.lock('a', 'lock')
    const message = expect.stringContaining('isf.yml:1:25 ([0].config.prot)')
    await expect(lock.acquire()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message })
    writeFileSync(join(home, 'isf.yml'), JSON.stringify([redis(up)]))
    await up.kill()
    await expect(lock.acquire()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    await up.restart()
    expect(await lock.acquire()).toBe(true)
    await lock.release()
  })

  test('with several servers serves all users on the one that the first of them found, and shows why not on an earlier one', async () => {
    const first = await server()
    await first.kill()
    const servers = [redis(first), files()]
    const one = await user(home, servers)
    const lock = one.lock('a', 'lock')
    await lock.acquire()
    expect(await one.server()).toEqual(files())
    const { passedOver } = agreementOf((await one.client())!.backend)!
    expect(passedOver).toMatchObject([{ entry: expect.stringContaining(`:${first.port}`), why: expect.stringContaining('ECONNREFUSED') }])
    // It is back, and yet the second user goes where the first is.
    await first.restart()
    const two = await user(home, servers)
    expect(await two.lock('a', 'lock').acquire({ blocking: false })).toBe(false)
    expect(await two.server()).toEqual(files())
    await lock.release()
  })

  test('takes all users to the next server when theirs dies, where they keep each other out and tokens go on rising', async () => {
    const first = await server()
    const servers = [redis(first), files()]
    const [one, two] = [await user(home, servers), await user(home, servers)]
    const [lock, other] = [one.lock('a', 'lock'), two.lock('a', 'lock')]
    await lock.acquire()
    const { token } = lock
    expect(await other.acquire({ blocking: false })).toBe(false)
    await lock.release()
    await first.kill()
    await eventually(() => other.acquire())
    expect(other.token).toBeGreaterThan(token!)
    expect(await two.server()).toEqual(files())
    expect(await eventually(() => lock.acquire({ blocking: false }))).toBe(false)
    await other.release()
    expect(await lock.acquire()).toBe(true)
    await lock.release()
  })

  test('other than that of the users of the space is LOCK_SPLIT, and fine in a space of its own', async () => {
    const servers = [redis(await nobody()), files()]
    const lock = (await user(home, servers)).lock('a', 'lock')
    await lock.acquire()
    const others = [redis(await nobody()), files('elsewhere')]
    await expect(user(home, others)).rejects.toMatchObject({ code: 'LOCK_SPLIT' })
    const apart = (await user(home, others, { space: 'apart' })).lock('a', 'lock')
    expect(await apart.acquire({ blocking: false })).toBe(true)
    await apart.release()
    await lock.release()
    await eventually(() => user(home, others))
  })

  test('whose users may be on other hosts has its first server or none, and says how to fall back', async () => {
    const up = await server()
    const away = await nobody()
    const message = expect.stringMatching(/No other server \(redis:.*\) is used instead.*ISF_DISTRIBUTED_LOCK_SCOPE=host/)
    await expect(user(home, [redis(away), redis(up)], { scope: 'network' })).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message })
    const one = await user(home, [redis(up), files()], { scope: 'network' })
    expect(await one.server()).toEqual(redis(up))
    expect(existsSync(join(home, 'agreement'))).toBe(false)
  })
})

describe('InterProcessLockNoWritePermission', () => {
  const { InterProcessLockNoWritePermission } = isf

  test('locks a file that may be written, so that fasteners is kept out and keeps it out', async () => {
    const path = join(home, 'data.db')
    writeFileSync(path, 'data')
    const [lock, other] = [new InterProcessLockNoWritePermission(path), new InterProcessLockNoWritePermission(path)]
    const them = python('lockf')
    expect(await lock.acquire()).toBe(true)
    expect(await other.acquire({ blocking: false })).toBe(false)
    expect(await them.take(path, 'write')).toBe(false)
    await lock.release()
    expect(await them.take(path, 'write')).toBe(true)
    expect(await lock.acquire({ timeout: 0.05 })).toBe(false)
    const granted = lock.acquire()
    await them.give()
    expect(await granted).toBe(true)
    expect(await lock.release()).toBe(true)
  })

  test('makes a file that is not there where it may, and leaves it empty', async () => {
    const path = join(home, 'new.db')
    await using lock = new InterProcessLockNoWritePermission(path)
    expect(await lock.acquire()).toBe(true)
    expect(await new LockFile(path).tryRead()).toBeNull()
    expect(readFileSync(path, 'utf8')).toBe('')
    await expect(new InterProcessLockNoWritePermission(join(home, 'no', 'x')).acquire()).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    await expect(new InterProcessLockNoWritePermission(home).acquire()).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    expect(() => new InterProcessLockNoWritePermission('')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })

  test.runIf(process.getuid?.() === 0)('lets in at once who may not write, however it is locked, and locks nothing', async () => {
    const [path, missing] = [join(home, 'data.db'), join(home, 'new.db')]
    writeFileSync(path, 'data', { mode: 0o644 })
    chmodSync(home, 0o755)
    await using held = await new LockFile(path).write()
    expect(held.valid).toBe(true)
    const script = `
      import { InterProcessLockNoWritePermission } from 'holdfast/isf'
      process.setgroups([]); process.setgid(54321); process.setuid(54321)
      for (const path of ${JSON.stringify([path, missing])}) {
        const locks = [1, 2].map(() => new InterProcessLockNoWritePermission(path))
        for (const lock of locks) console.log(await lock.acquire(), lock.acquired, lock.token)
        for (const lock of locks) console.log(await lock.release(), lock.acquired)
      }`
    const { code, stdout, stderr } = await new Program(process.execPath, ['--input-type=module', '-e', script]).ended
    const each = 'true true null\n'.repeat(2) + 'true false\n'.repeat(2)
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: each.repeat(2) })
    expect(existsSync(missing)).toBe(false)
  })
})
