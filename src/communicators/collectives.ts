// SPDX-License-Identifier: MIT
// What all ranks do together: meet, hand a value to everybody, bring everybody's to one. Built on messages alone, so it is the same on every transport.
//
// Calls are numbered, alike on each rank as all make the same calls in the same order. Messages run along a binomial tree whose root is the rank that
// gives or gets: counted from the root, a rank's parent is its number without the lowest bit that is set, so n ranks need log2(n) steps (the tree of
// R. Thakur, R. Rabenseifner and W. Gropp, Optimization of Collective Communication Operations in MPICH, 2005).
//
// Invariant: in one call, a rank waits for at most one message from each other rank, and every message is waited for. One that says another kind of
// call or another root, or that comes for a call that is over, shows that the ranks do different things: all calls fail then, on every rank.
import { LockError, type LockErrorCode } from '../core/errors.ts'
import type { Channel, Communicator, Departure } from './communicator.ts'

const KINDS = ['barrier', 'broadcast', 'gather'] as const
type Kind = (typeof KINDS)[number]

/** Of each message: the number of the call, the rank at the root of its tree (4 bytes each), and its kind, or that all has failed. */
const HEADER_BYTES = 9
const FAILED = 255
/** What all may fail for, in place of the root. */
const FAILURES: readonly LockErrorCode[] = ['LOCK_INVALID', 'LOCK_UNAVAILABLE']
const NOTHING: Uint8Array = new Uint8Array(0)

interface Call {
  readonly number: number
  readonly kind: Kind
  readonly root: number
  readonly come: Map<number, Message>
  readonly awaited: Map<number, { readonly take: (bytes: Uint8Array) => void; readonly fail: (why: LockError) => void }>
}

interface Message {
  readonly kind: Kind
  readonly root: number
  readonly bytes: Uint8Array
}

/**
 * Meetings of all ranks of a group: made on every rank, in the same order as everything else that opens a channel. All must make the same calls in
 * the same order; where they do not, every call rejects with `LOCK_INVALID`, from then on. When one that is needed is gone, with `LOCK_UNAVAILABLE`.
 */
export class Collectives {
  private readonly communicator: Communicator
  private readonly channel: Channel
  private readonly calls = new Map<number, Call>()
  /** What came for calls that this rank has not made yet. */
  private readonly early = new Map<number, Map<number, Message>>()
  private readonly absent = new Map<number, Departure>()
  private made = 0
  private broken: LockError | null = null

  constructor(communicator: Communicator) {
    this.communicator = communicator
    this.channel = communicator.openChannel({
      received: (from, bytes) => this.received(from, bytes),
      gone: (rank, departure) => this.gone(rank, departure),
      ending: (rank) => this.gone(rank, { died: false, why: 'its program has ended' }),
      over: (reason) => this.fail(reason),
    })
  }

  /** Resolves when every rank has called it. */
  barrier(): Promise<void> {
    return this.call('barrier', 0, async (call) => {
      for (const child of this.children(0)) await this.from(call, child)
      if (this.communicator.rank !== 0) {
        this.send(call, this.parent(0), NOTHING)
        await this.from(call, this.parent(0))
      }
      for (const child of this.children(0)) this.send(call, child, NOTHING)
    })
  }

  /** Resolves on every rank with what `root` gave; what the others give does not matter. On `root` it does not wait for them. */
  broadcast(root: number, bytes: Uint8Array | null): Promise<Uint8Array> {
    return this.call('broadcast', root, async (call) => {
      const value = this.communicator.rank === root ? (bytes ?? NOTHING) : await this.from(call, this.parent(root))
      for (const child of this.children(root)) this.send(call, child, value)
      return value
    })
  }

  /** Resolves on `root` with what each rank gave, in the order of ranks; on the others with null, without waiting for `root`. */
  gather(root: number, bytes: Uint8Array): Promise<readonly Uint8Array[] | null> {
    return this.call('gather', root, async (call) => {
      const { rank, size } = this.communicator
      const given: Uint8Array[] = [bytes]
      // A sub-tree holds consecutive ranks, counted from the root, and its children stand in that order.
      for (const child of this.children(root)) given.push(...unpack(await this.from(call, child)))
      if (rank === root) return Array.from({ length: size }, (_, one) => given[(one - root + size) % size]!)
      this.send(call, this.parent(root), pack(given))
      return null
    })
  }

  /** Ends it on this rank; what the others call fails once this rank is gone. */
  close(): void {
    this.fail(new LockError('LOCK_CLOSED', 'These collective calls were closed.'))
    this.channel.close()
  }

  private async call<Result>(kind: Kind, root: number, work: (call: Call) => Promise<Result>): Promise<Result> {
    const { size } = this.communicator
    if (!Number.isInteger(root) || root < 0 || root >= size) {
      throw new LockError('LOCK_INVALID', `The root of a ${kind} is a rank from 0 to ${size - 1}, not ${root}.`)
    }
    if (this.broken !== null) throw this.broken
    const number = this.made++
    const call: Call = { number, kind, root, come: this.early.get(number) ?? new Map(), awaited: new Map() }
    this.early.delete(number)
    for (const [from, message] of call.come) this.check(call, from, message)
    this.calls.set(number, call)
    const letGo = this.communicator.keepAlive()
    try {
      // What this rank has heard counts, whatever becomes of later calls.
      return await work(call)
    } finally {
      this.calls.delete(number)
      letGo()
    }
  }

