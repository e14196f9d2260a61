// SPDX-License-Identifier: MIT
// What could set two users of one configuration on different engines: addresses that lead elsewhere, engines that forget, freeze or are copied, and
// damaged records.
import { once } from 'node:events'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fileBackend } from '../../src/backends/file/index.ts'
import { zookeeperBackend } from '../../src/backends/zookeeper/index.ts'
import type { Candidate } from '../../src/config/agreed.ts'
import type { Term } from '../../src/config/agreed-term.ts'
import { SLOT_BYTES } from '../../src/config/agreement-record.ts'
import { openConfiguration } from '../../src/config/configuration.ts'
import { isLockError } from '../../src/core/errors.ts'
import type { Lease } from '../../src/core/lease.ts'
import { LockSpace } from '../../src/lock-space.ts'
import { start } from '../cli/program.ts'
import { startZooKeeper } from '../zookeeper/server.ts'
import { configure, eventually, files, folder, nobody, opened, redis, server, TIMEOUT_MS, type User, user } from './several.ts'

/** An address that leads to one server, and then to another. */
class Road {
  private target: number
  private readonly sockets = new Set<Socket>()
  private readonly listener = createServer((client) => {
    const there = connect(this.target, '127.0.0.1')
    for (const socket of [client, there]) {
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        there.destroy()
      })
    }
    client.pipe(there).pipe(client)
  })

  private constructor(target: number) {
    this.target = target
  }

  static async to({ port }: { readonly port: number }): Promise<Road> {
    const road = new Road(port)
    road.listener.listen(0, '127.0.0.1')
    await once(road.listener, 'listening')
    onTestFinished(() => {
      road.listener.close()
      road.cut()
    })
    return road
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port
  }

  turnTo({ port }: { readonly port: number }): void {
    this.target = port
    this.cut()
  }

  private cut(): void {
    for (const socket of this.sockets) socket.destroy()
    this.sockets.clear()
  }
}

/** Nothing here depends on how fast a server answers. */
const PATIENT = { lease: 3_000, connectTimeout: 3_000 }

/** For some time, or until the lease is over, others ask in vain. */
async function keepsOut(other: User, lease: Lease, forMs: number = Number.POSITIVE_INFINITY): Promise<void> {
  const until = performance.now() + forMs
  while (lease.valid && performance.now() < until) {
    try {
      const granted = await other.locks.tryWrite('/a')
      if (granted === null) continue
      expect(lease.valid).toBe(false)
      await granted.release()
    } catch (error) {
      expect(isLockError(error) ? error.code : error).toMatch(/^LOCK_(UNAVAILABLE|SPLIT)$/)
    }
    await sleep(5)
  }
}

