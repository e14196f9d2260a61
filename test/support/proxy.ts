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

/** A text that a request contains, or what says whether it is meant. */
export type Which = string | ((request: Buffer) => boolean)

/** What the proxy has to know of the protocol, to see single messages where several come at once. */
export interface Protocol {
  /** The length of the message that these bytes begin with, as a whole, or 0 when it is not known yet. */
  length(bytes: Buffer): number
  answers(answer: Buffer, request: Buffer): boolean
}

/** What comes at once is one message, and the next one in the other direction answers it. */
const CHUNKS: Protocol = { length: (bytes) => bytes.length, answers: () => true }

interface Trap {
  readonly which: Which
  readonly cut: Cut
  readonly sprung: () => void
}

interface Passage {
  readonly client: Socket
  readonly server: Socket
  readonly requests: Stream
  readonly answers: Stream
  /** The trap closes with the answer to this request. */
  awaited: { readonly trap: Trap; readonly request: Buffer } | null
  /** Nothing more gets through. */
  closing: boolean
}

/** Where clients connect to instead of the server. */
export class TcpProxy {
  /** How many connections were cut. */
  cuts = 0
  private readonly listener: Server
  private readonly target: number
  private readonly protocol: Protocol
  private readonly passages = new Set<Passage>()
  private trap: Trap | null = null
  private swallowed: { readonly pattern: RegExp; readonly done: () => void } | null = null
  private held: { readonly which: Which; readonly meanwhile: () => Promise<unknown> } | null = null
  private frozen = false
  private refusing = false

  private constructor(target: number, protocol: Protocol) {
    this.target = target
    this.protocol = protocol
    this.listener = createServer((client) => this.pass(client))
  }

  static async to(target: number, protocol: Protocol = CHUNKS): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, protocol)
    proxy.listener.listen(0, '127.0.0.1')
    await once(proxy.listener, 'listening')
    return proxy
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port
  }

  /** How many there are now. */
  get connections(): number {
    return this.passages.size
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

  /** Cuts the connection on which the next such request comes. Resolves then. */
  cutAt(which: Which, cut: Cut): Promise<void> {
    return new Promise((sprung) => {
      this.trap = { which, cut, sprung }
    })
  }

  /** The next such request, and what comes after it, goes on its way only when `meanwhile` is done. */
  hold(which: Which, meanwhile: () => Promise<unknown>): void {
    this.held = { which, meanwhile }
  }

  /** What matches next in an answer (one character a byte) is lost, and nothing else. Resolves then. */
  swallow(pattern: RegExp): Promise<void> {
    return new Promise((done) => {
      this.swallowed = { pattern, done }
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
    const requests = new Stream(this.protocol, (message) => this.request(passage, message))
    const answers = new Stream(this.protocol, (message) => this.answer(passage, message))
    const passage: Passage = { client, server, requests, answers, awaited: null, closing: false }
    this.passages.add(passage)
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      if (this.frozen) socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => this.end(passage))
    }
    client.on('data', (chunk) => requests.take(chunk))
    server.on('data', (chunk) => answers.take(chunk))
  }

  private request(passage: Passage, message: Buffer): void {
    if (passage.closing) return
    const { held, trap } = this
    if (held !== null && matches(held.which, message)) {
      this.held = null
      passage.requests.pause()
      void held.meanwhile().then(() => {
        this.request(passage, message)
        passage.requests.resume()
      })
      return
    }
    if (trap === null || !matches(trap.which, message)) {
      passage.server.write(message)
      return
    }
    this.trap = null
    if (trap.cut === 'before the request') this.spring(passage, trap)
    else if (trap.cut === 'inside the request') {
      passage.closing = true
      passage.server.write(message.subarray(0, middle(trap.which, message)), () => this.spring(passage, trap))
    } else {
      passage.awaited = { trap, request: message }
      passage.server.write(message)
    }
  }

  private answer(passage: Passage, message: Buffer): void {
    if (passage.closing) return
    const { awaited, client } = passage
    if (awaited === null || !this.protocol.answers(message, awaited.request)) client.write(this.withoutSwallowed(message))
    else if (awaited.trap.cut === 'inside the answer') {
      passage.closing = true
      client.write(message.subarray(0, message.length >> 1), () => this.spring(passage, awaited.trap))
    } else this.spring(passage, awaited.trap)
  }

  private withoutSwallowed(message: Buffer): Buffer {
    const { swallowed } = this
    if (swallowed === null) return message
    const text = message.toString('latin1')
    if (!swallowed.pattern.test(text)) return message
    this.swallowed = null
    swallowed.done()
    return Buffer.from(text.replace(swallowed.pattern, ''), 'latin1')
  }

  private spring(passage: Passage, trap: Trap): void {
    this.end(passage)
    trap.sprung()
  }

  private end(passage: Passage): void {
    if (!this.passages.delete(passage)) return
    this.cuts++
    passage.closing = true
    passage.client.destroy()
    passage.server.destroy()
  }
}

/** Takes what comes, and gives single messages. */
class Stream {
  private readonly protocol: Protocol
  private readonly give: (message: Buffer) => void
  private bytes: Buffer = Buffer.alloc(0)
  private paused = false

  constructor(protocol: Protocol, give: (message: Buffer) => void) {
    this.protocol = protocol
    this.give = give
  }

  take(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk])
    while (!this.paused) {
      const length = this.protocol.length(this.bytes)
      if (length === 0 || length > this.bytes.length) return
      const message = this.bytes.subarray(0, length)
      this.bytes = this.bytes.subarray(length)
      this.give(message)
    }
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.take(Buffer.alloc(0))
  }
}

function matches(which: Which, message: Buffer): boolean {
  return typeof which === 'string' ? message.includes(which) : which(message)
}

/** Behind the text that was looked for, where there is one. */
function middle(which: Which, message: Buffer): number {
  return typeof which === 'string' ? message.indexOf(which) + which.length : message.length >> 1
}
