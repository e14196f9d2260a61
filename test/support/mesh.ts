// SPDX-License-Identifier: MIT
// A group whose ranks all live in this thread, so that a test decides when a message arrives, who dies and when: delays by the dice, links that
// are held, deaths between any two messages. Messages of one rank to another keep their order, as everywhere.
import { randomUUID } from 'node:crypto'
import { Channels, hasLeft } from '../../src/communicators/channels.ts'
import type { Channel, ChannelListener, Communicator, Departure } from '../../src/communicators/communicator.ts'
import { LockError } from '../../src/index.ts'

export interface MeshOptions {
  /** With dice, messages take a random number of turns, each pair of ranks at its own pace. Without, they arrive in the order in which they were sent. */
  readonly dice?: (() => number) | undefined
  readonly survivesDeaths?: boolean | undefined
}

interface Letter {
  readonly number: number
  readonly from: number
  readonly to: number
  readonly deliver: (to: Channels) => void
}

export class Mesh {
  readonly ranks: readonly MeshRank[]
  /** Messages that were sent so far. */
  sent = 0
  private readonly dice: (() => number) | null
  private readonly links = new Map<string, Letter[]>()
  private readonly held = new Set<string>()
  private readonly dead = new Set<number>()
  private letters = 0
  private scheduled = false

  constructor(size: number, { dice, survivesDeaths = true }: MeshOptions = {}) {
    this.dice = dice ?? null
    const id = randomUUID()
    this.ranks = Array.from({ length: size }, (_, rank) => new MeshRank(this, rank, size, id, survivesDeaths))
  }

  /** Messages from the one to the other stay on their way until {@link letGo}. */
  hold(from: number, to: number): void {
    this.held.add(`${from} ${to}`)
  }

  letGo(from: number, to: number): void {
    this.held.delete(`${from} ${to}`)
    this.schedule()
  }

  /** Ends a rank: what it sent before arrives, what its code does from now on does not matter to anybody. */
  kill(rank: number): void {
    if (this.dead.has(rank)) return
    this.depart(rank, { died: true, why: 'it was killed' })
    this.dead.add(rank)
    for (let from = 0; from < this.ranks.length; from++) this.links.delete(`${from} ${rank}`)
  }

  /** Bytes as if `from` had sent them, on its first channel. */
  forge(from: number, to: number, bytes: Uint8Array): void {
    this.send(from, to, 0, bytes)
  }

  /** Resolves when nothing is on its way any more, and nobody has anything to add. */
  async quiet(): Promise<void> {
    for (let calm = 0; calm < 3; calm++) {
      if (this.moving) calm = 0
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** @internal */
  send(from: number, to: number, channel: number, bytes: Uint8Array): void {
    this.sent++
    const before = bytes.slice()
    this.post(from, to, (receiver) => {
      if (Buffer.compare(before, bytes) !== 0) throw new Error(`Rank ${from} changed a message after it had sent it.`)
      receiver.received(from, channel, bytes)
    })
  }

  /** @internal */
  depart(rank: number, departure: Departure): void {
    for (const { rank: to } of this.ranks) if (to !== rank) this.post(rank, to, (receiver) => receiver.left(rank, departure))
  }

  /** @internal */
  abort(by: number, why: string): void {
    const reason = new LockError('LOCK_UNAVAILABLE', `The group was aborted by rank ${by}: ${why}`)
    // Overtakes all that is on its way.
    for (const { rank, channels } of this.ranks) setImmediate(() => !this.dead.has(rank) && channels.end(reason))
  }

  private post(from: number, to: number, deliver: (to: Channels) => void): void {
    if (this.dead.has(from) || this.dead.has(to)) return
    const link = `${from} ${to}`
    const letter = { number: ++this.letters, from, to, deliver }
    const letters = this.links.get(link)
    if (letters === undefined) this.links.set(link, [letter])
    else letters.push(letter)
    this.schedule()
  }

  private get moving(): boolean {
    return [...this.links].some(([link, letters]) => letters.length > 0 && !this.held.has(link))
  }

  private schedule(): void {
    if (this.scheduled || !this.moving) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.carry()
      this.schedule()
    })
  }

  private carry(): void {
    const due: Letter[] = []
    for (const [link, letters] of this.links) {
      if (this.held.has(link)) continue
      const count = this.dice === null ? letters.length : this.dice() % 3 === 0 ? 1 + (this.dice() % 4) : 0
      due.push(...letters.splice(0, count))
    }
    if (this.dice === null) due.sort((a, b) => a.number - b.number)
    for (const { to, deliver } of due) if (!this.dead.has(to)) deliver(this.ranks[to]!.channels)
  }
}

export class MeshRank implements Communicator {
  readonly transport = 'threads'
  readonly rank: number
  readonly size: number
  readonly id: string
  readonly survivesDeaths: boolean
  /** How many reasons there are for the program to stay alive. */
  kept = 0
  /** @internal */
  readonly channels: Channels
  private readonly mesh: Mesh
  private left = false

  constructor(mesh: Mesh, rank: number, size: number, id: string, survivesDeaths: boolean) {
    this.mesh = mesh
    this.rank = rank
    this.size = size
    this.id = id
    this.survivesDeaths = survivesDeaths
    this.channels = new Channels((to, channel, bytes) => mesh.send(rank, to, channel, bytes))
  }

  openChannel(listener: ChannelListener): Channel {
    if (this.left) throw hasLeft()
    return this.channels.open(listener)
  }

  keepAlive(): () => void {
    this.kept++
    return () => {
      this.kept--
    }
  }

  /** Does not wait for the others. */
  leave(): Promise<void> {
    if (!this.left) this.mesh.depart(this.rank, { died: false, why: 'its program has ended' })
    this.left = true
    return Promise.resolve()
  }

  abort(why: string): void {
    this.mesh.abort(this.rank, why)
  }
}
