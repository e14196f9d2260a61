// SPDX-License-Identifier: MIT
// A TCP server that speaks as a test says, well or badly: what no real server can be made to say.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Frames } from '../../../src/backends/zookeeper/wire/frames.ts'
import { JuteReader, JuteWriter } from '../../../src/backends/zookeeper/wire/jute.ts'

export const SESSION_ID = 0x1234n

/** One client's connection. */
export class Peer {
  /** Which connection of the server this is, from 0. */
  readonly number: number
  readonly socket: Socket
  private readonly frames = new Frames()
  private readonly come: Buffer[] = []
  private wake: () => void = () => {}

  constructor(socket: Socket, number: number) {
    this.number = number
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.come.push(...this.frames.take(bytes))
      this.wake()
    })
  }

  /** The next packet of the client. Never resolves when there is none. */
  async next(): Promise<JuteReader> {
    while (this.come.length === 0) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    return new JuteReader(this.come.shift()!)
  }

  /** Waits for the greeting, and answers as ZooKeeper does. */
  async welcome(timeoutMs: number = 1_000, id: bigint = SESSION_ID): Promise<void> {
    await this.next()
    this.send(welcomeOf(timeoutMs, id))
  }

  /** Waits for a request, and answers its number, and what `body` makes of it. */
  async answer(body: Buffer = Buffer.alloc(0), error = 0): Promise<void> {
    const request = await this.next()
    this.send(answerTo(request.int(), body, error))
  }

  /** Answers to everything as one that does what it is asked for and has nothing to say. */
  async obey(): Promise<void> {
    for (;;) await this.answer()
  }

  send(bytes: Uint8Array | string): void {
    this.socket.write(bytes)
  }

  hangUp(): void {
    this.socket.destroy()
  }
}

export function welcomeOf(timeoutMs: number, id: bigint = SESSION_ID): Buffer {
  return new JuteWriter().int(0).int(timeoutMs).long(id).buffer(Buffer.alloc(16, 1)).bool(false).finish()
}

export function answerTo(xid: number, body: Buffer = Buffer.alloc(0), error = 0, zxid = 1n): Buffer {
  const whole = Buffer.concat([new JuteWriter().int(xid).long(zxid).int(error).finish(), body])
  whole.writeInt32BE(whole.length - 4)
  return whole
}

export class ScriptedServer {
  readonly host: string = '127.0.0.1'
  /** How many have come so far. */
  connections = 0
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(script: (peer: Peer) => Promise<void> | void) {
    this.server = createServer((socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
      void script(new Peer(socket, this.connections++))
    })
  }

  static async start(script: (peer: Peer) => Promise<void> | void): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(script)
    started.add(scripted)
    scripted.server.listen(0, scripted.host)
    await once(scripted.server, 'listening')
    return scripted
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}

const started = new Set<ScriptedServer>()

/** For `afterEach`. */
export async function closeScriptedServers(): Promise<void> {
  const closing = [...started].map((server) => server.close())
  started.clear()
  await Promise.all(closing)
}
