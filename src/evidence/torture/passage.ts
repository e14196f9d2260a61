// SPDX-License-Identifier: MIT
// A passage between a worker and a server that can be cut, closed to new connections, or held up.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface Target {
  readonly host: string
  readonly port: number
}

export class Passage {
  readonly port: number
  private readonly listener: Server
  private readonly target: Target
  private readonly sockets = new Set<Socket>()
  private refusing = false
  private holding = false

  static async to(target: Target): Promise<Passage> {
    const listener = createServer()
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    return new Passage(listener, target)
  }

  private constructor(listener: Server, target: Target) {
    this.listener = listener
    this.target = target
    this.port = (listener.address() as AddressInfo).port
    listener.on('connection', (client) => this.pass(client))
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Ends all connections, and new ones, until {@link accept}. */
  refuse(): void {
    this.refusing = true
    this.cut()
  }

  accept(): void {
    this.refusing = false
  }

  /** Nothing gets through, and nothing is lost, until {@link letThrough}. */
  hold(): void {
    this.holding = true
    for (const socket of this.sockets) socket.pause()
  }

  letThrough(): void {
    this.holding = false
    for (const socket of this.sockets) socket.resume()
  }

  async close(): Promise<void> {
    this.refuse()
    this.listener.close()
    await once(this.listener, 'close')
  }

  private pass(client: Socket): void {
    if (this.refusing) {
      client.destroy()
      return
    }
    const server = connect(this.target)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(from)
      from.setNoDelay(true)
      if (this.holding) from.pause()
      from.on('error', () => {})
      from.on('data', (bytes) => {
        if (!to.write(bytes) && !this.holding) {
          from.pause()
          to.once('drain', () => this.holding || from.resume())
        }
      })
      from.on('close', () => {
        this.sockets.delete(from)
        to.destroy()
      })
    }
  }
}
