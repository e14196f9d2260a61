// SPDX-License-Identifier: MIT
// A client library of the world, in the shape of node-redis: what the engine is given in the place of one. It makes its connection anew, and what it
// does then with commands that were not answered is a matter of its habits, as it is with the libraries.
import type { NodeRedisClient } from '../../src/backends/redis/connection.ts'
import { type ClientEnd, type Reply, SimLink } from './sim-link.ts'
import type { SimProcess } from './sim-process.ts'
import type { SimServer } from './sim-server.ts'

export interface Habits {
  /** Commands without an answer are sent again on the next connection, as ioredis does by default; else they fail. */
  readonly resends: boolean
  /** Commands wait for a connection, as with both libraries by default; else they fail without one, as in clients that we make. */
  readonly queues: boolean
  /** Messages come on a connection of their own. */
  readonly twoConnections: boolean
}

interface Command {
  readonly words: readonly string[]
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

const FIRST_RETRY_MS = 20
const LONGEST_RETRY_MS = 160

export class SimClient implements NodeRedisClient, ClientEnd {
  isReady = false
  readonly options: { readonly RESP: number }
  readonly process: SimProcess
  /** The client itself, and the one it was duplicated into. */
  readonly connections: SimClient[]
  private readonly server: SimServer
  private readonly habits: Habits
  private readonly latencyUs: number
  private link: SimLink | null = null
  private greeted = false
  private retries = 0
  private unreachableUntil = 0
  /** Written, and not answered. */
  private outstanding: Command[] = []
  /** Not written. */
  private waiting: Command[] = []
  private readonly channels = new Map<string, (message: string) => void>()
  private readonly listeners = new Map<string, Set<() => void>>()
  private connected: (() => void) | null = null
  private destroyed = false

  constructor(process: SimProcess, server: SimServer, habits: Habits, latencyUs: number, connections: SimClient[] = []) {
    this.process = process
    this.server = server
    this.habits = habits
    this.latencyUs = latencyUs
    this.options = { RESP: habits.twoConnections ? 2 : 3 }
    this.connections = connections
    connections.push(this)
  }

  connect(): Promise<void> {
    this.dial()
    return new Promise((resolve) => {
      this.connected = resolve
    })
  }

  duplicate(): SimClient {
    return new SimClient(this.process, this.server, this.habits, this.latencyUs, this.connections)
  }

  destroy(): void {
    this.destroyed = true
    this.isReady = false
    this.link?.close()
    this.failAll([...this.outstanding.splice(0), ...this.waiting.splice(0)])
  }

  on(event: string, listener: () => void): this {
    const known = this.listeners.get(event)
    if (known === undefined) this.listeners.set(event, new Set([listener]))
    else known.add(listener)
    return this
  }

  off(event: string, listener: () => void): this {
    this.listeners.get(event)?.delete(listener)
    return this
  }

  sendCommand(words: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const command = { words, resolve, reject }
      if (this.isReady) this.write(command)
      else if (this.habits.queues && !this.destroyed) this.waiting.push(command)
      else reject(new Error('The client is offline'))
    })
  }

  subscribe(channel: string, listener: (message: string) => void): Promise<unknown> {
    this.channels.set(channel, listener)
    return this.sendCommand(['SUBSCRIBE', channel])
  }

  unsubscribe(channel: string): Promise<unknown> {
    this.channels.delete(channel)
    return this.sendCommand(['UNSUBSCRIBE', channel])
  }

  // What happens to its connection.

  received(_link: SimLink, reply: Reply): void {
    if (reply.kind === 'message') {
      this.channels.get(reply.channel)?.(reply.text)
      return
    }
    if (!this.greeted) {
      this.greeted = true
      this.ready()
      return
    }
    const command = this.outstanding.shift()
    if (command === undefined) throw new Error('The simulated server answered what nobody asked.')
    if (reply.kind === 'answer') command.resolve(reply.value)
    else command.reject(new Error(reply.message))
  }

  lost(link: SimLink): void {
    if (link !== this.link) return
    this.link = null
    this.isReady = false
    this.tell('reconnecting')
    const unanswered = this.outstanding.splice(0)
    if (this.habits.resends) this.waiting.unshift(...unanswered)
    else this.failAll(unanswered)
    this.dialLater()
  }

  // Faults.

  slow(direction: 'up' | 'down', us: number): void {
    this.link?.slow(direction, us)
  }

  stall(us: number): void {
    this.link?.stall(us)
  }

  cut(when: 'now' | 'write' | 'reply', lateUs: number | null, awayUs: number): void {
    this.unreachableUntil = Math.max(this.unreachableUntil, this.process.world.now + awayUs)
    if (when === 'now') this.link?.cut(lateUs)
    else this.link?.cutOn(when, lateUs)
  }

  calm(): void {
    this.unreachableUntil = 0
    this.link?.calm()
  }

  /** With its process. */
  vanish(): void {
    this.destroyed = true
    this.link?.close()
  }

  private dial(): void {
    if (this.destroyed) return
    if (this.process.world.now < this.unreachableUntil || !this.server.isUp) {
      this.dialLater()
      return
    }
    this.greeted = false
    this.link = new SimLink(this.process.world, this, this.server, this.latencyUs)
    // Whoever is ready sooner than its subscriptions are made sends them along with the rest.
    this.link.write(this.habits.resends ? ['HELLO'] : ['HELLO', ...this.channels.keys()])
  }

  private dialLater(): void {
    setTimeout(() => this.dial(), Math.min(FIRST_RETRY_MS * 2 ** this.retries++, LONGEST_RETRY_MS))
  }

  private ready(): void {
    this.isReady = true
    this.retries = 0
    if (this.habits.resends) for (const channel of this.channels.keys()) this.subscribeAgain(channel)
    for (const command of this.waiting.splice(0)) this.write(command)
    this.connected?.()
    this.connected = null
    this.tell('ready')
  }

  private subscribeAgain(channel: string): void {
    const nobody = (): void => {}
    this.write({ words: ['SUBSCRIBE', channel], resolve: nobody, reject: nobody })
  }

  private write(command: Command): void {
    this.outstanding.push(command)
    this.link!.write(command.words)
  }

  private failAll(commands: readonly Command[]): void {
    for (const { reject } of commands) reject(new Error('Socket closed unexpectedly'))
  }

  private tell(event: string): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener()
  }
}