  private from(call: Call, rank: number): Promise<Uint8Array> {
    if (this.broken !== null) return Promise.reject(this.broken)
    const come = call.come.get(rank)
    call.come.delete(rank)
    if (come !== undefined) return Promise.resolve(come.bytes)
    const absent = this.absent.get(rank)
    if (absent !== undefined) return Promise.reject(this.tellAll(missing(rank, absent)))
    return new Promise((take, fail) => call.awaited.set(rank, { take, fail }))
  }

  private send({ number, kind, root }: Call, to: number, bytes: Uint8Array): void {
    const message = new Uint8Array(HEADER_BYTES + bytes.length)
    const head = new DataView(message.buffer)
    head.setUint32(0, number)
    head.setUint32(4, root)
    head.setUint8(8, KINDS.indexOf(kind))
    message.set(bytes, HEADER_BYTES)
    this.channel.send(to, message)
  }

  private received(from: number, message: Uint8Array): void {
    if (this.broken !== null || message.length < HEADER_BYTES) return
    const head = new DataView(message.buffer, message.byteOffset, message.length)
    const [number, root, kind] = [head.getUint32(0), head.getUint32(4), KINDS[head.getUint8(8)]]
    const bytes = message.subarray(HEADER_BYTES)
    if (kind === undefined) this.fail(new LockError(FAILURES[root] ?? 'LOCK_INVALID', new TextDecoder().decode(bytes)))
    else this.heard(from, number, { kind, root, bytes })
  }

  private heard(from: number, number: number, said: Message): void {
    const call = this.calls.get(number)
    if (call !== undefined) {
      this.check(call, from, said)
      const awaited = call.awaited.get(from)
      call.awaited.delete(from)
      if (awaited === undefined) call.come.set(from, said)
      else awaited.take(said.bytes)
    } else if (number < this.made) {
      this.tellAll(disagreement(`rank ${from} is in ${naming(said)} where rank ${this.communicator.rank} was in another call`))
    } else {
      const early = this.early.get(number) ?? new Map<number, Message>()
      this.early.set(number, early.set(from, said))
    }
  }

  private check(call: Call, from: number, said: Message): void {
    if (said.kind === call.kind && said.root === call.root) return
    this.tellAll(disagreement(`rank ${this.communicator.rank} is in ${naming(call)}, rank ${from} in ${naming(said)}`))
  }

  /** What it has done before counts, and others may still be passing that on: only who waits for this very rank waits in vain, and tells all. */
  private gone(rank: number, departure: Departure): void {
    if (this.absent.has(rank)) return
    this.absent.set(rank, departure)
    for (const call of this.calls.values()) if (call.awaited.has(rank)) this.tellAll(missing(rank, departure))
  }

  private tellAll(why: LockError): LockError {
    if (this.broken !== null) return this.broken
    const text = new TextEncoder().encode(why.message)
    const message = new Uint8Array(HEADER_BYTES + text.length)
    const head = new DataView(message.buffer)
    head.setUint32(4, FAILURES.indexOf(why.code))
    head.setUint8(8, FAILED)
    message.set(text, HEADER_BYTES)
    for (let to = 0; to < this.communicator.size; to++) if (to !== this.communicator.rank) this.channel.send(to, message)
    this.fail(why)
    return why
  }

  private fail(why: LockError): void {
    this.broken ??= why
    for (const call of this.calls.values()) {
      for (const { fail } of call.awaited.values()) fail(why)
      call.awaited.clear()
    }
  }

  private parent(root: number): number {
    const { rank, size } = this.communicator
    const place = (rank - root + size) % size
    return ((place & (place - 1)) + root) % size
  }

  /** The nearest first, whose sub-trees are the smallest. */
  private children(root: number): readonly number[] {
    const { rank, size } = this.communicator
    const place = (rank - root + size) % size
    const children: number[] = []
    for (let bit = 1; place + bit < size && (place & bit) === 0; bit <<= 1) children.push((place + bit + root) % size)
    return children
  }
}

/** What whoever needs every rank is told when one is gone. */
export function missing(rank: number, { died, why }: Departure): LockError {
  return new LockError(
    'LOCK_UNAVAILABLE',
    `Rank ${rank} ${died ? 'died' : 'has left'}${why === '' ? '' : ` (${why})`}, and every rank is needed.`,
  )
}

function disagreement(how: string): LockError {
  return new LockError('LOCK_INVALID', `All ranks make the same collective calls in the same order; here ${how}.`)
}

function naming({ kind, root }: { readonly kind: Kind; readonly root: number }): string {
  return kind === 'barrier' ? 'a barrier' : `a ${kind} with root ${root}`
}

function pack(parts: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length)
    packed.set(part, at + 4)
    at += 4 + part.length
  }
  return packed
}

function unpack(packed: Uint8Array): Uint8Array[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  const parts: Uint8Array[] = []
  for (let at = 0; at < packed.length; ) {
    const length = view.getUint32(at)
    parts.push(packed.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return parts
}
