// SPDX-License-Identifier: MIT
import { afterEach, describe, expect, test } from 'vitest'
import { ConnectionLost, SessionEnded } from '../../../src/backends/zookeeper/wire/errors.ts'
import { JuteWriter } from '../../../src/backends/zookeeper/wire/jute.ts'
import { create, exists, getChildren, remove, sync } from '../../../src/backends/zookeeper/wire/operations.ts'
import { bootNow } from '../../../src/native/clock.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { freePorts } from '../server.ts'
import { answerTo, closeScriptedServers, type Peer, ScriptedServer, SESSION_ID, welcomeOf } from './scripted-server.ts'
import { closeSessions, ms, OPEN, Watched } from './sessions.ts'

afterEach(async () => {
  await closeScriptedServers()
  await closeSessions()
})

const seed = freshSeed()
const random = generator(seed)
const garbage = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random() & 255))
const length = (bytes: number): Buffer => new JuteWriter().int(bytes).finish().subarray(4)

async function byteByByte(peer: Peer, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    peer.send(Buffer.from([byte]))
    await new Promise(setImmediate)
  }
}

async function opening(server: { readonly host: string; readonly port: number }): Promise<{ error: unknown; tookMs: number }> {
  const since = performance.now()
  const error = await Watched.open(server, { openWithinMs: 300 }).then(
    () => null,
    (failure: unknown) => failure,
  )
  return { error, tookMs: performance.now() - since }
}

describe('Opening a session fails in time, and says why, with a server that', () => {
  const WELCOME = welcomeOf(1_000)
  const CASES: readonly (readonly [string, RegExp, (peer: Peer) => Promise<void> | void])[] = [
    ['speaks HTTP', /does not speak as ZooKeeper/, (peer) => peer.send('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['speaks SSH', /does not speak as ZooKeeper/, (peer) => peer.send('SSH-2.0-OpenSSH_9.2p1\r\n')],
    ['speaks nonsense', /does not speak as ZooKeeper|hung up|ECONNRESET|no answer/, (peer) => peer.send(garbage(200))],
    ['names a huge length', /does not speak as ZooKeeper/, (peer) => peer.send(length(2 ** 31 - 1))],
    ['names a length no welcome has', /does not speak as ZooKeeper/, (peer) => peer.send(length(100_000))],
    ['names a negative length', /does not speak as ZooKeeper/, (peer) => peer.send(length(-5))],
    ['sends an empty packet', /does not speak as ZooKeeper/, (peer) => peer.send(length(0))],
    [
      'sends a welcome that is too short',
      /does not speak as ZooKeeper/,
      (peer) => peer.send(Buffer.concat([length(10), WELCOME.subarray(4, 14)])),
    ],
    [
      'names a huge password',
      /does not speak as ZooKeeper/,
      (peer) => peer.send(Buffer.concat([WELCOME.subarray(0, 20), length(2 ** 30), WELCOME.subarray(24)])),
    ],
    ['says half a welcome', /no answer within \d+ ms/, (peer) => peer.send(WELCOME.subarray(0, 13))],
    ['says nothing', /no answer within \d+ ms/, () => {}],
    ['hangs up', /hung up|ECONNRESET/, (peer) => peer.hangUp()],
    ['hangs up in the middle', /hung up|ECONNRESET/, (peer) => void peer.socket.end(WELCOME.subarray(0, 13))],
    ['begins no sessions', /does not begin a session/, (peer) => peer.welcome(0, 0n)],
  ]
  test.each(CASES)('%s', async (_, why, script) => {
    const server = await ScriptedServer.start(script)
    const { error, tookMs } = await opening(server)
    expect(error).toBeInstanceOf(ConnectionLost)
    expect((error as Error).message).toMatch(why)
    expect((error as Error).message).toContain(`127.0.0.1:${server.port}`)
    expect(tookMs).toBeLessThan(700)
    expect(server.connections).toBeLessThan(12)
  })

  test('says nothing to who we are', async () => {
    const server = await ScriptedServer.start((peer) => peer.welcome(60_000))
    const since = performance.now()
    const opened = Watched.open(server, { openWithinMs: 300, auth: [{ scheme: 'digest', credentials: Buffer.from('a:b') }] })
    await expect(opened).rejects.toThrow(/has not said whether it accepts us/)
    expect(performance.now() - since).toBeLessThan(700)
  })

  test('is not there', async () => {
    const [port] = await freePorts(1)
    const { error } = await opening({ host: '127.0.0.1', port: port! })
    expect(error).toMatchObject({ name: 'ConnectionLost', cause: { code: 'ECONNREFUSED' } })
  })

  test('has no such host', async () => {
    const { error } = await opening({ host: 'no-such-host.invalid', port: 2181 })
    expect(error).toBeInstanceOf(ConnectionLost)
    expect(String((error as Error).cause)).toMatch(/ENOTFOUND|EAI_AGAIN|no answer/)
  })

  test('sends its welcome byte by byte: only then it does not fail', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.next()
      await byteByByte(peer, WELCOME)
      await peer.obey()
    })
    const { session } = await Watched.open(server)
    expect(session.id).toBe(SESSION_ID)
    await session.request(sync('/'))
  })
})

