// SPDX-License-Identifier: MIT
// Whoever holds something by a session hears that it is over before anybody else sees that what it held is gone.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { answered } from '../../../src/backends/zookeeper/wire/errors.ts'
import { create, exists, getData, sync } from '../../../src/backends/zookeeper/wire/operations.ts'
import { bootNow } from '../../../src/native/clock.ts'
import type { Line, Plan } from '../../programs/zookeeper-session.ts'
import type { TcpProxy } from '../../support/proxy.ts'
import { zooKeeperProxy } from '../proxy.ts'
import { leash, startZooKeeper, type ZooKeeperServer } from '../server.ts'
import { closeSessions, ms, OPEN, Watched } from './sessions.ts'

const PROGRAM = new URL('../../../build/test/programs/zookeeper-session.js', import.meta.url).pathname

let server: ZooKeeperServer
let proxy: TcpProxy
let other: Watched
let nodes = 0
let path: string

beforeAll(async () => {
  server = await startZooKeeper()
})
afterAll(() => server.stop())
beforeEach(async () => {
  if (!server.running) await server.restart()
  proxy = await zooKeeperProxy(server.port)
  other = await Watched.open(server, { timeoutMs: 20_000 })
  path = `/held-${++nodes}`
})
afterEach(async () => {
  server.resume()
  proxy.thaw()
  await closeSessions()
  await proxy.close()
})

/** A session that holds `path`, and when somebody else has seen that it is gone. */
async function holding(timeoutMs: number): Promise<{ holder: Watched; gone: { readonly at: Promise<bigint> } }> {
  const holder = await Watched.open({ host: server.host, port: proxy.port }, { timeoutMs })
  // On a busy machine a server may be silent for a quarter of so short a time.
  for (let made = false; !made; ) {
    made = await holder.session.request(create(path, 'ephemeral', OPEN)).then(
      () => true,
      (error: unknown) => answered(error, 'NODEEXISTS'),
    )
    if (!made) await holder.next('resumed')
  }
  holder.story.length = 0
  return { holder, gone: await seeGone() }
}

/** Somebody else looks at `path` when this resolves, and sees when it is gone. */
async function seeGone(): Promise<{ readonly at: Promise<bigint> }> {
  let see: (at: bigint) => void = () => {}
  const at = new Promise<bigint>((resolve) => {
    see = resolve
  })
  await other.session.request(getData(path, () => see(bootNow())))
  return { at }
}

describe('A session', () => {
  test('survives a server that freezes for less than its time', async () => {
    const { holder } = await holding(2_500)
    const [suspended, resumed] = [holder.next('suspended'), holder.next('resumed')]
    await server.pause()
    await suspended
    server.resume()
    await resumed
    expect(holder.words).toEqual(['suspended', 'resumed'])
    expect((await other.session.request(exists(path))).ephemeralOwner).toBe(holder.session.id)
  })

  test('is over before a server that freezes for longer than that ends it', async () => {
    const { holder, gone } = await holding(800)
    const since = bootNow()
    await server.pause()
    await holder.ended()
    expect(ms(holder.endedAt! - since)).toBeLessThan(800)
    expect(ms(holder.endedAt! - since)).toBeGreaterThan(400)
    await sleep(300)
    server.resume()
    expect(await gone.at).toBeGreaterThan(holder.endedAt!)
    expect(holder.words).toEqual(['suspended', 'ended'])
    expect(holder.session.deadline).toBeLessThanOrEqual(holder.endedAt!)
  })

  test('is over before a server ends it from which nothing comes through any more', async () => {
    const { holder, gone } = await holding(800)
    proxy.freeze()
    await holder.ended()
    expect(holder.words).toEqual(['suspended', 'ended'])
    expect(await gone.at).toBeGreaterThan(holder.endedAt!)
  })

  test('is over before a server ends it that was killed, and is not back in time', async () => {
    const { holder } = await holding(800)
    await server.kill()
    await holder.ended()
    expect(holder.words).toEqual(['suspended', 'ended'])
    expect(holder.session.deadline).toBeLessThanOrEqual(holder.endedAt!)
    await server.restart()
  })

  test('is taken up again by a server that was killed, and is back in time', async () => {
    const { holder } = await holding(8_000)
    await server.kill()
    await server.restart()
    if (!holder.session.connected) await holder.next('resumed')
    expect(holder.words).toEqual(['suspended', 'resumed'])
    await holder.session.request(sync('/'))
    expect((await holder.session.request(exists(path))).ephemeralOwner).toBe(holder.session.id)
  })

  test('says what is so after the program was busy: it goes on when the servers still have it, and is over when they may not', async () => {
    const holder = await Watched.open(server, { timeoutMs: 1_500 })
    const busyFor = (time: number): void => {
      for (const since = performance.now(); performance.now() - since < time; );
    }
    await sleep(600)
    await holder.session.request(sync('/'))
    // What is answered meanwhile is not read in time, and is no silence.
    const asked = holder.session.request(sync('/'))
    await new Promise((resolve) => process.nextTick(resolve))
    busyFor(500)
    await asked
    expect(holder.words).toEqual([])
    busyFor(1_500)
    expect(holder.session.deadline).toBeLessThan(bootNow())
    const since = performance.now()
    await holder.ended()
    expect(performance.now() - since).toBeLessThan(50)
  })

  test('of a program that is stopped is over when the program goes on', async () => {
    const child = await start({ timeoutMs: 800, path, alive: true })
    expect((await child.said('held')).deadline).not.toBe('0')
    const gone = await seeGone()
    child.process.kill('SIGSTOP')
    const goneAt = await gone.at
    child.process.kill('SIGCONT')
    const { at, deadline } = await child.said('ended')
    expect(BigInt(deadline)).toBeLessThan(goneAt)
    expect(BigInt(at)).toBeGreaterThan(goneAt)
  })

  test('stays in reach of a server for as long as nothing happens', async () => {
    const { holder } = await holding(800)
    await sleep(1_600)
    expect(holder.words).toEqual([])
    expect(holder.renewals.length).toBeGreaterThan(5)
    expect(ms(holder.session.deadline - bootNow())).toBeGreaterThan(200)
  })
})

