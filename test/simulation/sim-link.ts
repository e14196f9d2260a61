// SPDX-License-Identifier: MIT
// A TCP connection of the world: what is written arrives in its order, late or not at all; what is lost is lost with the connection. What was under
// way to the server when it was cut may still arrive there, also after a new connection was made.
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** What a server answers: a value, an error, or a message to a subscriber. */
export type Reply =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'message'; readonly channel: string; readonly text: string }

export interface ServerEnd {
  receive(link: SimLink, command: readonly string[]): void
  closed(link: SimLink): void
}

export interface ClientEnd {
  readonly process: SimProcess
  received(link: SimLink, reply: Reply): void
  lost(link: SimLink): void
}

/** One direction: nothing overtakes. */
interface Way {
  readonly underWay: (() => void | Promise<void>)[]
  lastArrival: number
  /** Nothing arrives before. */
  heldUntil: number
  /** What the next message takes longer. */
  extra: number
}

export class SimLink {
  private readonly world: World
  private readonly client: ClientEnd
  private readonly server: ServerEnd
  private readonly latencyUs: number
  private readonly toServer: Way = { underWay: [], lastArrival: 0, heldUntil: 0, extra: 0 }
  private readonly toClient: Way = { underWay: [], lastArrival: 0, heldUntil: 0, extra: 0 }
  private broken = false
  /** The client has noticed, or has closed it. */
  private over = false
  private lateArrivals = true
  private toBeCut: { readonly when: 'write' | 'reply'; readonly lateUs: number | null } | null = null

  constructor(world: World, client: ClientEnd, server: ServerEnd, latencyUs: number) {
    this.world = world
    this.client = client
    this.server = server
    this.latencyUs = latencyUs
  }

  write(command: readonly string[]): void {
    if (this.broken) return
    this.send(this.toServer, () => {
      if (!this.broken || this.lateArrivals) this.server.receive(this, command)
    })
    if (this.toBeCut?.when === 'write') this.cut(this.toBeCut.lateUs)
  }

  reply(reply: Reply): void {
    if (this.broken) return
    this.send(this.toClient, () => {
      if (this.broken || !this.client.process.alive) return
      return this.client.process.read(() => {
        if (!this.over) this.client.received(this, reply)
      })
    })
    if (this.toBeCut?.when === 'reply') this.cut(this.toBeCut.lateUs)
  }

  /** It will be cut as soon as the client writes something, or the server. */
  cutOn(when: 'write' | 'reply', lateUs: number | null): void {
    this.toBeCut = { when, lateUs }
  }

  /** The next message of a direction takes so much longer, and whatever is behind it waits. */
  slow(direction: 'up' | 'down', us: number): void {
    const way = direction === 'up' ? this.toServer : this.toClient
    way.extra = us
  }

  /** No fault is still to come. Those that have struck go on. */
  calm(): void {
    this.toBeCut = null
    for (const way of [this.toServer, this.toClient]) way.extra = 0
  }

  /** Nothing arrives for a while. */
  stall(us: number): void {
    for (const way of [this.toServer, this.toClient]) way.heldUntil = Math.max(way.heldUntil, this.world.now + us)
  }

  /**
   * @param lateUs what was under way to the server arrives so much later than it would have; null: it is lost. What was under way to the client
   * is lost.
   */
  cut(lateUs: number | null): void {
    if (this.broken) return
    this.broken = true
    this.lateArrivals = lateUs !== null
    if (lateUs !== null) this.toServer.heldUntil = Math.max(this.toServer.heldUntil, this.world.now + lateUs)
    this.send(this.toServer, () => this.server.closed(this))
    void this.world.after(0, () => this.client.process.read(() => this.noticed()))
  }

  /** The server is gone. What it has answered arrives. */
  closeByServer(): void {
    if (this.broken) return
    this.lateArrivals = false
    this.send(this.toClient, () => {
      this.broken = true
      return this.client.process.read(() => this.noticed())
    })
  }

  /** Closed by the client, or with its process: whatever it has written arrives. */
  close(): void {
    this.over = true
    if (this.broken) return
    this.broken = true
    this.send(this.toServer, () => this.server.closed(this))
  }

  private noticed(): void {
    if (this.over) return
    this.over = true
    this.client.lost(this)
  }

  private send(way: Way, arrive: () => void | Promise<void>): void {
    way.lastArrival = Math.max(way.lastArrival, this.world.now + this.latencyUs + way.extra)
    way.extra = 0
    way.underWay.push(arrive)
    const onArrival = (): void | Promise<void> => {
      if (this.world.now < way.heldUntil) this.world.at(way.heldUntil, onArrival)
      else return way.underWay.shift()!()
    }
    this.world.at(way.lastArrival, onArrival)
  }
}
