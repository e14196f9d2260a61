// SPDX-License-Identifier: MIT
// The channels of one rank: numbered in the order in which they are opened, with a box for what comes before its channel is there.
// Every transport has one of these, tells it what arrives, and gives it a way to send.
import { LockError } from '../core/errors.ts'
import type { Channel, ChannelListener, Departure } from './communicator.ts'

interface Opened {
  /** Null when it was closed. */
  listener: ChannelListener | null
}

type Telling = (listener: ChannelListener) => void

export class Channels {
  private readonly transmit: (to: number, channel: number, bytes: Uint8Array) => void
  private readonly opened: Opened[] = []
  /** What has come for channels that nobody has opened yet. */
  private readonly early = new Map<number, { readonly from: number; readonly bytes: Uint8Array }[]>()
  private readonly departures = new Map<number, Departure>()
  /** For channels that were just opened: what came before they were, still to be told, and whatever comes meanwhile, behind it. */
  private readonly postponed = new Map<Opened, Telling[]>()
  /** Ranks whose programs have come to their end. */
  private readonly ended = new Set<number>()
  private ending: LockError | null = null

  constructor(transmit: (to: number, channel: number, bytes: Uint8Array) => void) {
    this.transmit = transmit
  }

  /** Ranks that are gone, in the order in which they went. */
  get gone(): ReadonlyMap<number, Departure> {
    return this.departures
  }

  /** Why nothing is sent or received any more; null while it is. */
  get over(): LockError | null {
    return this.ending
  }

  /** @throws LockError the reason, when it is over. */
  open(listener: ChannelListener): Channel {
    if (this.ending !== null) throw this.ending
    const number = this.opened.length
    const place: Opened = { listener }
    this.opened.push(place)
    const early = this.early.get(number)
    this.early.delete(number)
    const departures = [...this.departures]
    if (early !== undefined || departures.length > 0 || this.ended.size > 0) {
      // What comes meanwhile comes after this: both wait for a turn of their own.
      const late: Telling[] = []
      for (const { from, bytes } of early ?? []) late.push((to) => to.received(from, bytes))
      for (const rank of this.ended) late.push((to) => to.ending?.(rank))
      for (const [rank, departure] of departures) late.push((to) => to.gone(rank, departure))
      this.postpone(place, late)
    }
    return {
      send: (to, bytes) => {
        if (place.listener !== null && this.ending === null && !this.departures.has(to)) this.transmit(to, number, bytes)
      },
      close: () => {
        place.listener = null
      },
    }
  }

  /** A message has arrived. */
  received(from: number, channel: number, bytes: Uint8Array): void {
    if (this.ending !== null) return
    const place = this.opened[channel]
    if (place === undefined) {
      const early = this.early.get(channel)
      if (early === undefined) this.early.set(channel, [{ from, bytes }])
      else early.push({ from, bytes })
      return
    }
    this.tell(place, (listener) => listener.received(from, bytes))
  }

  /** This rank begins nothing any more. */
  ends(rank: number): void {
    if (this.ending !== null || this.ended.has(rank)) return
    this.ended.add(rank)
    for (const place of [...this.opened]) this.tell(place, (listener) => listener.ending?.(rank))
  }

  /** Nothing more comes from this rank. A second word about the same rank is ignored. */
  left(rank: number, departure: Departure): void {
    if (this.ending !== null || this.departures.has(rank)) return
    this.departures.set(rank, departure)
    // Those that are opened meanwhile hear of it because they are.
    for (const place of [...this.opened]) this.tell(place, (listener) => listener.gone(rank, departure))
  }

  /** It is over for this rank. */
  end(reason: LockError): void {
    if (this.ending !== null) return
    this.ending = reason
    this.early.clear()
    for (const place of this.opened) this.tell(place, (listener) => listener.over(reason))
  }

  private tell(place: Opened, what: Telling): void {
    if (place.listener === null) return
    const waiting = this.postponed.get(place)
    if (waiting === undefined) what(place.listener)
    else waiting.push(what)
  }

  private postpone(place: Opened, late: Telling[]): void {
    this.postponed.set(place, late)
    queueMicrotask(() => {
      // Telling one may bring the next.
      for (let told = 0; told < late.length; told++) if (place.listener !== null) late[told]!(place.listener)
      this.postponed.delete(place)
    })
  }
}

/** What a channel cannot be opened for any more, once this rank has left. */
export function hasLeft(): LockError {
  return new LockError('LOCK_CLOSED', 'This rank has left its group.')
}
