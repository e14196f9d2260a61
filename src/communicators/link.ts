// SPDX-License-Identifier: MIT
// The line between two ranks, or between a rank and who started it: ordered, whole messages, and the news that the other end is gone.

/** Told what comes over a line. */
export interface LinkListener {
  /** The bytes are the listener's. */
  received(channel: number, bytes: Uint8Array): void
  /** Nothing more will come: after the last message, once. */
  ended(): void
}

/** One end of a line. It does not keep the program alive, except to hand over what was sent. */
export interface Link {
  /** From here on what has come is told. Once. */
  listen(listener: LinkListener): void
  /** Queues a message; never throws, whatever became of the other end. */
  send(channel: number, bytes: Uint8Array): void
  /** Hands what was sent to the system now, as far as it takes it: the program may end in this very turn. */
  flush(): void
  /** Nothing more is sent; what was sent still arrives. */
  finish(): void
  /** The other end has ended, says somebody who knows: what it has sent is told, and that it ended. */
  otherEnded(): void
  /** Nothing more is told. */
  ignore(): void
}

/** Channel numbers that are words between ranks and not messages of anybody's channel. */
export const WORD = {
  /** The first word of a rank: somebody is there. */
  hello: 0xffff_fff0,
  /** It has nothing more to ask; it still serves. */
  leaving: 0xffff_fff1,
  /** Its last word: it left. */
  goodbye: 0xffff_fff2,
  /** Its last word: it dies, and the text says of what. */
  dying: 0xffff_fff3,
  /** The group is over, and the text says why. */
  over: 0xffff_fff4,
  /** From the launcher: a rank has ended; see {@link Ended}. */
  ended: 0xffff_fff5,
} as const

/** Numbers from here on are words. */
export const FIRST_WORD: number = WORD.hello

/** What the launcher tells the ranks of one that has ended. */
export interface Ended {
  readonly rank: number
  readonly died: boolean
  readonly why: string
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function textBytes(text: string): Uint8Array {
  return encoder.encode(text)
}

export function bytesText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