describe('A session goes on elsewhere, and what was asked rejects, when a server', () => {
  const EVENT = new JuteWriter().int(-1).long(-1n).int(0).finish()
  const CASES: readonly (readonly [string, (peer: Peer) => Promise<void> | void])[] = [
    ['answers with nonsense', (peer) => peer.send(Buffer.concat([length(60), garbage(60)]))],
    ['answers to what nobody asked', (peer) => peer.send(answerTo(77))],
    ['answers to the wrong one first', (peer) => peer.send(Buffer.concat([answerTo(2), answerTo(1)]))],
    ['answers to setWatches, which nobody asked', (peer) => peer.send(answerTo(-8))],
    ['answers with a list that is longer than the answer', (peer) => peer.send(answerTo(1, length(1_000_000)))],
    ['answers with a list of no possible length', (peer) => peer.send(answerTo(1, length(-9)))],
    ['sends half an event', (peer) => peer.send(Buffer.concat([length(18), EVENT.subarray(4), Buffer.alloc(2)]))],
    ['sends less than the head of an answer', (peer) => peer.send(length(4))],
    ['names a huge length', (peer) => peer.send(length(2 ** 31 - 1))],
    ['names a negative length', (peer) => peer.send(length(-1))],
    ['sends half an answer and hangs up', (peer) => void peer.socket.end(answerTo(1, length(0)).subarray(0, 11))],
    ['hangs up', (peer) => peer.hangUp()],
    ['says that the session is over, in an answer', (peer) => peer.send(answerTo(1, Buffer.alloc(0), -112))],
    ['says that the session has moved', (peer) => peer.send(answerTo(1, Buffer.alloc(0), -118))],
    ['is silent', () => {}],
    ['is silent in the middle of an answer', (peer) => peer.send(answerTo(1, length(0)).subarray(0, 11))],
  ]
  test.each(CASES)('%s', async (_, script) => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome(600)
      if (peer.number > 0) return peer.obey()
      await peer.next()
      await script(peer)
    })
    const watched = await Watched.open(server)
    const { session } = watched
    const resumed = watched.next('resumed')
    const lost = await Promise.allSettled([session.request(getChildren('/')), session.request(remove('/a'))])
    expect(lost.map((one) => one.status === 'rejected' && (one.reason as Error).name)).toEqual(['ConnectionLost', 'ConnectionLost'])
    await resumed
    expect(watched.words).toEqual(['suspended', 'resumed'])
    expect(session.id).toBe(SESSION_ID)
    await session.request(sync('/'))
  })

  test('sends nonsense in one breath with its welcome: then it was never there', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      if (peer.number === 1) {
        await peer.next()
        return peer.send(Buffer.concat([welcomeOf(60_000), length(-1), garbage(3)]))
      }
      await peer.welcome(60_000)
      if (peer.number > 0) return peer.obey()
      await peer.answer()
      peer.hangUp()
    })
    const watched = await Watched.open(server)
    const resumed = watched.next('resumed')
    await watched.session.request(sync('/'))
    await resumed
    expect(watched.words).toEqual(['suspended', 'resumed'])
    expect(server.connections).toBe(3)
  })

  test('welcomes to another session than ours', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome(1_000, peer.number === 1 ? 99n : SESSION_ID)
      if (peer.number === 0) peer.hangUp()
      await peer.obey()
    })
    const watched = await Watched.open(server)
    await watched.next('resumed')
    expect(server.connections).toBe(3)
    expect(watched.session.id).toBe(SESSION_ID)
  })
})

