// SPDX-License-Identifier: MIT
// The rounds of a window: what all ranks do together, one after the other, in which one of them writes.
//
// Each round has a number, alike on all ranks as all begin the same rounds in the same order. Messages of a round:
//   enter   every rank → the writer and the master: which round it thinks this is, and whether it can take part
//   share   writer → all: a value, at any time before the end
//   leave   every other rank → writer, where all ranks run the block: its part is done, or why it failed
//   end     writer → all: what came of it, a value or an error
//   refuse  master → all: the ranks began different rounds under one number
//   close   each rank → all: it begins no more rounds
// Invariant: the writer writes only after all have entered the same round, and every rank hears one outcome, the same. One that dies, or is gone without
// entering, fails the rounds that need it, on every rank.
import { deserialize, serialize } from 'node:v8'
import { missing } from '../communicators/collectives.ts'
import type { Channel, Communicator, Departure } from '../communicators/communicator.ts'
import { LockError } from '../core/errors.ts'
import { type Kind, Round } from './round.ts'
import { decodeError, encodeError } from './value.ts'

type Message =
  | readonly ['enter', number, number, Kind, Uint8Array | null]
  | readonly ['share', number, Uint8Array]
  | readonly ['leave', number, Uint8Array | null]
  | readonly ['end', number, 'value' | 'error', Uint8Array, number]
  | readonly ['refuse', number, string]
  | readonly ['close']

/** What the master knows of a round that not all have entered. */
interface Entries {
  readonly writer: number
  readonly kind: Kind
  readonly first: number
  count: number
}

export class Rounds {
  private readonly communicator: Communicator
  private readonly master: number
  private readonly channel: Channel
  private readonly rounds = new Map<number, Round>()
  /** What came for rounds that this rank has not begun. */
  private readonly early = new Map<number, { readonly from: number; readonly message: Message }[]>()
  private readonly entries = new Map<number, Entries>()
  private readonly absent = new Map<number, Departure>()
  private begun = 0
  private over: LockError | null = null

  constructor(communicator: Communicator, master: number) {
    this.communicator = communicator
    this.master = master
    this.channel = communicator.openChannel({
      received: (from, bytes) => this.received(from, bytes),
      gone: (rank, departure) => this.gone(rank, departure),
      ending: (rank) => this.gone(rank, { died: false, why: 'its program has ended' }),
      over: (reason) => {
        this.over = reason
        for (const round of [...this.rounds.values()]) round.fail(reason)
      },
    })
  }

  /** The next round on this rank. It is over when it has been {@link Round.settled}. */
  begin(writer: number, kind: Kind, refusal: LockError | null): Round {
    const number = this.begun++
    const { rank, size } = this.communicator
    const round = new Round({
      writer,
      rank,
      size,
      share: (value) => this.toAll(['share', number, value]),
      leave: (error) => this.send(writer, ['leave', number, error]),
      end: (outcome) => this.toAll(['end', number, outcome.kind, outcome.bytes, outcome.rank]),
    })
    this.rounds.set(number, round)
    const letGo = this.communicator.keepAlive()
    void round.settled.then(() => {
      this.rounds.delete(number)
      letGo()
    })
    const entry: Message = ['enter', number, writer, kind, refusal === null ? null : encodeError(refusal)]
    for (const to of new Set([writer, this.master])) {
      if (to === rank) this.handle(rank, entry)
      else this.send(to, entry)
    }
    for (const { from, message } of this.early.get(number) ?? []) this.handle(from, message)
    this.early.delete(number)
    if (this.over !== null) round.fail(this.over)
    for (const [absent, departure] of this.absent) round.gone(absent, missing(absent, departure))
    return round
  }

  /** Waits for the rounds under way; the others' later ones fail. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.rounds.values(), (round) => round.settled))
    this.toAll(['close'])
    this.channel.close()
  }

  private received(from: number, bytes: Uint8Array): void {
    let message: Message
    try {
      message = deserialize(bytes) as Message
    } catch {
      return
    }
    if (Array.isArray(message)) this.handle(from, message)
  }

  private handle(from: number, message: Message): void {
    if (message[0] === 'close') {
      this.gone(from, { died: false, why: 'it closed its controller' })
      return
    }
    const [word, number] = message
    if (word === 'enter' && this.communicator.rank === this.master) this.compare(from, message)
    const round = this.rounds.get(number)
    if (round === undefined) {
      // For a round that is over here it comes too late to matter.
      if (number < this.begun) return
      this.early.set(number, [...(this.early.get(number) ?? []), { from, message }])
      return
    }
    switch (word) {
      case 'enter':
        round.entered(from, message[4] === null ? null : decodeError(message[4], from))
        break
      case 'share':
        round.heardValue(message[2])
        break
      case 'leave':
        round.hasLeft(from, message[2] === null ? null : decodeError(message[2], from))
        break
      case 'end':
        round.heardEnd({ kind: message[2], bytes: message[3], rank: message[4] })
        break
      case 'refuse':
        round.fail(new LockError('LOCK_INVALID', message[2]))
        break
    }
  }

  /** On the master: whether all mean the same round. */
  private compare(from: number, [, number, writer, kind]: Extract<Message, readonly ['enter', ...unknown[]]>): void {
    const known = this.entries.get(number) ?? { writer, kind, first: from, count: 0 }
    known.count++
    if (known.count === this.communicator.size) this.entries.delete(number)
    else this.entries.set(number, known)
    if (known.writer === writer && known.kind === kind) return
    const why =
      `All ranks call singleWrite in the same order and alike; here rank ${known.first} lets rank ${known.writer} write (${shape(known.kind)}), ` +
      `and rank ${from} lets rank ${writer} (${shape(kind)}).`
    this.toAll(['refuse', number, why])
    this.handle(this.communicator.rank, ['refuse', number, why])
  }

  private gone(rank: number, departure: Departure): void {
    this.absent.set(rank, departure)
    for (const round of [...this.rounds.values()]) round.gone(rank, missing(rank, departure))
  }

  private toAll(message: Message): void {
    const bytes = serialize(message)
    for (let to = 0; to < this.communicator.size; to++) if (to !== this.communicator.rank) this.channel.send(to, bytes)
  }

  private send(to: number, message: Message): void {
    this.channel.send(to, serialize(message))
  }
}

function shape(kind: Kind): string {
  return kind === 'writer' ? 'a block without a fence' : 'a block with a fence'
}
