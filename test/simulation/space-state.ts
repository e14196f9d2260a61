// SPDX-License-Identifier: MIT
// What space.lua keeps and does, once more, as a state machine in memory: it follows the script function by function, so that whoever changes one
// changes the other. scripts-model.test.ts holds it against the real scripts, answer by answer and message by message.

/** Modes are 1 IS, 2 IX, 3 S, 4 SIX, 5 X; by mode, those that it excludes. */
export const EXCLUDES: readonly (readonly number[])[] = [[], [5], [3, 4, 5], [2, 4, 5], [2, 3, 4, 5], [1, 2, 3, 4, 5]]

export interface RequestRecord {
  granted: boolean
  stamp: number
  readonly session: string
  modes: readonly number[]
  /** The number of the claim, from 1, at whose node it stands aside; 0 for all others. */
  aside: number
  readonly name: string
  readonly paths: readonly string[]
  closed: number
}

export interface SessionRecord {
  /** µs of the server's clock. */
  expiry: number
  epoch: string
  owner: string
}

interface Place {
  readonly stamp: number
  readonly id: string
}

const BUDGET = 600
const OPENING = 4
const LEAVING = 4
const SESSIONS_A_RUN = 8
const ENTRIES_A_RUN = 100

export function digits(us: number): string {
  return String(us).padStart(16, '0')
}

export class SpaceState {
  policy: string | null = null
  /** The last stamp, in µs. */
  last = 0
  sessions: Map<string, SessionRecord> = new Map()
  requests: Map<string, RequestRecord> = new Map()
  /** By session, the ids of its requests. */
  owned: Map<string, Set<string>> = new Map()
  /** Counts at 1 to 12, as space.lua numbers them. */
  nodes: Map<string, number[]> = new Map()
  /** By path, NUL and mode. */
  queue: Map<string, Place[]> = new Map()
  todo: Set<string> = new Set()
  /** The moment of the script that runs, in µs. */
  now = 0
  /** Of each run. Less of it leaves more to the runs that follow. */
  budgetOfRun: number = BUDGET
  /** What sessions are told. */
  tell: (session: string, text: string) => void
  private budget = 0
  private changed: Set<string> = new Set()

  constructor(tell: (session: string, text: string) => void) {
    this.tell = tell
  }

  /** What a server would have that was given everything up to this moment, and nothing later. */
  copy(): SpaceState {
    const copy = new SpaceState(this.tell)
    Object.assign(copy, { policy: this.policy, last: this.last, budgetOfRun: this.budgetOfRun })
    copy.sessions = new Map(Array.from(this.sessions, ([id, session]) => [id, { ...session }]))
    copy.requests = new Map(Array.from(this.requests, ([id, request]) => [id, { ...request }]))
    copy.owned = new Map(Array.from(this.owned, ([id, ids]) => [id, new Set(ids)]))
    copy.nodes = new Map(Array.from(this.nodes, ([path, counts]) => [path, [...counts]]))
    copy.queue = new Map(Array.from(this.queue, ([place, entries]) => [place, [...entries]]))
    copy.todo = new Set(this.todo)
    return copy
  }

  start(lease: number, clock: number, at?: number): void {
    this.budget = this.budgetOfRun
    this.now = at ?? (clock < this.last && this.last - clock < lease ? this.last : clock)
  }

  stamp(): number {
    this.last = Math.max(this.last + 1, this.now)
    return this.last
  }

  add(path: string, number: number, by: number): void {
    let counts = this.nodes.get(path)
    if (counts === undefined) {
      counts = Array<number>(13).fill(0)
      this.nodes.set(path, counts)
    }
    counts[number]! += by
    this.changed.add(path)
  }

  save(): void {
    for (const path of this.changed) if (this.nodes.get(path)?.every((count) => count === 0)) this.nodes.delete(path)
    this.changed.clear()
  }

  /** True when nothing that stands at the node, open or closed, excludes this mode. */
  clear(path: string, mode: number): boolean {
    const counts = this.nodes.get(path)
    return counts === undefined || EXCLUDES[mode]!.every((other) => counts[other]! + counts[5 + other]! === 0)
  }

  /** The number, from 1, of the first claim that is not clear; 0 if all are. */
  obstacle({ paths, modes }: RequestRecord): number {
    return paths.findIndex((path, i) => !this.clear(path, modes[i]!)) + 1
  }

  own(session: string, id: string): void {
    const ids = this.owned.get(session)
    if (ids === undefined) this.owned.set(session, new Set([id]))
    else ids.add(id)
  }

  enter({ paths, modes }: RequestRecord): void {
    for (let i = 0; i < paths.length; i++) this.add(paths[i]!, modes[i]!, 1)
  }

  standAside(id: string, request: RequestRecord, at: number): void {
    const path = request.paths[at - 1]!
    const mode = asideMode(request, at)
    this.enqueue(path, mode, request.stamp, id)
    this.add(path, 5 + mode, 1)
    request.aside = at
  }

  enqueue(path: string, mode: number, stamp: number, id: string): void {
    const key = `${path}\0${mode}`
    let entries = this.queue.get(key)
    if (entries === undefined) {
      entries = []
      this.queue.set(key, entries)
    }
    let at = entries.length
    while (at > 0 && entries[at - 1]!.stamp > stamp) at--
    entries.splice(at, 0, { stamp, id })
  }

