// SPDX-License-Identifier: MIT
// A TCP proxy between a client and a server of the tests: it can cut connections, let them hang, refuse new ones, and do so at the very moment at
// which a certain request or answer comes by.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Which part of an exchange still gets through before the connection is cut. */
export type Cut =
  /** Nothing: the server never sees the request. */
  | 'before the request'
  /** Half of the request: the server cannot make sense of it. */
  | 'inside the request'
  /** The request: it is carried out, and the answer is lost. */
  | 'after the request'
  /** The request, and half of the answer. */
  | 'inside the answer'

export const CUTS: readonly Cut[] = ['before the request', 'inside the request', 'after the request', 'inside the answer']

/** As a whole, in the protocol's second or third version. */
const MESSAGE = /[>*]3\r\n\$7\r\nmessage\r\n\$\d+\r\n([^\r]*)\r\n\$\d+\r\n[^\r]*\r\n/g

interface Trap {
  readonly text: Buffer
  readonly cut: Cut
  readonly sprung: () => void
}

interface Passage {
  readonly client: Socket
  readonly server: Socket
  /** The trap closes with the next answer. */
  answerTo: Trap | null
}

/** Where clients connect to instead of the server. */
export class TcpProxy {
  /** How many connections were cut. */
  cuts = 0
  private readonly listener: Server
  private readonly target: number
  private readonly passages = new Set<Passage>()
  private trap: Trap | null = null
  private swallowed: { readonly text: string; readonly done: () => void } | null = null
  private held: { readonly text: Buffer; readonly meanwhile: () => Promise<unknown> } | null = null
  private frozen = false
  private refusing = false

  private constructor(target: number) {
    this.target = target
    this.listener = createServer((client) => this.pass(client))
  }

  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    proxy.listener.listen(0, '127.0.0.1')
    await once(proxy.listener, 'listening')
    return proxy
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port
  }

  /** Cuts every connection there is. New ones are let through. */
  cut(): void {
    for (const passage of this.passages) this.end(passage)
  }

  /** Cuts what there is, and what comes from now on, until `accept`. */
  refuse(): void {
    this.refusing = true
    this.cut()
  }

  accept(): void {
    this.refusing = false
  }

  /** Nothing gets through, in either direction, and nobody is told. */
  freeze(): void {
    this.frozen = true
    for (const { client, server } of this.passages) for (const socket of [client, server]) socket.pause()
  }

  /** What was held up gets through now. */
  thaw(): void {
    this.frozen = false
    for (const { client, server } of this.passages) for (const socket of [client, server]) socket.resume()
  }

  /** Cuts the connection on which the next request comes that contains this text. Resolves then. */
  cutAt(text: string, cut: Cut): Promise<void> {
    return new Promise((sprung) => {
      this.trap = { text: Buffer.from(text), cut, sprung }
    })
  }

  /** The next request that contains this text, and what comes after it, goes on its way only when `meanwhile` is done. */
  hold(text: string, meanwhile: () => Promise<unknown>): void {
    this.held = { text: Buffer.from(text), meanwhile }
  }

  /** The next message of a channel whose name contains this text is lost, and nothing else. Resolves then. */
  swallow(text: string): Promise<void> {
    return new Promise((done) => {
      this.swallowed = { text, done }
    })
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
    const server = connect(this.target, '127.0.0.1')
    const passage: Passage = { client, server, answerTo: null }
    this.passages.add(passage)
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      if (this.frozen) socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => this.end(passage))
    }
    client.on('data', (chunk) => this.request(passage, chunk))
    server.on('data', (chunk) => this.answer(passage, chunk))
  }

  private request(passage: Passage, chunk: Buffer): void {
    const { trap, held } = this
    if (held !== null && chunk.includes(held.text)) {
      this.held = null
      passage.client.pause()
      void held.meanwhile().then(() => {
        this.request(passage, chunk)
        passage.client.resume()
      })
      return
    }
    const at = trap === null ? -1 : chunk.indexOf(trap.text)
    if (trap === null || at === -1) {
      passage.server.write(chunk)
      return
    }
    this.trap = null
    if (trap.cut === 'before the request') this.spring(passage, trap)
    else if (trap.cut === 'inside the request') {
      passage.server.write(chunk.subarray(0, at + trap.text.length), () => this.spring(passage, trap))
    } else {
      passage.answerTo = trap
      passage.server.write(chunk)
    }
  }

  private answer(passage: Passage, chunk: Buffer): void {
    const { answerTo, client } = passage
    if (answerTo === null) client.write(this.withoutMessage(chunk))
    else if (answerTo.cut === 'inside the answer') client.write(chunk.subarray(0, chunk.length >> 1), () => this.spring(passage, answerTo))
    else this.spring(passage, answerTo)
  }

  private withoutMessage(chunk: Buffer): Buffer {
    const { swallowed } = this
    if (swallowed === null) return chunk
    // One character a byte.
    const text = chunk.toString('latin1')
    for (const [message, channel] of text.matchAll(MESSAGE)) {
      if (!channel!.includes(swallowed.text)) continue
      this.swallowed = null
      swallowed.done()
      return Buffer.from(text.replace(message, ''), 'latin1')
    }
    return chunk
  }

  private spring(passage: Passage, trap: Trap): void {
    this.end(passage)
    trap.sprung()
  }

  private end(passage: Passage): void {
    if (!this.passages.delete(passage)) return
    this.cuts++
    passage.client.destroy()
    passage.server.destroy()
  }
}
