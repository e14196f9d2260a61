// SPDX-License-Identifier: MIT
// Who holds and who waits: a pure state machine without clocks, promises or I/O.
//
// Counted arrival. Every node counts, per mode, the requests that stand there (those that hold and those that wait). A request counts
// itself in on all its nodes in one synchronous step, and may enter when, at each node, every incompatible request that was counted in
// before it has left. Younger incompatible requests wait for it in turn, so every incompatible departure that it sees is of an older one,
// and one number per blocked node is all that a waiter needs: the departures that it must see.
//
// Invariant: for a waiting request, at each node where it is blocked,
//     until − gone  =  the incompatible requests before it that still stand there.
//
// Hence: first come, first served among conflicting requests; no deadlock, as one step gives a request its place everywhere; entering and
// leaving cost the nodes of the request alone. Only an abort walks others: the younger ones that had counted the request that goes.
//
// In a table that prefers writers, a pure reader that has to wait is counted in nowhere: it stands aside at one node that blocks it, and
// when that node is clear it looks at all its nodes again: it enters, or stands aside at another that blocks it now. So every writer goes
// before it, and its claims never open one by one.
import type { Claims } from './claims.ts'
import { LinkedList } from './linked-list.ts'
import { Blocked, EXCLUDED, Footprint, FREED, Gate, IS, IX, type ModeIndex, Node, S, Ticket } from './lock-node.ts'

export { Footprint, Ticket }

export interface LockTableOptions<Owner> {
  /** Called for each waiting request when it is let in, after the table has come to rest; may call the table. Must not throw. */
  readonly admit: (owner: Owner) => void
  /** A waiting writer goes before waiting pure readers. */
  readonly preferWriters?: boolean
}

/** Idle nodes are kept up to this number at least, since hot paths come back. */
const KEPT_NODES = 16_384
/** While there are too many, each new node looks at this many old ones. */
const SWEPT_PER_NODE = 8

export class LockTable<Owner> {
  /** Those that wait, in the order in which they came. */
  readonly waiting: LinkedList<Ticket<Owner>> = new LinkedList()
  private readonly tell: (owner: Owner) => void
  private readonly preferWriters: boolean
  private readonly nodes = new Map<string, Node>()
  private sweepAbove = KEPT_NODES
  private sweeper: Iterator<Node> | null = null
  private arrivals = 0
  private firstAdmitted: Ticket<Owner> | null = null
  private lastAdmitted: Ticket<Owner> | null = null
  private admitting = false

  constructor({ admit, preferWriters = false }: LockTableOptions<Owner>) {
    this.tell = admit
    this.preferWriters = preferWriters
  }

  /** Nodes kept, idle ones included. */
  get size(): number {
    return this.nodes.size
  }

  /** Where these claims lie. Worth keeping by whoever asks for the same claims again. */
  footprint(claims: Claims): Footprint {
    const nodes = claims.list.map(({ key }) => this.nodeAt(key))
    return new Footprint(claims, nodes)
  }

  /** Enters at once if nothing incompatible stands anywhere on the footprint; else changes nothing. */
  tryEnter(footprint: Footprint): boolean {
    const { roots, rootModes, toWriteBelow, toReadBelow } = footprint
    for (let i = 0; i < roots.length; i++) if (roots[i]!.against(rootModes[i]!) !== 0) return this.enterRevived(footprint)
    for (let i = 0; i < toWriteBelow.length; i++) if (toWriteBelow[i]!.strong !== 0) return this.enterRevived(footprint)
    for (let i = 0; i < toReadBelow.length; i++) if (toReadBelow[i]!.x !== 0) return this.enterRevived(footprint)

    for (let i = 0; i < roots.length; i++) roots[i]!.add(rootModes[i]!, 1)
    for (let i = 0; i < toWriteBelow.length; i++) toWriteBelow[i]!.ix++
    for (let i = 0; i < toReadBelow.length; i++) toReadBelow[i]!.is++
    return true
  }