describe('A session', () => {
  test('reads answers that come byte by byte, in their order, with an event between them', async () => {
    const event = new JuteWriter().int(-1).long(-1n).int(0).int(4).int(3).text('/a').finish()
    const list = length(0)
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome()
      for (let xid = 1; xid <= 2; xid++) await peer.next()
      await byteByByte(peer, Buffer.concat([answerTo(1, list), event, answerTo(2, list)]))
      await peer.obey()
    })
    const { session } = await Watched.open(server)
    const heard: string[] = []
    await Promise.all([
      session.request(getChildren('/a', ({ type, path }) => heard.push(`${type} ${path}`))).then(() => heard.push('first')),
      session.request(getChildren('/b')).then(() => heard.push('second')),
    ])
    expect(heard).toEqual(['first', 'children /a', 'second'])
  })

  test('lets a large answer come slowly, for as long as it comes', async () => {
    const names = Array.from({ length: 3_000 }, (_, i) => `name-${i}`)
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome(800)
      if (peer.number > 0) return
      const request = await peer.next()
      const answer = answerTo(request.int(), new JuteWriter().texts(names).finish().subarray(4))
      // A quarter of the time-out is the longest silence.
      for (let at = 0, part = answer.length / 8; at < answer.length; at += part) {
        peer.send(answer.subarray(Math.round(at), Math.round(at + part)))
        await new Promise((resolve) => setTimeout(resolve, 60))
      }
      await peer.obey()
    })
    const watched = await Watched.open(server)
    expect(await watched.session.request(getChildren('/'))).toEqual(names)
    expect(watched.words).toEqual([])
  })

  test('takes up the time-out that each server gives', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome(peer.number === 0 ? 40_000 : 500)
      if (peer.number > 0) return
      await peer.answer()
      peer.hangUp()
    })
    const watched = await Watched.open(server)
    expect(watched.session.timeoutMs).toBe(40_000)
    expect(ms(watched.session.deadline - bootNow())).toBeGreaterThan(20_000)
    const resumed = watched.next('resumed')
    await watched.session.request(sync('/'))
    await resumed
    expect(watched.session.timeoutMs).toBe(500)
    expect(ms(watched.session.deadline - bootNow())).toBeLessThan(500)
  })

  test('is over before its time is, when a server is silent that has welcomed it', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      if (peer.number === 0) await peer.welcome(600)
    })
    const since = performance.now()
    const watched = await Watched.open(server)
    const asked = watched.session.request(create('/a', 'ephemeral', OPEN)).catch((error: unknown) => error)
    await watched.next('suspended')
    expect(performance.now() - since).toBeLessThan(450)
    expect(await asked).toMatchObject({ name: 'ConnectionLost', unsent: false })
    await expect(watched.session.request(exists('/a'))).rejects.toMatchObject({ name: 'ConnectionLost', unsent: true })
    await watched.ended()
    expect(performance.now() - since).toBeLessThan(600)
    expect(watched.words).toEqual(['suspended', 'ended'])
    await expect(watched.session.request(exists('/a'))).rejects.toBeInstanceOf(SessionEnded)
  })

  test('does not wear out a server that welcomes it and hangs up', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.welcome()
      setImmediate(() => peer.hangUp())
    })
    const watched = await Watched.open(server)
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(server.connections).toBeGreaterThan(2)
    expect(server.connections).toBeLessThan(12)
    const [first, ...rest] = watched.words
    expect(first).toBe('suspended')
    for (const [i, word] of rest.entries()) expect(word).toBe(i % 2 === 0 ? 'resumed' : 'suspended')
  })

  test('says to the next server what the last one knew', async () => {
    let said: bigint | null = null
    const server = await ScriptedServer.start(async (peer) => {
      if (peer.number > 0) {
        const greeting = await peer.next()
        greeting.int()
        said = greeting.long()
        peer.send(welcomeOf(60_000))
        return peer.obey()
      }
      await peer.welcome(60_000)
      for (const zxid of [5n, 9n, 7n]) {
        const request = await peer.next()
        peer.send(answerTo(request.int(), length(0), 0, zxid))
      }
      peer.hangUp()
    })
    const watched = await Watched.open(server)
    const resumed = watched.next('resumed')
    for (let i = 0; i < 3; i++) await watched.session.request(getChildren('/'))
    await resumed
    expect(said).toBe(9n)
  })

  test('is over when the server that it comes back to does not know it', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      if (peer.number > 0) return peer.welcome(0, 0n)
      await peer.welcome(60_000)
      peer.hangUp()
    })
    const watched = await Watched.open(server)
    expect((await watched.next('ended')).message).toMatch(/does not know the session/)
  })
})
