// SPDX-License-Identifier: MIT
// The contract of ranks that can send, receive and leave. A transport implements it; nothing here knows of locks.
import type { LockError } from '../core/errors.ts'

/** What carries the messages. `alone`: a group of one, which needs nothing. */
export type Transport = 'alone' | 'threads' | 'processes' | 'mpi'

/** How a rank came to be gone: it left, or it died, for a reason that people can read. */
export interface Departure {
  readonly died: boolean
  readonly why: string
}

/** Told what arrives on a channel, one thing after the other, never from inside a call of one's own. None of these may throw. */
export interface ChannelListener {
  /** The bytes are the listener's from now on. */
  received(from: number, bytes: Uint8Array): void
  /** Nothing more will come from this rank: told once, after its last message; at once for those who are gone when the channel is opened. */
  gone(rank: number, departure: Departure): void
  /** The program of this rank has come to its end: it begins nothing any more, and only answers until all have. Told once, after what it sent before. */
  ending?(rank: number): void
  /** This rank takes no part any more: the group was aborted, or its launcher is gone. Told once; nothing is sent or received afterwards. */
  over(reason: LockError): void
}

/** A stream of messages of its own between all ranks, so that those who use a group do not hear each other. */
export interface Channel {
  /**
   * Queues a message, also for oneself. Returns at once, whatever the receiver does, and never throws. Messages from one rank to another arrive
   * whole and in the order in which they were sent; those for a rank that is gone are dropped. The bytes must not be changed any more.
   */
  send(to: number, bytes: Uint8Array): void
  /** Nothing is told to the listener any more, and nothing more is sent. What was sent before still arrives. */
  close(): void
}

/** One rank's place in a group of ranks that were started together. */
export interface Communicator {
  readonly transport: Transport
  /** This rank: 0 to `size` - 1. */
  readonly rank: number
  readonly size: number
  /** Names the group: the same on every rank, and in no other group. */
  readonly id: string
  /** Whether the others go on when a rank dies. Under MPI they do not: the launcher ends the job. */
  readonly survivesDeaths: boolean
  /**
   * The n-th channel opened on one rank meets the n-th on each other; what arrives before is kept until then.
   *
   * @throws LockError `LOCK_CLOSED` when this rank has left, `LOCK_UNAVAILABLE` when the group is over.
   */
  openChannel(listener: ChannelListener): Channel
  /**
   * The program stays alive until the function that this returns was called: for who waits for a message. A rank that holds nothing and waits
   * for nothing leaves by itself when its program ends.
   */
  keepAlive(): () => void
  /**
   * Leaves: messages sent before still arrive. Resolves when every rank has left or died; until then channels still work, as others may need
   * what is served here. Idempotent, never rejects.
   */
  leave(): Promise<void>
  /** Calls `task` once, soon after the promises of this turn of the event loop have run. Left out where `process.nextTick` is as good. */
  soon?(task: () => void): void
  /** Ends the group on every rank, with a message that people can read: under MPI every process ends, elsewhere the others hear `over`. */
  abort(why: string): void
}
