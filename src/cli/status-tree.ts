// SPDX-License-Identifier: MIT
// An inspection as text: a tree of the paths that are held, with those who wait below what they wait for.
import type { Holder, Inspection, Waiter } from '../core/inspection.ts'
import { ageOf, printable } from './output.ts'
import { type Row, table } from './table.ts'

export interface StatusStyle {
  /** Ages are counted up to here: milliseconds of the wall clock. */
  readonly now: number
  /** Characters in a line, to cut commands to; undefined does not cut. */
  readonly width?: number | undefined
  readonly colours?: boolean
  /** Who holds something and does not say what; those of the inspection if left out. */
}

type Mode = 'read' | 'write'

/** Someone at a path of the tree: a holder, or a waiter who waits for nobody that can be seen. */
interface Entry {
  readonly holder: Holder
  readonly mode: Mode
  readonly waiters: readonly Waiter[]
}

interface Node {
  label: string
  readonly entries: Entry[]
  readonly children: Map<string, Node>
}

const HEADER = { path: 'PATH', mode: 'MODE', who: 'PID@HOST', since: 'SINCE', token: 'TOKEN', command: 'COMMAND' }

export function statusTree(seen: Inspection, { now, width, colours = false }: StatusStyle): string {
  const { holders, waiters, silent } = seen
  if (holders.length + waiters.length + silent.length === 0) return `Nobody holds or waits (${seen.backend}).\n`
  const rows: Row[] = []
  if (holders.length + waiters.length > 0) drawNode(joined(treeOf(seen)), '', '', rows, now, behindWaiters(seen))
  for (const { pid, host, command } of silent)
    rows.push({ path: '?', mode: 'silent', who: printable(`${pid}@${host}`), command: printable(command) })
  const counts = [`${holders.length} hold${holders.length === 1 ? 's' : ''}`, `${waiters.length} wait${waiters.length === 1 ? 's' : ''}`]
  if (silent.length > 0)
    counts.push(`${silent.length} hold${silent.length === 1 ? 's' : ''} something and ${silent.length === 1 ? 'does' : 'do'} not say what`)
  return `${table([HEADER, ...rows], width, colours)}\n${counts.join(', ')}.\n`
}

/** Every waiter once: below the first holder that it waits for, or the first waiter if it waits for waiters alone. */
function behind(seen: Inspection, waiter: Waiter): string | undefined {
  return seen.holders.find(({ id }) => waiter.waitsFor.includes(id))?.id ?? waiter.waitsFor[0]
}

function behindWaiters(seen: Inspection): ReadonlyMap<string, readonly Waiter[]> {
  const holders = new Set(seen.holders.map(({ id }) => id))
  const groups = new Map<string, Waiter[]>()
  for (const waiter of seen.waiters) {
    const id = behind(seen, waiter)
    if (id === undefined || holders.has(id)) continue
    groups.set(id, [...(groups.get(id) ?? []), waiter])
  }
  return groups
}

function treeOf(seen: Inspection): Node {
  const root: Node = { label: '/', entries: [], children: new Map() }
  for (const holder of seen.holders) {
    const waiters = seen.waiters.filter((waiter) => behind(seen, waiter) === holder.id)
    const paths = pathsOf(holder)
    const placeOf = (waiter: Waiter): number =>
      Math.max(
        0,
        paths.findIndex(([path]) => pathsOf(waiter).some(([wanted]) => related(path, wanted))),
      )
    for (const [place, [path, mode]] of paths.entries()) {
      nodeAt(root, path).entries.push({ holder, mode, waiters: waiters.filter((waiter) => placeOf(waiter) === place) })
    }
  }
  for (const waiter of seen.waiters) {
    if (waiter.waitsFor.length > 0) continue
    for (const [path, mode] of pathsOf(waiter)) nodeAt(root, path).entries.push({ holder: waiter, mode, waiters: [] })
  }
  return root
}

function pathsOf({ read, write }: Holder): readonly (readonly [path: string, mode: Mode])[] {
  return [...write.map((path) => [path, 'write'] as const), ...read.map((path) => [path, 'read'] as const)]
}

/** One is the other, or lies above it. */
function related(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return short === '/' || long === short || long.startsWith(`${short}/`)
}

function nodeAt(root: Node, path: string): Node {
  let node = root
  for (const label of path === '/' ? [] : path.slice(1).split('/')) {
    const child = node.children.get(label) ?? { label, entries: [], children: new Map() }
    node.children.set(label, child)
    node = child
  }
  return node
}

/** A node where nobody is, with a single child, is one with the child: `mouse-7/session-3`. */
function joined(node: Node): Node {
  const children = [...node.children.values()].map(joined).sort((a, b) => (a.label < b.label ? -1 : 1))
  const [only] = children
  if (only !== undefined && children.length === 1 && node.entries.length === 0) {
    return { ...only, label: node.label === '/' ? `/${only.label}` : `${node.label}/${only.label}` }
  }
  return { ...node, children: new Map(children.map((child) => [child.label, child])) }
}

function drawNode(
  node: Node,
  branch: string,
  guide: string,
  rows: Row[],
  now: number,
  behind: ReadonlyMap<string, readonly Waiter[]>,
): void {
  const waiters = node.entries.flatMap((entry) => entry.waiters)
  const children = [...node.children.values()]
  const open = waiters.length + children.length > 0
  const label = `${branch}${printable(node.label)}`
  const [first, ...others] = node.entries
  rows.push(first === undefined ? { path: label } : rowOf(label, first.holder, first.mode, now))
  for (const { holder, mode } of others) rows.push(rowOf(`${guide}${open ? '│' : ''}`, holder, mode, now))
  for (const [i, waiter] of waiters.entries()) {
    drawWaiter(waiter, guide, i === waiters.length - 1 && children.length === 0, rows, now, behind)
  }
  for (const [i, child] of children.entries()) {
    const last = i === children.length - 1
    drawNode(child, `${guide}${last ? '└─ ' : '├─ '}`, `${guide}${last ? '   ' : '│  '}`, rows, now, behind)
  }
}

/** A waiter, and those who queue behind it alone. */
function drawWaiter(
  waiter: Waiter,
  guide: string,
  last: boolean,
  rows: Row[],
  now: number,
  behind: ReadonlyMap<string, readonly Waiter[]>,
): void {
  const [[path, mode] = ['?', 'read'] as const, ...others] = pathsOf(waiter)
  const inner = `${guide}${last ? '   ' : '┆  '}`
  rows.push(rowOf(`${guide}${last ? '└╌ ' : '├╌ '}${printable(path)}`, waiter, mode, now))
  for (const [also, how] of others) rows.push({ path: `${inner}and ${printable(also)}`, mode: `waits to ${how}`, waits: true })
  const next = behind.get(waiter.id) ?? []
  for (const [i, one] of next.entries()) drawWaiter(one, inner, i === next.length - 1, rows, now, behind)
}

function rowOf(path: string, { state, owner, since, token, name }: Holder, mode: Mode, now: number): Row {
  const waits = state === 'waiting'
  return {
    path,
    mode: waits ? `waits to ${mode}` : state === 'suspended' ? `${mode} (suspended)` : mode,
    who: printable(`${owner.pid}${owner.thread === 0 ? '' : `.${owner.thread}`}@${owner.host}`),
    since: ageOf(since, now),
    token: token ?? '',
    command: printable(name === null ? owner.command : `"${name}" ${owner.command}`),
    waits,
  }
}