describe('An engine that its users know by its word', () => {
  test.each([
    ['at work', 0],
    ['idle', 1_300],
  ])('is not changed for the one to which the address leads when a connection is made anew, by a user who is %s', async (_, pauseMs) => {
    const home = folder()
    const [here, there] = [await server(), await server()]
    const road = await Road.to(here)
    const [one, two] = [await user(home, [redis(here, PATIENT, 'redis')]), await user(home, [redis(road, PATIENT, 'redis')])]
    const lease = await one.locks.write('/a')
    expect(await two.locks.tryWrite('/a')).toBeNull()
    await sleep(pauseMs)
    road.turnTo(there)
    await keepsOut(two, lease, 2_000)
    expect(lease.valid).toBe(true)
    // With nobody else left, what the address leads to now is as good as any.
    await lease.release()
    await one.locks.close()
    await eventually(async () => (await two.locks.write('/a', { timeout: 100 })).release())
  })

  test('is another one when it has lost its data: nobody is let in before the leases of the life before have run out', async () => {
    const home = folder()
    const first = await server({ args: ['--save', ''] })
    const road = await Road.to(first)
    const [one, two] = [await user(home, [redis(road, PATIENT, 'redis')]), await user(home, [redis(first, PATIENT, 'redis')])]
    expect(await two.locks.tryRead('/b').then((read) => read?.release())).toBeUndefined()
    const lease = await one.locks.write('/a')
    // The holder hears nothing any more, and counts on what it has until its own clock says otherwise.
    road.turnTo(await nobody())
    await first.kill()
    await first.restart()
    await keepsOut(two, lease)
    await eventually(async () => (await two.locks.write('/a', { timeout: 100 })).release())
  })

  test('is no other ensemble', async () => {
    const home = folder()
    const [here, there] = await Promise.all([startZooKeeper(), startZooKeeper()])
    onTestFinished(async () => void (await Promise.all([here.stop(), there.stop()])))
    const road = await Road.to(here)
    const at = (servers: string): Candidate => ({
      digest: 'zookeeper',
      shown: 'zookeeper',
      timeoutMs: 1_000,
      open: () => zookeeperBackend({ servers, root: '/a', lease: 2_000, connectTimeout: 1_000 }),
    })
    const [one, two] = [await user(home, [at(here.address)]), await user(home, [at(`127.0.0.1:${road.port}`)])]
    const lease = await one.locks.write('/a')
    expect(await two.locks.tryWrite('/a')).toBeNull()
    road.turnTo(there)
    await keepsOut(two, lease, 4_000)
    expect(lease.valid).toBe(true)
    await lease.release()
  })

  test('is no copy of it: a lock directory is known by its inode, too', async () => {
    const home = folder()
    const at = (name: string): Candidate => {
      const directory = join(home, name)
      return { digest: 'locks', shown: 'file:/srv/locks', timeoutMs: TIMEOUT_MS, open: async () => fileBackend({ directory }) }
    }
    const one = await user(home, [at('here')])
    cpSync(join(home, 'here'), join(home, 'copy'), { recursive: true, filter: (path) => !path.includes('/members/') })
    const lease = await one.locks.write('/a')
    await expect(user(home, [at('copy')])).rejects.toMatchObject({ code: 'LOCK_SPLIT' })
    await lease.release()
  })

  test('is no new lock directory in the place of one that was removed, while a holder has not heard of it', async () => {
    const home = folder()
    const environment = configure(home, (await nobody()).port, '600ms')
    const locks = new LockSpace(await openConfiguration(environment.env.HOLDFAST_CONFIG))
    onTestFinished(() => locks.close({ timeout: 0 }))
    const run = start(['run', '--write', '/a', '--grace', '0', '--', 'sh', '-c', 'echo ready; exec sleep 60'], environment)
    await run.says(/ready/)
    expect(await locks.tryWrite('/a')).toBeNull()
    run.child.kill('SIGSTOP')
    rmSync(join(home, 'locks'), { recursive: true })
    await expect(locks.write('/a', { timeout: 1_000 })).rejects.toMatchObject({
      code: expect.stringMatching(/^LOCK_(SPLIT|UNAVAILABLE|TIMEOUT)$/),
    })
    run.child.kill('SIGCONT')
    expect(await run.ended).toMatchObject({ code: 76 })
    await eventually(async () => (await locks.write('/a', { timeout: 100 })).release())
  })

  test('is passed over after its own time-out when it freezes in the middle of an election', async () => {
    const home = folder()
    const first = await server()
    const road = createServer((client) => {
      const there = connect(first.port, '127.0.0.1')
      client.on('data', (bytes) => {
        // The question for the word of the space.
        if (bytes.includes("'#i'")) process.kill(first.pid, 'SIGSTOP')
        there.write(bytes)
      })
      there.pipe(client)
      for (const socket of [client, there]) socket.on('error', () => undefined)
    }).listen(0, '127.0.0.1')
    await once(road, 'listening')
    onTestFinished(() => {
      process.kill(first.pid, 'SIGCONT')
      road.close()
    })
    const began = performance.now()
    const one = await user(home, [redis(road.address() as AddressInfo, { lease: 30_000 }), files(home)])
    expect(one.agreement).toMatchObject({ engine: 'file:files', passedOver: [{ why: expect.stringContaining(`${TIMEOUT_MS} ms`) }] })
    expect(performance.now() - began).toBeLessThan(2_500)
  })
})

describe('The record of those who use a space', () => {
  test('is not taken from an earlier election when it is damaged: LOCK_SPLIT, and those who are in go on', async () => {
    const home = folder()
    const first = await server()
    const candidates = [redis(first), files(home)]
    await (await user(home, candidates)).locks.close()
    await first.kill()
    const one = await user(home, candidates)
    const lease = await one.locks.write('/a')
    await first.restart()
    const path = one.agreement.file!
    const bytes = readFileSync(path)
    const at = bytes.toString('latin1').indexOf('"file:files"')
    bytes.fill(' ', at - (at % SLOT_BYTES), at)
    writeFileSync(path, bytes)
    const message = expect.stringMatching(new RegExp(`cannot be read.*${process.pid}@`))
    await expect(user(home, candidates)).rejects.toMatchObject({ code: 'LOCK_SPLIT', message })
    expect(lease.valid).toBe(true)
    await lease.release()
    await one.locks.close()
    expect((await user(home, candidates)).engine).toBe(`redis:${first.port}`)
  })

  test('is that of one space: another one has its own', async () => {
    const home = folder()
    const candidates = [files(home, 'a')]
    const one = await user(home, candidates)
    const lease = await one.locks.write('/a')
    const other = await user(home, [files(home, 'b')], { space: 'other' })
    expect([one.engine, other.engine]).toEqual(['file:a', 'file:b'])
    const both = await other.locks.write('/a')
    await Promise.all([lease.release(), both.release()])
  })
})

test('A user who comes back after a while does not keep a dead engine elected while it finds that out', async () => {
  const home = folder()
  const first = await server()
  const candidates = [redis(first), files(home)]
  const idle = await user(home, candidates)
  await (await idle.locks.write('/a')).release()
  const file = opened(home)
  await eventually(() => expect(file.others()).toBe('nobody'))
  process.kill(first.pid, 'SIGSTOP')
  onTestFinished(() => void process.kill(first.pid, 'SIGCONT'))
  // As after a long pause.
  const { term } = idle.locks.backend as unknown as { readonly term: Term }
  term.leftAt = Number.NEGATIVE_INFINITY
  const asks = idle.locks.tryWrite('/a')
  const began = performance.now()
  while (performance.now() - began < 300) {
    expect(file.others()).toBe('nobody')
    await sleep(10)
  }
  await (await asks)?.release()
  expect(idle.engine).toBe('file:files')
})
