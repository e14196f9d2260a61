// SPDX-License-Identifier: MIT
// A channel as something to await: what has come, in its order, and a barrier.
import type { Channel, Communicator, Departure } from '../../../src/communicators/communicator.ts'
import type { LockError } from '../../../src/core/errors.ts'

export type Arrival =
  | { readonly kind: 'message'; readonly from: number; readonly bytes: Uint8Array }
  | { readonly kind: 'gone'; readonly rank: number; readonly departure: Departure }
  | { readonly kind: 'over'; readonly reason: LockError }

/** What a scenario gets. */
export interface Stage {
  readonly communicator: Communicator
  readonly post: Post
  /** Resolves when every rank is here. */
  readonly meet: () => Promise<void>
  /** What stood behind its name. */
  readonly argument: string
}

export type Scenario = (stage: Stage) => Promise<object | undefined>

export class Post {
  private readonly arrivals: Arrival[] = []
  private taken = 0
  private readonly communicator: Communicator
  private readonly channel: Channel
  private arrived: () => void = () => {}

  constructor(communicator: Communicator) {
    this.communicator = communicator
    const take = (arrival: Arrival): void => {
      this.arrivals.push(arrival)
      this.arrived()
    }
    this.channel = communicator.openChannel({
      received: (from, bytes) => take({ kind: 'message', from, bytes }),
      gone: (rank, departure) => take({ kind: 'gone', rank, departure }),
      over: (reason) => take({ kind: 'over', reason }),
    })
  }

  send(to: number, content: Uint8Array | string): void {
    this.channel.send(to, typeof content === 'string' ? Buffer.from(content) : content)
  }

  /** To every rank but this one. */
  sendAll(content: Uint8Array | string): void {
    for (let to = 0; to < this.communicator.size; to++) if (to !== this.communicator.rank) this.send(to, content)
  }

  close(): void {
    this.channel.close()
  }

  /** What comes next. The program stays until it has come. */
  async next(): Promise<Arrival> {
    const release = this.communicator.keepAlive()
    try {
      while (this.waiting === 0) {
        await new Promise<void>((resolve) => {
          this.arrived = resolve
        })
      }
      return this.take()!
    } finally {
      release()
    }
  }

  /** The next message; anything else is a failure. */
  async message(): Promise<{ readonly from: number; readonly bytes: Uint8Array; readonly text: string }> {
    const next = await this.next()
    if (next.kind !== 'message') throw new Error(`A message was expected, not ${JSON.stringify(next)}.`)
    return {
      from: next.from,
      bytes: next.bytes,
      get text() {
        return Buffer.from(next.bytes).toString()
      },
    }
  }

  /** From here on every message is answered, and nothing keeps the program alive for it. */
  answer(reply: (text: string) => string): void {
    const all = (): void => {
      for (let next = this.take(); next !== undefined; next = this.take()) {
        if (next.kind === 'message') this.send(next.from, reply(Buffer.from(next.bytes).toString()))
      }
    }
    this.arrived = all
    all()
  }

  /** How many things have come that nobody has taken. */
  get waiting(): number {
    return this.arrivals.length - this.taken
  }

  private take(): Arrival | undefined {
    if (this.waiting === 0) return undefined
    const next = this.arrivals[this.taken++]
    if (this.waiting === 0) {
      this.arrivals.length = 0
      this.taken = 0
    }
    return next
  }

  /** Everybody is here. For a post with nothing else in it. */
  async barrier(): Promise<void> {
    const { rank, size } = this.communicator
    if (rank !== 0) {
      this.send(0, 'here')
      await this.message()
      return
    }
    for (let others = size - 1; others > 0; others--) await this.message()
    this.sendAll('go')
  }
}
