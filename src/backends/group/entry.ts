// SPDX-License-Identifier: MIT
// What the home knows of a request: who made it, where it stands in the table, and how it is shown.
import type { Holder, Owner } from '../../core/inspection.ts'
import type { Lease } from '../../core/lease.ts'
import type { Linked } from '../../core/linked-list.ts'
import type { Footprint, Ticket } from '../../core/lock-table.ts'
import { owner } from '../../owner.ts'
import { Garbled } from './encoding.ts'
import { waitingId } from './guest.ts'
import type { Request } from './request.ts'

export class Entry implements Linked<Entry> {
  /** Neighbours among those that hold. */
  previous: Entry | null = null
  next: Entry | null = null
  /** Null for the home's own. */
  readonly party: Party | null
  /** By which its rank knows it. */
  readonly seat: number
  /** The home's own, while it waits. */
  readonly request: Request | null
  readonly name: string | undefined
  footprint: Footprint
  /** Of one that had to wait. */
  ticket: Ticket<Entry> | null = null
  /** The home's own, when it holds. */
  lease: Lease | null = null
  /** 0 until it is granted. */
  token = 0
  /** When it was granted, or began to wait, in milliseconds of the wall clock. */
  since: number

  constructor(party: Party | null, seat: number, request: Request | null, footprint: Footprint, name: string | undefined, since: number) {
    this.party = party
    this.seat = seat
    this.request = request
    this.footprint = footprint
    this.name = name
    this.since = since
  }
}

/** Another rank, with all that it holds and waits for. */
export class Party {
  readonly rank: number
  readonly owner: Owner
  /** What it said last of claims, place by place. */
  readonly places: Footprint[] = []
  gone = false
  /** How many seats are taken. */
  size = 0
  private readonly seats: (Entry | null)[] = []

  /** @param owner as JSON. */
  constructor(rank: number, owner: string) {
    this.rank = rank
    this.owner = parsedOwner(owner)
  }

  entries(): Entry[] {
    return this.seats.filter((entry) => entry !== null)
  }

  sit(entry: Entry): void {
    const { seat } = entry
    // Seats are given out from the bottom.
    if (seat > this.seats.length || this.seats[seat]) throw new Garbled(`seat ${seat} is not free`)
    this.seats[seat] = entry
    this.size++
  }

  at(seat: number, state: 'held' | 'any'): Entry {
    const entry = this.seats[seat]
    if (!entry || (state === 'held' && entry.token === 0))
      throw new Garbled(`nothing is ${state === 'held' ? 'held' : 'asked'} in seat ${seat}`)
    return entry
  }

  vacate(seat: number, state: 'held' | 'any'): Entry {
    const entry = this.at(seat, state)
    this.seats[seat] = null
    this.size--
    return entry
  }
}

export function shown(entry: Entry): Holder {
  const { party, request, token, seat, since, name } = entry
  const { claims } = entry.footprint
  const by = party?.owner ?? owner()
  const own = request?.wait?.id ?? ''
  const waits = token === 0
  return {
    id: waits ? (party === null ? own : waitingId(party.rank, seat)) : `${by.host}.${by.pid}.${by.thread}.lease-${token}`,
    state: waits ? 'waiting' : 'held',
    read: claims.read,
    write: claims.write,
    claims: claims.list,
    since: new Date(since).toISOString(),
    token: waits ? null : token.toString(),
    name: name ?? null,
    owner: by,
  }
}

function parsedOwner(text: string): Owner {
  let found: Partial<Owner>
  try {
    found = JSON.parse(text) as Partial<Owner>
  } catch (cause) {
    throw new Garbled('its owner is not JSON', { cause })
  }
  const { pid, thread, host, command } = found ?? {}
  if (typeof pid !== 'number' || typeof thread !== 'number' || typeof host !== 'string' || typeof command !== 'string') {
    throw new Garbled('it does not say who it is')
  }
  return { pid, thread, host, command }
}