  /** Enters at once (null), or takes a place in the line; `admit` is called with the owner when its turn has come. */
  enter(footprint: Footprint, owner: Owner): Ticket<Owner> | null {
    if (this.tryEnter(footprint)) return null
    const ticket = new Ticket(owner, footprint, ++this.arrivals)
    this.waiting.add(ticket)
    if (this.preferWriters && footprint.readsOnly) this.standAside(ticket)
    else this.countIn(ticket)
    return ticket
  }

  /** A request that had entered leaves. */
  leave(footprint: Footprint): void {
    const { roots, rootModes, toWriteBelow, toReadBelow } = footprint
    for (let i = 0; i < roots.length; i++) {
      const node = roots[i]!
      node.add(rootModes[i]!, -1)
      if (node.gate !== null) this.departed(node, node.gate, EXCLUDED[rootModes[i]!]!)
    }
    for (let i = 0; i < toWriteBelow.length; i++) {
      const node = toWriteBelow[i]!
      node.ix--
      if (node.gate !== null) this.departed(node, node.gate, EXCLUDED[IX]!)
    }
    for (let i = 0; i < toReadBelow.length; i++) {
      const node = toReadBelow[i]!
      node.is--
      if (node.gate !== null) this.departed(node, node.gate, EXCLUDED[IS]!)
    }
    if (this.preferWriters) this.lookAside(footprint.nodes)
    if (this.firstAdmitted !== null) this.admitAll()
  }

  /** A request that had entered keeps only `to`, which must be no stronger, node by node, than what it has. */
  weaken(from: Footprint, to: Footprint): void {
    for (let i = 0; i < from.nodes.length; i++) {
      const node = from.nodes[i]!
      const before = from.modes[i]!
      const after = to.modes[i]!
      if (before === after) continue
      node.add(before, -1)
      node.add(after, 1)
      if (node.gate !== null) this.departed(node, node.gate, FREED[before]![after]!)
    }
    if (this.preferWriters) this.lookAside(from.nodes)
    this.admitAll()
  }

