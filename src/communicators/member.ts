// SPDX-License-Identifier: MIT
// One rank of a group whose ranks have a line to each other: what threads and processes have in common.
//
// Leaving takes two words. `leaving` says that a rank asks for nothing more; when everybody has said so (or is gone), nobody can need anybody any more, and each
// says `goodbye`. A line that ends with neither `goodbye` nor `dying` belonged to somebody who was killed.
import { LockError } from '../core/errors.ts'
import { Channels, hasLeft } from './channels.ts'
import type { Channel, ChannelListener, Communicator, Departure, Transport } from './communicator.ts'
import { bytesText, type Ended, FIRST_WORD, type Link, textBytes, WORD } from './link.ts'
import { Loopback } from './loopback.ts'

/** A rank's place, and its lines. */
export interface Place {
  readonly transport: Transport
  readonly rank: number
  readonly id: string
  /** By rank; null for oneself. */
  readonly links: readonly (Link | null)[]
  readonly launcher: Link
}

const NOTHING = new Uint8Array(0)
/** A timer that never matters, only whether it is there. */
const SOME_DAY_MS = 2 ** 31 - 1

export class Member implements Communicator {
  readonly transport: Transport
  readonly rank: number
  readonly size: number
  readonly id: string
  readonly survivesDeaths = true
  private readonly links: readonly (Link | null)[]
  private readonly launcher: Link
  private readonly channels: Channels
  private readonly loopback: Loopback
  /** Who has said hello. */
  private readonly present = new Set<number>()
  private readonly leaving = new Set<number>()
  /** Lines that ended before anything came: the launcher knows what became of their ranks. */
  private readonly silent = new Set<number>()
  private readonly accounts = new Map<number, Departure>()
  private readonly staying: NodeJS.Timeout = setInterval(() => {}, SOME_DAY_MS).unref()
  private needed = 0
  private left: Promise<void> | null = null
  private resolveLeft: () => void = () => {}
  private isParting = false
  private saidGoodbye = false
  private isDone = false
  private uncaught: string | null = null

  constructor(place: Place) {
    this.transport = place.transport
    this.rank = place.rank
    this.size = place.links.length
    this.id = place.id
    this.links = place.links
    this.launcher = place.launcher
    this.loopback = new Loopback((channel, bytes) => this.channels.received(this.rank, channel, bytes))
    this.channels = new Channels((to, channel, bytes) => {
      if (to === this.rank) this.loopback.send(channel, bytes)
      else this.links[to]?.send(channel, bytes)
    })
    for (const [rank, link] of this.links.entries()) {
      link?.listen({ received: (channel, bytes) => this.received(rank, channel, bytes), ended: () => this.lineEnded(rank) })
    }
    this.launcher.listen({
      received: (word, bytes) => this.launcherSays(word, bytes),
      ended: () => this.end('The program that started the group is gone.'),
    })
    this.tellAll(WORD.hello)
    process.on('beforeExit', this.atEndOfProgram)
    process.on('exit', this.atExit)
    process.on('uncaughtExceptionMonitor', this.atUncaught)
  }

  openChannel(listener: ChannelListener): Channel {
    if (this.left !== null) throw hasLeft()
    return this.channels.open(listener)
  }

  keepAlive(): () => void {
    let isNeeded = true
    this.stay()
    return () => {
      if (isNeeded) this.unstay()
      isNeeded = false
    }
  }

  leave(): Promise<void> {
    if (this.left !== null) return this.left
    this.left = new Promise((resolve) => {
      this.resolveLeft = resolve
    })
    if (this.isDone) this.resolveLeft()
    else {
      this.stay()
      this.tellAll(WORD.leaving)
      this.considerGoodbye()
    }
    return this.left
  }

  abort(why: string): void {
    if (this.isDone) return
    const text = `Rank ${this.rank} aborted the group: ${why}`
    // At once, for who ends the program next; but nobody here is told from inside this call.
    this.tellOver(text)
    queueMicrotask(() => this.end(text))
  }

