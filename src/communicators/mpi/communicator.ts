// SPDX-License-Identifier: MIT
// A rank under MPI. Messages go over MPI to others, and past it to oneself; ranks leave together, since MPI ends for all at once.
import { writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { isLockError, LockError } from '../../core/errors.ts'
import type { MpiWorld } from '../../native/mpi.ts'
import { MpiMessages } from '../../native/mpi-messages.ts'
import { Channels, hasLeft } from '../channels.ts'
import type { Channel, ChannelListener, Communicator } from '../communicator.ts'
import { Arrivals } from './arrivals.ts'
import { Departures } from './departures.ts'
import { Doorbell } from './doorbell.ts'
import { OWN_TAGS } from './pieces.ts'
import { Pump } from './pump.ts'

/** What ranks tell each other about leaving goes by this tag; channels count from the next one. */
const CONTROL = 0
const FIRST_CHANNEL = 1
/** A rank wants no more of the others, but still serves them. */
const LEAVES: Uint8Array = Uint8Array.of(1)
/** It knows that all leave, and sends nothing after this. */
const LAST_WORD: Uint8Array = Uint8Array.of(2)

/** So many messages to oneself are told without a look at what others have sent. */
const OWN_IN_A_ROW = 32

/** What ranks tell each other at the beginning, as JSON, filled up with spaces. */
const GREETING_BYTES = 256

interface Greeting {
  readonly id: string
  readonly bell: string
}

export class MpiCommunicator implements Communicator {
  readonly transport = 'mpi'
  readonly survivesDeaths = false
  readonly rank: number
  readonly size: number
  readonly id: string
  private readonly world: MpiWorld
  private readonly departures: Departures
  private readonly arrivals: Arrivals
  private readonly pump: Pump
  private readonly bell: Doorbell
  private readonly channels: Channels
  /** When we last sent something, by rank: whoever got it lately needs no bell. */
  private readonly lastSent: Float64Array
  /** For ourselves, and how many of these we have told since we last looked at what others have sent. */
  private readonly own: { readonly channel: number; readonly bytes: Uint8Array }[] = []
  private ownInARow = 0
  private opened = 0
  private leaving: { readonly done: Promise<void>; readonly resolve: () => void; readonly release: () => void } | null = null
  private leavers = 0
  private lastWords = 0
  private isSilent = false
  private isOver = false

  /** Every rank does this at the same time: they greet each other. `id` counts where the rank is 0. */
  constructor(world: MpiWorld, id: string) {
    this.world = world
    this.rank = world.rank
    this.size = world.size
    this.lastSent = new Float64Array(world.size).fill(Number.NEGATIVE_INFINITY)
    this.bell = new Doorbell(() => this.pump.awake())
    const greetings = greet(world, { id, bell: this.bell.place })
    this.id = greetings[0]!.id
    const everybodyRings = this.bell.connect(greetings.map(({ bell }) => bell))
    this.channels = new Channels((to, channel, bytes) => this.send(to, channel, bytes))
    const messages = new MpiMessages(world)
    this.departures = new Departures(messages)
    this.arrivals = new Arrivals(messages, (from, tag, bytes) => this.received(from, tag, bytes))
    const traffic = {
      poll: () => this.poll(),
      isUnderWay: () => !this.departures.isEmpty || !this.arrivals.isEmpty,
      wakeCounterparts: () => {
        for (const rank of new Set([...this.departures.ranks, ...this.arrivals.ranks])) this.bell.ring(rank)
      },
    }
    this.pump = new Pump(traffic, this.bell, everybodyRings)
  }

  openChannel(listener: ChannelListener): Channel {
    if (this.leaving !== null) throw hasLeft()
    if (this.opened + FIRST_CHANNEL + OWN_TAGS > this.world.maxTag) {
      throw new LockError('LOCK_UNAVAILABLE', `A group has no more than ${this.opened} channels under this MPI library.`)
    }
    const channel = this.channels.open(listener)
    this.opened++
    return channel
  }

  keepAlive(): () => void {
    return this.pump.hold()
  }

  soon(task: () => void): void {
    this.pump.soon(task)
  }

  leave(): Promise<void> {
    if (this.leaving === null) {
      let resolve = (): void => {}
      const done = new Promise<void>((settle) => {
        resolve = settle
      })
      this.leaving = { done, resolve, release: this.pump.hold() }
      this.tellAll(LEAVES)
      this.leavers++
    }
    return this.leaving.done
  }

  /** Leaves while the program ends: others are served until they leave, too, and nothing else happens here. */
  leaveAtOnce(): void {
    void this.leave()
    this.pump.runUntil(() => this.isOver)
  }

  /** Whether all ranks have left. */
  get hasEnded(): boolean {
    return this.isOver
  }

  abort(why: string, exitCode: number = 1): void {
    if (this.isOver) return
    this.isOver = true
    try {
      writeSync(2, `holdfast: rank ${this.rank} of ${this.size} ends the job: ${why}\n`)
    } catch {
      // Nobody listens. The others end nevertheless.
    }
    this.world.abort(exitCode)
    process.kill(process.pid, 'SIGKILL')
  }

  private send(to: number, channel: number, bytes: Uint8Array): void {
    if (this.isSilent || to < 0 || to >= this.size) return
    if (to !== this.rank) this.transmit(to, channel + FIRST_CHANNEL, bytes)
    // A copy, as the listener may do with it what he likes, while MPI may be sending the original to others.
    else if (this.own.push({ channel, bytes: Uint8Array.prototype.slice.call(bytes) }) === 1) queueMicrotask(this.tellOwn)
  }

  private transmit(to: number, tag: number, bytes: Uint8Array): void {
    this.guarded(() => this.departures.send(to, tag, bytes))
    const now = performance.now()
    if (now - this.lastSent[to]! > this.pump.staysAwakeMs) this.bell.ring(to)
    this.lastSent[to] = now
    this.pump.awake(now)
  }

  private readonly tellOwn = (): void => {
    // Others would never be heard if those who answer themselves went on without end.
    const batch = this.own.splice(0, OWN_IN_A_ROW - this.ownInARow)
    this.ownInARow += batch.length
    for (const { channel, bytes } of batch) this.channels.received(this.rank, channel, bytes)
    if (this.own.length === 0) return
    if (this.ownInARow < OWN_IN_A_ROW) queueMicrotask(this.tellOwn)
    else this.pump.awake()
  }

  private poll(): boolean {
    if (this.isOver) return false
    let moved = false
    this.guarded(() => {
      moved = this.departures.poll()
      if (this.arrivals.poll()) moved = true
    })
    this.ownInARow = 0
    if (this.own.length > 0) {
      moved = true
      this.tellOwn()
    }
    // Not earlier: whoever leaves may still send in the same turn.
    if (this.leavers === this.size && !this.isSilent) this.sayLastWord()
    if (this.lastWords === this.size && this.departures.isEmpty) this.end()
    return moved
  }

  private received(from: number, tag: number, bytes: Uint8Array): void {
    if (tag !== CONTROL) this.channels.received(from, tag - FIRST_CHANNEL, bytes)
    else if (bytes[0] === LEAVES[0]) {
      this.leavers++
      this.channels.ends(from)
    } else {
      this.lastWords++
      this.channels.left(from, { died: false, why: `Rank ${from} left the group.` })
    }
  }

  private sayLastWord(): void {
    this.tellAll(LAST_WORD)
    this.isSilent = true
    this.lastWords++
  }

  private tellAll(bytes: Uint8Array): void {
    for (let to = 0; to < this.size; to++) if (to !== this.rank) this.transmit(to, CONTROL, bytes)
    this.pump.awake()
  }

  /** Everybody has left, and knows it, so MPI's own end, which waits for all of them, is a matter of milliseconds. */
  private end(): void {
    if (this.isOver) return
    this.isOver = true
    this.pump.stop()
    this.bell.close()
    this.world.finalize()
    this.leaving!.release()
    this.leaving!.resolve()
  }

  /** When MPI fails the group is lost. */
  private guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.abort(isLockError(error) ? error.message : inspect(error))
    }
  }
}

function greet(world: MpiWorld, greeting: Greeting): Greeting[] {
  const bytes = Buffer.alloc(GREETING_BYTES, ' ')
  bytes.write(JSON.stringify(greeting), 'utf8')
  return world.gather(bytes).map((text) => JSON.parse(Buffer.from(text).toString('utf8')) as Greeting)
}