  /** A waiting request goes away. False when it had been admitted, or withdrawn, before. */
  withdraw(ticket: Ticket<Owner>): boolean {
    if (ticket.stage !== 'waiting') return false
    ticket.stage = 'withdrawn'
    this.waiting.remove(ticket)
    const { nodes, modes } = ticket.footprint
    if (this.preferWriters && ticket.footprint.readsOnly) {
      ticket.aside!.delete(ticket)
      return true
    }
    for (let entry = ticket.blocked; entry !== null; entry = entry.elsewhere) {
      if (entry.waiting) entry.node.gate!.remove(entry)
    }
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      node.add(modes[i]!, -1)
      if (node.gate !== null) this.uncount(node, node.gate, modes[i]!, ticket.position)
    }
    if (this.preferWriters) this.lookAside(nodes)
    this.admitAll()
    return true
  }

  private countIn(ticket: Ticket<Owner>): void {
    const { nodes, modes } = ticket.footprint
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      const mode = modes[i]!
      const ahead = node.against(mode)
      node.add(mode, 1)
      if (ahead === 0) continue
      node.gate ??= new Gate()
      const { gate } = node
      const entry = new Blocked(ticket, node, mode, gate.gone[mode]! + ahead)
      gate.append(entry)
      ticket.blocked = entry
      ticket.closed++
    }
  }

  /** One request left that had excluded `freed`: whoever waited for no more than that may pass this node. */
  private departed(node: Node, gate: Gate, freed: readonly ModeIndex[]): void {
    for (const mode of freed) {
      const gone = ++gate.gone[mode]!
      for (let entry = gate.blocked[mode]!.first; entry !== null && entry.until <= gone; entry = gate.blocked[mode]!.first)
        this.pass(gate, entry)
    }
    if (gate.size === 0) node.gate = null
  }

  /** A waiting request vanished: the younger ones that had counted it need one departure less. Those who come before it never had. */
  private uncount(node: Node, gate: Gate, mode: ModeIndex, position: number): void {
    for (const other of EXCLUDED[mode]!) {
      for (let entry = gate.blocked[other]!.last; entry !== null && entry.ticket.position > position; entry = entry.previous) entry.until--
      const gone = gate.gone[other]!
      for (let entry = gate.blocked[other]!.first; entry !== null && entry.until <= gone; entry = gate.blocked[other]!.first)
        this.pass(gate, entry)
    }
    if (gate.size === 0) node.gate = null
  }

  private pass(gate: Gate, entry: Blocked): void {
    gate.remove(entry)
    if (--entry.ticket.closed === 0) this.letIn(entry.ticket as Ticket<Owner>)
  }

  private standAside(ticket: Ticket<Owner>): void {
    const { nodes, modes } = ticket.footprint
    const place = nodes.findIndex((node, i) => node.against(modes[i]!) !== 0)
    const node = nodes[place]!
    node.aside ??= [new Set(), new Set()]
    ticket.aside = node.aside[modes[place] === IS ? 0 : 1]
    ticket.aside.add(ticket)
  }

  /** Something left these nodes: readers that stood aside there, and are not blocked there any more, look again. */
  private lookAside(nodes: readonly Node[]): void {
    for (const node of nodes) {
      if (node.aside === null) continue
      for (const [mode, readers] of [[IS, node.aside[0]] as const, [S, node.aside[1]] as const]) {
        if (readers.size === 0 || node.against(mode) !== 0) continue
        const again = [...(readers as Set<Ticket<Owner>>)]
        readers.clear()
        for (const ticket of again) {
          if (this.tryEnter(ticket.footprint)) this.letIn(ticket)
          else this.standAside(ticket)
        }
      }
      if (node.aside[0].size + node.aside[1].size === 0) node.aside = null
    }
  }

  private letIn(ticket: Ticket<Owner>): void {
    ticket.stage = 'admitted'
    this.waiting.remove(ticket)
    if (this.lastAdmitted === null) this.firstAdmitted = ticket
    else this.lastAdmitted.nextAdmitted = ticket
    this.lastAdmitted = ticket
  }

  /** Tells those let in, one after the other: what they do in answer may let in more, who then queue up behind, not on the stack. */
  private admitAll(): void {
    if (this.admitting) return
    this.admitting = true
    try {
      for (let ticket = this.firstAdmitted; ticket !== null; ticket = this.firstAdmitted) {
        this.firstAdmitted = ticket.nextAdmitted
        if (this.firstAdmitted === null) this.lastAdmitted = null
        this.tell(ticket.owner)
      }
    } finally {
      this.admitting = false
    }
  }

  private nodeAt(key: string): Node {
    const known = this.nodes.get(key)
    if (known !== undefined) return known
    const node = new Node(key)
    this.nodes.set(key, node)
    if (this.nodes.size > this.sweepAbove || this.sweeper !== null) this.sweepSome()
    return node
  }

  /** Drops idle nodes, a few at a time. */
  private sweepSome(): void {
    this.sweeper ??= this.nodes.values()
    for (let i = 0; i < SWEPT_PER_NODE; i++) {
      const { value: node, done } = this.sweeper.next()
      if (done) {
        this.sweeper = null
        this.sweepAbove = Math.max(KEPT_NODES, 2 * this.nodes.size)
        return
      }
      if (!node.idle) continue
      this.nodes.delete(node.key)
      node.drop()
    }
  }

  /** Something is in the way; or it only seems so, as an idle node was dropped: then the footprint points at living nodes again, and enters after all. */
  private enterRevived(footprint: Footprint): boolean {
    const { nodes, claims } = footprint
    let revived = false
    for (let i = 0; i < nodes.length; i++) {
      if (!nodes[i]!.dropped) continue
      nodes[i] = this.nodeAt(claims.list[i]!.key)
      revived = true
    }
    if (!revived) return false
    footprint.sort()
    return this.tryEnter(footprint)
  }
}
