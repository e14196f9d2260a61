// SPDX-License-Identifier: MIT
// What one rank says to others in one turn travels as one message to each: whoever gives a lock back and asks for the next one sends once.
import type { Channel } from '../../communicators/communicator.ts'
import { Writer } from './encoding.ts'

export class Outbox {
  private readonly channel: Channel
  private readonly soon: (task: () => void) => void
  private readonly drafts: Writer[] = []
  /** Those for whom there is something to send. */
  private readonly addressees: number[] = []
  private scheduled = false
  private answering = false
  private hasHurried = false
  private shut = false

  /** @param soon calls its argument when the promises of this turn have run. */
  constructor(channel: Channel, soon: (task: () => void) => void) {
    this.channel = channel
    this.soon = soon
  }

  /** Where the next sentence to this rank is written. It is sent when this turn's promises have run, or, in the middle of a message that is being heard, by {@link flush}. */
  to(rank: number): Writer {
    this.drafts[rank] ??= new Writer()
    const draft = this.drafts[rank]
    if (draft.length === 0) this.addressees.push(rank)
    if (!this.scheduled && !this.answering) {
      this.scheduled = true
      // Behind the promises of this turn, in which the next request often follows the release of the last.
      this.soon(this.flushLater)
    }
    return draft
  }

  /** A message is being heard: what is said in answer is sent at its end, by {@link flush}. */
  begin(): void {
    this.answering = true
  }

  /** Somebody waits for the answer to what was written: the first such thing of a turn, with all before it, is sent now. */
  hurry(): void {
    if (this.answering || this.hasHurried) return
    this.hasHurried = true
    this.flush()
  }

  flush(): void {
    this.answering = false
    const { addressees } = this
    for (let rank = addressees.pop(); rank !== undefined; rank = addressees.pop()) {
      const message = this.drafts[rank]!.take()
      if (!this.shut) this.channel.send(rank, message)
    }
  }

  /** Nothing is sent any more beyond what is written already. */
  close(): void {
    this.flush()
    this.shut = true
    this.channel.close()
  }

  private readonly flushLater = (): void => {
    this.scheduled = false
    this.hasHurried = false
    this.flush()
  }
}
