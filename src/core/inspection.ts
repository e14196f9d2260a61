// SPDX-License-Identifier: MIT
// What `inspect()` answers: who holds, who waits, and who waits for whom. Everything here survives JSON.stringify.
import type { Wait } from './backend.ts'
import { type Claim, type Claims, conflictBetween } from './claims.ts'
import type { Lease } from './lease.ts'

/** Where a holder or waiter lives, to be shown to people. */
export interface Owner {
  readonly pid: number
  /** Number of the worker thread; 0 is the main thread. */
  readonly thread: number
  readonly host: string
  /** The program and its arguments, cut to a length that fits a line. */
  readonly command: string
}

/** One request that holds or waits. */
export interface Holder {
  /** Tells this request from all others of the space for as long as it lives. */
  readonly id: string
  readonly state: 'held' | 'suspended' | 'waiting'
  /** Sub-trees asked for. */
  readonly read: readonly string[]
  readonly write: readonly string[]
  readonly claims: readonly Claim[]
  /** When it was granted or began to wait, as an ISO 8601 time. */
  readonly since: string
  /** The fencing token in decimal; null while it waits. */
  readonly token: string | null
  /** The name that its owner gave it with the `name` option. */
  readonly name: string | null
  readonly owner: Owner
}

/** A request that waits, and the ids of those that it waits for. */
export interface Waiter extends Holder {
  readonly waitsFor: readonly string[]
}

export interface Inspection {
  readonly backend: string
  readonly holders: readonly Holder[]
  /** In the order in which they came. */
  readonly waiters: readonly Waiter[]
  /**
   * Processes that hold something but did not say what: stopped, or too busy to answer, or commands to which a process that is gone left its lock.
   */
  readonly silent: readonly Owner[]
}

/** A lease as it is shown; of its own process's memory alone. */
export function holding(lease: Lease, owner: Owner): Holder {
  const { granted, token, state, since } = lease
  return {
    ...shown(granted, lease.name, owner),
    id: `${owner.host}.${owner.pid}.${owner.thread}.lease-${token}`,
    state: state === 'suspended' ? 'suspended' : 'held',
    since: new Date(since).toISOString(),
    token: token.toString(),
  }
}

/** A waiting request as it is shown. */
export function waiting({ claims, wait }: { readonly claims: Claims; readonly wait: Wait }, owner: Owner): Holder {
  return { ...shown(claims, wait.name, owner), id: wait.id, state: 'waiting', since: new Date(wait.since).toISOString(), token: null }
}

function shown(claims: Claims, name: string | undefined, owner: Owner): Pick<Holder, 'read' | 'write' | 'claims' | 'name' | 'owner'> {
  return { read: claims.read, write: claims.write, claims: claims.list, name: name ?? null, owner }
}

/** True when two sets of claims cannot be held at once. */
export function exclude(a: readonly Claim[], b: readonly Claim[]): boolean {
  return conflictBetween(a, b) !== undefined
}

/**
 * Joins holders and waiters (the latter in the order in which they came) to an answer in which every waiter names those before
 * it that exclude it.
 *
 * @param writersFirst the space prefers writers: a waiting pure reader then stands behind every writer.
 */
export function inspectionOf(backend: string, holders: readonly Holder[], came: readonly Holder[], writersFirst = false): Inspection {
  const overtaken = (request: Holder): boolean => writersFirst && request.write.length === 0
  const line = writersFirst ? [...came.filter((w) => !overtaken(w)), ...came.filter(overtaken)] : came
  const waiters = line.map((waiter, place) => {
    const before = [...holders, ...line.slice(0, place)]
    return { ...waiter, waitsFor: before.filter((other) => exclude(other.claims, waiter.claims)).map((other) => other.id) }
  })
  return { backend, holders, waiters, silent: [] }
}

/**
 * Who stands in the way of a request: of one that waits, those that it waits for; of one that only tried, all whom it would wait for.
 *
 * @param id the id of the request, if it waits.
 */
export function inTheWay(seen: Inspection, request: Claims, writersFirst: boolean, id?: string): readonly Holder[] {
  const everybody = [...seen.holders, ...seen.waiters]
  const waiter = seen.waiters.find((one) => one.id === id)
  if (waiter !== undefined) return everybody.filter((other) => waiter.waitsFor.includes(other.id))
  const overtakes = writersFirst && request.write.length > 0
  const before =
    id === undefined ? everybody.filter((one) => !(overtakes && one.state === 'waiting' && one.write.length === 0)) : seen.holders
  return before.filter((other) => exclude(other.claims, request.list))
}

/** Everybody for whom the waiting request `id` waits, directly or through others that wait. */
export function waitsThrough(seen: Inspection, id: string): readonly Holder[] {
  const everybody = new Map<string, Holder & Partial<Waiter>>([...seen.holders, ...seen.waiters].map((one) => [one.id, one]))
  const found = new Set<string>(everybody.get(id)?.waitsFor)
  for (const one of found) for (const next of everybody.get(one)?.waitsFor ?? []) found.add(next)
  return [...found].flatMap((one) => everybody.get(one) ?? [])
}
