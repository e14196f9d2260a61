// SPDX-License-Identifier: MIT
// The first words of a connection: they begin a session, or take one up again.
import { connect, type Socket } from 'node:net'
import { bootNow } from '../../../native/clock.ts'
import { ConnectionLost, SessionEnded } from './errors.ts'
import { Frames } from './frames.ts'
import { JuteReader, JuteWriter, MalformedPacket } from './jute.ts'

/** A session as both sides know it. */
export interface Credentials {
  /** 0 asks for a new one. */
  readonly id: bigint
  readonly password: Buffer
}

export interface Greeting {
  readonly host: string
  readonly port: number
  readonly session: Credentials
  /** The newest transaction that this session has seen: a server that knows less is not connected to. */
  readonly lastZxid: bigint
  /** Milliseconds after which a session that is not heard of should end; the server may choose another number. */
  readonly timeoutMs: number
  /** Milliseconds that connecting and the greeting may take. */
  readonly withinMs: number
}

/** What the server answered to the greeting. */
export interface Welcome {
  readonly session: Credentials
  /** Milliseconds, as the server has decided. */
  readonly timeoutMs: number
}

/** A server that has welcomed us. Its socket is paused, nobody listens to it, and no program stays alive for it. */
export interface Greeted {
  readonly socket: Socket
  /** What came behind the welcome is in here. */
  readonly frames: Frames
  readonly welcome: Welcome
  /** Nanoseconds of CLOCK_BOOTTIME. */
  readonly sentAt: bigint
}

const LARGEST_WELCOME_BYTES = 1_000
const NOT_ZOOKEEPER = 'it does not speak as ZooKeeper does'

/**
 * Rejects with {@link ConnectionLost} where there is no server that answers as one, and with {@link SessionEnded} where the server does not know
 * the session (any more).
 */
export async function greet(greeting: Greeting): Promise<Greeted> {
  const { host, port, session, lastZxid, timeoutMs, withinMs } = greeting
  const socket = connect({ host, port, noDelay: true }).unref()
  const sentAt = bootNow()
  socket.write(new JuteWriter().int(0).long(lastZxid).int(timeoutMs).long(session.id).buffer(session.password).bool(false).finish())
  const frames = new Frames()
  const answer = await firstFrame(socket, frames, withinMs)
  try {
    return { socket, frames, welcome: readWelcome(answer, session), sentAt }
  } catch (error) {
    socket.destroy()
    throw error instanceof SessionEnded ? error : new ConnectionLost(NOT_ZOOKEEPER, { cause: error })
  }
}

function firstFrame(socket: Socket, frames: Frames, withinMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.destroy()
      reject(new ConnectionLost(why, { cause }))
    }
    const timer = setTimeout(() => fail(`no answer within ${Math.round(withinMs)} ms`), withinMs).unref()
    // Of a host with several addresses, each that is tried has a handle of its own.
    socket.on('connect', () => socket.unref())
    socket.on('error', (error) => fail(error.message, error))
    socket.on('end', () => fail('the server hung up'))
    socket.on('close', () => fail('the server hung up'))
    socket.on('data', (bytes) => {
      try {
        const [frame] = frames.take(bytes, 1, LARGEST_WELCOME_BYTES)
        if (frame === undefined) return
        clearTimeout(timer)
        socket.pause()
        socket.removeAllListeners()
        socket.on('error', () => {})
        resolve(frame)
      } catch (error) {
        fail(NOT_ZOOKEEPER, error)
      }
    })
  })
}

function readWelcome(frame: Buffer, asked: Credentials): Welcome {
  const from = new JuteReader(frame)
  from.int()
  const timeoutMs = from.int()
  const id = from.long()
  const password = from.buffer()
  if (timeoutMs <= 0 || id === 0n) {
    throw new SessionEnded(asked.id === 0n ? 'the server does not begin a session' : 'the server does not know the session any more')
  }
  if (asked.id !== 0n && id !== asked.id) throw new MalformedPacket('a welcome to a session that is not ours')
  return { session: { id, password }, timeoutMs }
}
