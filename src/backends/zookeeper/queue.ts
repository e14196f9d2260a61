// SPDX-License-Identifier: MIT
// Who stands in whose way in the queue of one node, by the names of the tickets in it.
//
// Invariant: a request takes its tickets at all nodes in one transaction, and waits only for tickets that were taken before. So who waits for
// whom follows the order of the transactions, and no circle can close.
import { compatible, type Mode } from '../../core/mode.ts'
import { before, parseTicket, type Ticket } from './layout.ts'

/** The tickets before this one that exclude it, the nearest first. It waits for them all, and watches the nearest. */
export function ahead(names: readonly string[], mode: Mode, sequence: number): Ticket[] {
  return conflicting(names, mode).filter((other) => before(other.sequence, sequence))
}

/** A ticket behind this one excludes it. */
export function isFollowed(names: readonly string[], mode: Mode, sequence: number): boolean {
  return conflicting(names, mode).some((other) => before(sequence, other.sequence))
}

/** The tickets that exclude this mode, the latest first. */
export function conflicting(names: readonly string[], mode: Mode): Ticket[] {
  const tickets: Ticket[] = []
  for (const name of names) {
    const ticket = parseTicket(name)
    if (ticket !== null && !compatible(mode, ticket.mode)) tickets.push(ticket)
  }
  return tickets.sort((a, b) => (before(a.sequence, b.sequence) ? 1 : -1))
}
