// SPDX-License-Identifier: MIT
// What servers cannot take: transactions, sessions and numbers that are too large.
import { LockError } from '../../core/errors.ts'
import { type Entry, sequenceOf } from './entry.ts'
import { JuteWriter } from './wire/jute.ts'
import { multi, type Operation } from './wire/operations.ts'

/** A server's counter ends at 2^31 - 1, and from then on gives everybody the same number. */
const LAST_SEQUENCE = 2 ** 31 - 2 ** 16
const USED_UP =
  'ZooKeeper has given two thousand million places in one queue, and has no more numbers. Once nobody has a lock there for a while, it begins anew.'

const TOO_MANY =
  'This process has or asks for too many locks: when it ends, ZooKeeper could not write down in one message that it has let go of them. Lock fewer nodes, or one above them, or use several processes.'

const SEQUENCE_DIGITS = 10

/** What a path takes in a message. */
function bytesOf(path: string): number {
  return 4 + Buffer.byteLength(path)
}

/** Servers read a megabyte and not more (jute.maxbuffer). */
const LARGEST_TRANSACTION_BYTES = 900_000
/**
 * When a session ends, its servers write the paths of all its nodes into one message. One of more than two megabytes they take, and cannot read again:
 * none of them starts any more (ZOOKEEPER-4306).
 */
const MOST_TICKET_BYTES = 1_500_000
/** So many nodes, and so many bytes of data, are certainly not too large. */
const FEW = 500
const MUCH = 500_000

/** How much the servers will have to write when a session ends. */
export class TicketBytes {
  /** Of the paths of the tickets that the session has, and of those that it asks for. */
  private bytes = 0

  /** @throws LockError `LOCK_UNAVAILABLE` when there are too many. */
  check(): void {
    if (this.bytes > MOST_TICKET_BYTES) throw new LockError('LOCK_UNAVAILABLE', TOO_MANY)
  }

  /** A ticket is asked for; the server will put a number behind the path. */
  ask(path: string): void {
    this.bytes += bytesOf(path) + SEQUENCE_DIGITS
  }

  /** It was not made. */
  forgo(path: string): void {
    this.bytes -= bytesOf(path) + SEQUENCE_DIGITS
  }

  /** It is given back, number and all. */
  give(path: string): void {
    this.bytes -= bytesOf(path)
  }
}

/** @throws LockError `LOCK_UNSUPPORTED` when a server would hang up on reading it. */
export function checkTransaction(operations: readonly Operation<string>[], entry: Entry): void {
  if (operations.length <= FEW && entry.told <= MUCH) return
  const packet = new JuteWriter()
  multi(operations).write(packet)
  if (packet.size <= LARGEST_TRANSACTION_BYTES) return
  const message =
    `The request needs ${operations.length} nodes of ZooKeeper in one transaction of ${packet.size} bytes, and servers take a megabyte. ` +
    'Ask for fewer paths, or for one above them.'
  throw new LockError('LOCK_UNSUPPORTED', message)
}

/** @throws LockError `LOCK_UNAVAILABLE` when the numbers of a queue come to their end. */
export function checkNumbers(entry: Entry): void {
  if (entry.places.some((place) => sequenceOf(place) >= LAST_SEQUENCE || sequenceOf(place) < 0))
    throw new LockError('LOCK_UNAVAILABLE', USED_UP)
}
