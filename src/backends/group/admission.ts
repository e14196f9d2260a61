// SPDX-License-Identifier: MIT
// All ranks of a lock space must mean the same by it. Rank 0 compares what they say of it with what it says itself, and nobody asks for a lock before
// rank 0 has welcomed it. The home is welcomed first: whoever is welcome finds it to be the home.
import type { Preference } from '../../core/backend.ts'
import { invalid, type LockError } from '../../core/errors.ts'
import { Garbled, type Reader } from './encoding.ts'
import type { Outbox } from './outbox.ts'
import * as words from './words.ts'

/** What all ranks must agree on. */
export interface Terms {
  readonly prefer: Preference
  readonly home: number
  readonly name: string
}

export class Admission {
  /** Settled with this rank's admission, or its end: it never rejects. */
  readonly settled: Promise<void>
  private state: 'asking' | 'admitted' | 'over' = 'asking'
  private settle: () => void = () => {}
  private readonly rank: number
  private readonly home: number
  private readonly shown: string
  private readonly outbox: Outbox
  /** At rank 0: those who have said the right thing. */
  private readonly known = new Set<number>()

  constructor(rank: number, terms: Terms, outbox: Outbox) {
    this.rank = rank
    this.home = terms.home
    this.shown = show(terms)
    this.outbox = outbox
    this.settled = new Promise((resolve) => {
      this.settle = resolve
    })
    if (rank === 0) {
      if (this.home === 0) this.admit()
      return
    }
    const message = outbox.to(0)
    message.byte(words.HELLO)
    message.number(words.VERSION)
    message.text(this.shown)
  }

  get admitted(): boolean {
    return this.state === 'admitted'
  }

  get asking(): boolean {
    return this.state === 'asking'
  }

  /** Somebody says hello to rank 0. Answers an error when the home is not one by its own account: then there is none, for nobody. */
  hello(from: number, reader: Reader): LockError | null {
    if (this.rank !== 0 || this.known.has(from)) throw new Garbled('nobody waits for its hello')
    const version = reader.number()
    const said = reader.text()
    if (version === words.VERSION && said === this.shown) {
      this.known.add(from)
      if (this.admitted) this.welcome(from)
      else if (from === this.home) {
        for (const rank of this.known) this.welcome(rank)
        this.admit()
      }
      return null
    }
    const theirs = version === words.VERSION ? said : `version ${version} of the messages`
    const ours = version === words.VERSION ? this.shown : `version ${words.VERSION}`
    const why = `Rank ${from} opened this lock space with ${theirs}, rank 0 with ${ours}: all ranks must agree.`
    this.refuse(from, why)
    if (from !== this.home) return null
    for (const rank of this.known) this.refuse(rank, why)
    return invalid(why)
  }

  /** What rank 0 has answered: null for a welcome. */
  answered(from: number, word: number, reader: Reader): LockError | null {
    if (from !== 0 || !this.asking) throw new Garbled('nobody waits for its welcome')
    if (word === words.REFUSED) return invalid(reader.text())
    this.admit()
    return null
  }

  /** Nobody is admitted any more. */
  end(): void {
    this.state = 'over'
    this.settle()
  }

  private admit(): void {
    this.state = 'admitted'
    this.settle()
  }

  private welcome(rank: number): void {
    this.outbox.to(rank).byte(words.WELCOME)
  }

  private refuse(rank: number, why: string): void {
    const message = this.outbox.to(rank)
    message.byte(words.REFUSED)
    message.text(why)
  }
}

function show({ prefer, home, name }: Terms): string {
  return `prefer "${prefer}", home ${home}${name === '' ? '' : `, name ${JSON.stringify(name)}`}`
}
