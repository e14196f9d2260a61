// SPDX-License-Identifier: MIT
// One request in the queues of its nodes: where it stands, on tickets of its own and on shared ones.
import type { Mode } from '../../core/mode.ts'
import { type Intent, isIntent } from './intents.ts'
import { type Layout, parseTicket, type Ticket, ticketPrefix } from './layout.ts'
import { type RequestRecord, writeRecord } from './record.ts'

/** A request's place in one queue. */
export interface Place {
  readonly queue: string
  /** Weaker than it was asked for, once the request has come down. */
  mode: Mode
  /** What the node of its ticket tells beside its name. */
  readonly data: Buffer
  /** Its own ticket's name, once it is known; null where it shares one. */
  ticket: string | null
  shared: Intent | null
}

/** A queue in which somebody stands before a request. */
export interface Blocked {
  readonly queue: string
  readonly mode: Mode
  readonly sequence: number
  /** Who excludes it, the nearest first. */
  readonly ahead: Ticket[]
}

const NOTHING = Buffer.alloc(0)

/** The places of one request. */
export class Entry {
  readonly record: Omit<RequestRecord, 'weakened'>
  /** `SESSION-REQUEST`, under which it is shown while it has no place. */
  readonly first: string
  /** Likewise, in the names of its tickets. Another one each time it takes places: others may still share what it made before. */
  request: string
  readonly places: readonly Place[]
  /** The transaction that took its places: the fencing token. */
  zxid = 0n
  /** Nobody wants it any more: it need not take places. */
  unwanted = false
  /** It has taken places before, or tried to. */
  tried = false

  /** The nodes on which it stands, shared ones among them. */
  tickets(): string[] {
    return this.places.map(({ queue, ticket, shared }) => shared?.path ?? `${queue}/${ticket}`)
  }

  get queues(): string[] {
    return this.places.map(({ queue }) => queue)
  }

  /** Bytes of its record. */
  get told(): number {
    return this.places.reduce((sum, { data }) => sum + data.length, 0)
  }

  constructor(request: string, record: Omit<RequestRecord, 'weakened'>, layout: Layout) {
    this.first = request
    this.request = request
    this.record = record
    let told = false
    this.places = record.claims.list.map(({ key, mode }) => {
      const tells = !told && !isIntent(mode)
      told ||= tells
      return { queue: layout.queue(key), mode, data: tells ? writeRecord(record) : NOTHING, ticket: null, shared: null }
    })
  }
}

export function sequenceOf({ ticket, shared }: Place): number {
  return (shared?.ticket ?? parseTicket(ticket!)!).sequence
}

/** The path of the node that is made for a ticket of its own; the server puts the number behind it. */
export function ticketPath({ queue, mode, data }: Place, request: string): string {
  return `${queue}/${ticketPrefix(mode, request, data.length > 0)}`
}

/** It was given up before it took its places. */
export class Unwanted extends Error {}