  /** Opens what can be opened at a node: the oldest closed claim that is compatible with all open ones and with all older closed ones. */
  advance(path: string): void {
    const counts = this.nodes.get(path)
    if (counts === undefined) return
    if (counts[6]! + counts[7]! + counts[8]! + counts[9]! + counts[10]! > 0) {
      if (this.budget <= 0) {
        this.todo.add(path)
        return
      }
      for (let best = this.nextToOpen(path, counts); best > 0; best = this.nextToOpen(path, counts)) {
        if (this.budget <= 0) {
          this.todo.add(path)
          return
        }
        this.budget -= OPENING
        const { id } = this.head(path, best)!
        this.dequeue(path, best, id)
        this.add(path, 5 + best, -1)
        this.add(path, best, 1)
        this.open(id)
      }
    }
    if (counts[11]! + counts[12]! > 0) this.lookAside(path, counts)
  }

  leave(id: string, request: RequestRecord): void {
    const { paths, modes, session, stamp, aside } = request
    this.budget -= LEAVING + paths.length
    this.requests.delete(id)
    this.disown(session, id)
    if (aside > 0) {
      const path = paths[aside - 1]!
      const mode = asideMode(request, aside)
      this.dequeue(path, mode, id)
      this.add(path, 5 + mode, -1)
      return
    }
    for (let i = 0; i < paths.length; i++) {
      const closed = !request.granted && this.dequeue(paths[i]!, modes[i]!, id, stamp)
      this.add(paths[i]!, closed ? 5 + modes[i]! : modes[i]!, -1)
    }
    for (const path of paths) this.advance(path)
  }

  reap(): void {
    for (const session of this.expired().slice(0, SESSIONS_A_RUN)) {
      const ids = [...(this.owned.get(session) ?? [])].sort().slice(0, ENTRIES_A_RUN)
      for (const id of ids) {
        if (this.budget <= 0) return
        const request = this.requests.get(id)
        if (request !== undefined) this.leave(id, request)
        else this.disown(session, id)
      }
      if (ids.length === ENTRIES_A_RUN || this.budget <= 0) return
      this.sessions.delete(session)
      this.tell(session, 'expired')
    }
  }

  resume(): void {
    for (const path of [...this.todo].sort().slice(0, 8)) {
      if (this.budget <= 0) return
      this.todo.delete(path)
      this.advance(path)
    }
  }

  /** 2 when there is more to do than this run had time for, else 1. */
  finish(): number {
    this.save()
    return this.todo.size > 0 || this.expired().length > 0 ? 2 : 1
  }

  nextExpiry(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { expiry } of this.sessions.values()) first = Math.min(first, expiry)
    return first === Number.POSITIVE_INFINITY ? -1 : Math.max(0, first - this.now)
  }

  private expired(): string[] {
    const dead: [string, SessionRecord][] = []
    for (const entry of this.sessions) if (entry[1].expiry <= this.now) dead.push(entry)
    if (dead.length > 1) dead.sort(([a, { expiry: x }], [b, { expiry: y }]) => x - y || (a < b ? -1 : 1))
    return dead.map(([id]) => id)
  }

  private head(path: string, mode: number): Place | undefined {
    return this.queue.get(`${path}\0${mode}`)?.[0]
  }

  private dequeue(path: string, mode: number, id: string, stamp?: number): boolean {
    const key = `${path}\0${mode}`
    const entries = this.queue.get(key)
    const at = entries?.findIndex((entry) => entry.id === id && (stamp === undefined || entry.stamp === stamp)) ?? -1
    if (at === -1) return false
    entries!.splice(at, 1)
    if (entries!.length === 0) this.queue.delete(key)
    return true
  }

  private disown(session: string, id: string): void {
    const ids = this.owned.get(session)
    if (ids?.delete(id) && ids.size === 0) this.owned.delete(session)
  }

  /** The mode whose oldest closed claim is the next to open; 0 if none may. */
  private nextToOpen(path: string, counts: readonly number[]): number {
    const stamps = [0, 1, 2, 3, 4, 5].map((mode) => (mode > 0 && counts[5 + mode]! > 0 ? this.head(path, mode)?.stamp : undefined))
    let best = 0
    for (let mode = 1; mode <= 5; mode++) {
      const stamp = stamps[mode]
      if (stamp === undefined || (best > 0 && stamp >= stamps[best]!)) continue
      const older = (other: number): boolean => stamps[other] !== undefined && stamps[other]! < stamp
      if (EXCLUDES[mode]!.every((other) => counts[other] === 0 && !older(other))) best = mode
    }
    return best
  }

  private open(id: string): void {
    const request = this.requests.get(id)!
    request.closed--
    if (request.closed === 0) this.grant(id, request)
  }

  private grant(id: string, request: RequestRecord): void {
    request.granted = true
    request.stamp = this.stamp()
    this.tell(request.session, `${id} ${digits(request.stamp)}`)
  }

  private lookAside(path: string, counts: readonly number[]): void {
    for (const mode of [6, 7]) {
      while (counts[5 + mode]! > 0 && this.clear(path, mode === 6 ? 1 : 3)) {
        if (this.budget <= 0) {
          this.todo.add(path)
          return
        }
        const first = this.head(path, mode)
        if (first === undefined) return
        this.dequeue(path, mode, first.id)
        this.add(path, 5 + mode, -1)
        const request = this.requests.get(first.id)!
        this.budget -= OPENING + request.paths.length
        const at = this.obstacle(request)
        if (at > 0) this.standAside(first.id, request, at)
        else {
          this.enter(request)
          request.aside = 0
          this.grant(first.id, request)
        }
      }
    }
  }
}

function asideMode(request: RequestRecord, at: number): number {
  return request.modes[at - 1] === 1 ? 6 : 7
}
