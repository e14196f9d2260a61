// SPDX-License-Identifier: MIT
// How a lock space lies in ZooKeeper's tree.
//
//   ROOT/space               what all users of the space have in common
//   ROOT/members/SESSION     who uses it: process, host, command; goes with the session
//   ROOT/locks/NODE/TICKET   the queue of one node of the space; goes by itself some time after it was left empty
//   ROOT/waiting/REQUEST     readers that stand aside for writers, where those go first: they have no place in any queue
import { createHash } from 'node:crypto'
import { invalid } from '../../core/errors.ts'
import { MODES, type Mode } from '../../core/mode.ts'

export class Layout {
  readonly root: string
  readonly space: string
  readonly members: string
  readonly locks: string
  readonly waiting: string

  /** @param root an absolute path, without a slash at its end. */
  constructor(root: string) {
    this.root = root
    this.space = `${root}/space`
    this.members = `${root}/members`
    this.locks = `${root}/locks`
    this.waiting = `${root}/waiting`
  }

  /** The queue of a node. */
  queue(key: string): string {
    return `${this.locks}/${directoryName(key)}`
  }
}

const LONGEST_NAME = 120

/** One name for each key, without a slash and within what ZooKeeper allows. A long one ends in a digest: the packets have a limit. */
function directoryName(key: string): string {
  const name = encoded(key)
  // What is no name at ZooKeeper, and a name that was cut, look like none that a key is encoded to.
  if (name === '' || name === '.' || name === '..') return `%${name}`
  if (name.length <= LONGEST_NAME) return name
  return `${name.slice(0, LONGEST_NAME - 48)}%~${createHash('sha256').update(key).digest('base64url')}`
}

function encoded(key: string): string {
  try {
    return encodeURIComponent(key)
  } catch {
    throw invalid(`The key ${JSON.stringify(key)} holds half of a surrogate pair, which no encoding can carry.`)
  }
}

/** A request's place in the queue of one node. */
export interface Ticket {
  readonly name: string
  /** What it was taken for. Its holder may have come down to a weaker mode since: then its data say so. */
  readonly mode: Mode
  /** Given by the server: later ones come later, see {@link before}. */
  readonly sequence: number
  /** The ticket's data say whose it is. */
  readonly tells: boolean
  /** `SESSION-REQUEST`: session id in hexadecimal, number of the request in base 36. */
  readonly request: string
}

/** What a ticket's name begins with; the server puts its number behind it. */
export function ticketPrefix(mode: Mode, request: string, tells: boolean): string {
  return `${mode}${tells ? '+' : '-'}${request}-`
}

const TICKET = /^([A-Z]+)([+-])([0-9a-f]+-[0-9a-z]+)-(-?\d{10})$/

/** Null for what is none of ours. */
export function parseTicket(name: string): Ticket | null {
  const [, mode, mark, request, digits] = TICKET.exec(name) ?? []
  if (request === undefined || !MODES.includes(mode as Mode)) return null
  return { name, mode: mode as Mode, sequence: Number(digits), tells: mark === '+', request }
}

/** The server counts in 32 bits, and goes on below zero. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

export function sessionName(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16)
}