describe('A program with a session', () => {
  test('ends by itself where nothing keeps it alive', async () => {
    const child = await start({ timeoutMs: 20_000, alive: false })
    expect(await child.ended).toBe(0)
    expect(child.words).toEqual(['held'])
  })

  test('ends by itself also while no server is in reach', async () => {
    const child = await start({ timeoutMs: 20_000, alive: true })
    await child.said('held')
    const idle = await start({ timeoutMs: 20_000, alive: false, linger: true })
    await idle.said('held')
    proxy.refuse()
    await idle.said('suspended')
    await child.said('suspended')
    expect(await idle.ended).toBe(0)
    // The other one waits: for a server.
    expect(child.process.exitCode).toBeNull()
    proxy.accept()
    await child.said('resumed')
    expect(child.process.exitCode).toBeNull()
  })

  test('stays alive for it where it is told to, and no longer than the session', async () => {
    const child = await start({ timeoutMs: 1_000, alive: true })
    await child.said('held')
    await sleep(200)
    expect(child.process.exitCode).toBeNull()
    proxy.refuse()
    expect(await child.ended).toBe(0)
    expect(child.words).toEqual(['held', 'suspended', 'ended'])
    // Nothing else happens in that program: it is not for something else to happen that it says so.
    const { at, deadline } = await child.said('ended')
    expect(ms(BigInt(at) - BigInt(deadline))).toBeGreaterThanOrEqual(0)
    expect(ms(BigInt(at) - BigInt(deadline))).toBeLessThan(100)
  })
})

interface Child {
  readonly process: ChildProcess
  readonly words: readonly string[]
  readonly ended: Promise<number | null>
  said(what: Line['what']): Promise<Line>
}

/** A program of its own with a session, through the proxy. */
async function start(plan: Omit<Plan, 'host' | 'port'>): Promise<Child> {
  const whole: Plan = { host: 'localhost', port: proxy.port, ...plan }
  const [command, ...args] = [...leash, process.execPath, PROGRAM, JSON.stringify(whole)]
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: Line[] = []
  let wake: () => void = () => {}
  createInterface(child.stdout!).on('line', (line) => {
    lines.push(JSON.parse(line) as Line)
    wake()
  })
  let over = false
  const ended = once(child, 'close').then(([code]) => {
    over = true
    wake()
    return code as number | null
  })
  return {
    process: child,
    get words() {
      return lines.map(({ what }) => what)
    },
    ended,
    async said(what) {
      for (;;) {
        const found = lines.find((line) => line.what === what)
        if (found !== undefined) return found
        if (over) throw new Error(`The program ended before it was ${what}.`)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