  private received(from: number, channel: number, bytes: Uint8Array): void {
    if (channel < FIRST_WORD) this.channels.received(from, channel, bytes)
    else if (channel === WORD.hello) this.present.add(from)
    else if (channel === WORD.goodbye) this.gone(from, { died: false, why: `Rank ${from} left the group.` })
    else if (channel === WORD.dying) this.gone(from, { died: true, why: bytesText(bytes) })
    else if (channel === WORD.over) this.end(bytesText(bytes))
    else if (channel === WORD.leaving) {
      this.leaving.add(from)
      this.channels.ends(from)
      this.considerGoodbye()
    }
  }

  private lineEnded(rank: number): void {
    const account = this.accounts.get(rank)
    if (this.present.has(rank)) this.gone(rank, { died: true, why: account?.died ? account.why : `Rank ${rank} was killed, or crashed.` })
    else if (account !== undefined) this.gone(rank, account)
    else this.silent.add(rank)
  }

  private launcherSays(word: number, bytes: Uint8Array): void {
    if (word !== WORD.ended) return
    const { rank, died, why } = JSON.parse(bytesText(bytes)) as Ended
    this.accounts.set(rank, { died, why })
    if (this.silent.has(rank)) this.gone(rank, { died, why })
    // What it sent may still be on its way.
    else this.links[rank]?.otherEnded()
  }

  private gone(rank: number, departure: Departure): void {
    if (this.isDone || this.channels.gone.has(rank)) return
    this.channels.left(rank, departure)
    this.considerGoodbye()
    this.considerFinish()
  }

  /** Everybody has left or is leaving: nobody needs this rank any more. Whoever closes in this turn may still send. */
  private considerGoodbye(): void {
    if (this.left === null || this.isParting) return
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && !this.leaving.has(rank) && !this.channels.gone.has(rank)) return
    }
    this.isParting = true
    setImmediate(() => {
      if (!this.isDone) this.sayGoodbye()
    })
  }

  private sayGoodbye(): void {
    for (const link of this.links) {
      link?.send(WORD.goodbye, NOTHING)
      link?.finish()
    }
    this.saidGoodbye = true
    this.considerFinish()
  }

  private considerFinish(): void {
    if (this.saidGoodbye && this.channels.gone.size === this.size - 1) this.finish()
  }

  private end(why: string): void {
    if (this.isDone) return
    // Everybody says it to everybody, so that nobody takes the end of a line for a death.
    this.tellOver(why)
    this.channels.end(new LockError('LOCK_UNAVAILABLE', why))
    for (const link of this.links) link?.finish()
    this.finish()
  }

  /** Nothing more is sent or received. */
  private finish(): void {
    this.isDone = true
    for (const link of this.links) link?.ignore()
    this.launcher.finish()
    this.launcher.ignore()
    clearInterval(this.staying)
    process.off('beforeExit', this.atEndOfProgram)
    process.off('exit', this.atExit)
    process.off('uncaughtExceptionMonitor', this.atUncaught)
    this.resolveLeft()
  }

  private tellAll(word: number, bytes: Uint8Array = NOTHING): void {
    for (const [rank, link] of this.links.entries()) if (!this.channels.gone.has(rank)) link?.send(word, bytes)
  }

  private tellOver(why: string): void {
    const bytes = textBytes(why)
    this.tellAll(WORD.over, bytes)
    this.launcher.send(WORD.over, bytes)
    this.flush()
  }

  private flush(): void {
    for (const link of this.links) link?.flush()
    this.launcher.flush()
  }

  private stay(): void {
    if (++this.needed === 1) this.staying.ref()
  }

  private unstay(): void {
    if (--this.needed === 0) this.staying.unref()
  }

  private readonly atEndOfProgram = (): void => {
    void this.leave()
  }

  private readonly atUncaught = (error: unknown): void => {
    this.uncaught = String(error)
  }

  private readonly atExit = (code: number): void => {
    if (!this.saidGoodbye) {
      const why = this.uncaught ?? `exit code ${code}`
      if (code === 0) this.tellAll(WORD.goodbye)
      else this.tellAll(WORD.dying, textBytes(`Rank ${this.rank} ended with ${why}.`))
    }
    this.flush()
  }
}
