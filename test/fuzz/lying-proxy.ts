// SPDX-License-Identifier: MIT
// A proxy between a Redis client and its server that understands both, and may put another answer in the place of the server's.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** An answer as a script's author thinks of it; as bytes where it is something else. */
export type Reply = string | number | null | readonly Reply[] | ReplyError | Buffer

/** An error that the server answers with. */
export class ReplyError {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What becomes of an answer: another one, only a part of it and the end of the connection, or nothing, and nothing more on this connection. */
export type Lie = { readonly say: Reply } | 'cut off' | 'silence'

/** @param command in the words of the client. Undefined: the truth. */
export type Liar = (command: readonly string[], truth: Reply) => Lie | undefined

interface Passage {
  readonly client: Socket
  readonly server: Socket
  /** Commands whose answers are outstanding, oldest first. */
  readonly asked: (readonly string[])[]
  silent: boolean
}

export class LyingProxy {
  liar: Liar | null = null
  /** How many were told. */
  lies = 0
  /** Resolves with the first one. */
  readonly lied: Promise<void>
  private tellLied: () => void = () => {}
  private readonly listener: Server
  private readonly target: number
  private readonly passages = new Set<Passage>()

  private constructor(target: number) {
    this.target = target
    this.listener = createServer((client) => this.pass(client))
    this.lied = new Promise((resolve) => {
      this.tellLied = resolve
    })
  }

  static async to(target: number): Promise<LyingProxy> {
    const proxy = new LyingProxy(target)
    proxy.listener.listen(0, '127.0.0.1')
    await once(proxy.listener, 'listening')
    return proxy
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port
  }

  /** Cuts every connection. */
  cut(): void {
    for (const { client, server } of this.passages) for (const socket of [client, server]) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.listener.close()
    await once(this.listener, 'close')
  }

  private pass(client: Socket): void {
    const server = connect(this.target, '127.0.0.1')
    const passage: Passage = { client, server, asked: [], silent: false }
    this.passages.add(passage)
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.passages.delete(passage)
        client.destroy()
        server.destroy()
      })
    }
    client.on(
      'data',
      eachMessage((message, bytes) => {
        passage.asked.push(Array.isArray(message) ? message.map(String) : [])
        server.write(bytes)
      }),
    )
    server.on(
      'data',
      eachMessage((message, bytes) => this.answer(passage, message, bytes)),
    )
  }

  private answer(passage: Passage, truth: Reply, bytes: Buffer): void {
    if (passage.silent) return
    const { client, asked } = passage
    const command = isMessage(truth) ? ['push'] : (asked.shift() ?? [])
    const lie = this.liar?.(command, truth)
    if (lie === undefined) {
      client.write(bytes)
      return
    }
    this.lies++
    this.tellLied()
    if (lie === 'silence') passage.silent = true
    else if (lie === 'cut off') {
      passage.silent = true
      client.end(bytes.subarray(0, bytes.length >> 1))
    } else client.write(command[0] === 'push' && Array.isArray(lie.say) ? asPush(lie.say, bytes) : written(lie.say))
  }
}

/** Of a channel: it comes when it comes, and answers nothing. */
function isMessage(truth: Reply): boolean {
  return Array.isArray(truth) && truth[0] === 'message' && truth.length === 3
}

function asPush(say: readonly Reply[], truth: Buffer): Buffer {
  return Buffer.concat([truth.subarray(0, 1), written(say).subarray(1)])
}

function written(reply: Reply): Buffer {
  if (Buffer.isBuffer(reply)) return reply
  if (reply === null) return Buffer.from('$-1\r\n')
  if (reply instanceof ReplyError) return Buffer.from(`-${reply.text}\r\n`)
  if (typeof reply === 'number') return Buffer.from(`:${reply}\r\n`)
  if (typeof reply === 'string') return Buffer.from(`$${Buffer.byteLength(reply)}\r\n${reply}\r\n`)
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(written)])
}

function eachMessage(give: (message: Reply, bytes: Buffer) => void): (chunk: Buffer) => void {
  let bytes: Buffer = Buffer.alloc(0)
  return (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    for (let read = parse(bytes, 0); read !== null; read = parse(bytes, 0)) {
      give(read.reply, bytes.subarray(0, read.end))
      bytes = bytes.subarray(read.end)
    }
  }
}

/** One message of either version of the protocol; null if it is not complete. What scripts cannot answer is read as text. */
function parse(bytes: Buffer, at: number): { reply: Reply; end: number } | null {
  const newline = bytes.indexOf('\r\n', at)
  if (newline < 0) return null
  const type = String.fromCharCode(bytes[at]!)
  const line = bytes.toString('utf8', at + 1, newline)
  const begin = newline + 2
  if (type === ':') return { reply: Number(line), end: begin }
  if (type === '-') return { reply: new ReplyError(line), end: begin }
  if (type === '$' || type === '=' || type === '!') {
    const length = Number(line)
    if (length < 0) return { reply: null, end: begin }
    return begin + length + 2 > bytes.length ? null : { reply: bytes.toString('utf8', begin, begin + length), end: begin + length + 2 }
  }
  if (type === '*' || type === '>' || type === '~' || type === '%') {
    const reply: Reply[] = []
    let end = begin
    for (let left = Number(line) * (type === '%' ? 2 : 1); left > 0; left--) {
      const one = parse(bytes, end)
      if (one === null) return null
      reply.push(one.reply)
      end = one.end
    }
    return { reply, end }
  }
  return { reply: type === '_' ? null : line, end: begin }
}
