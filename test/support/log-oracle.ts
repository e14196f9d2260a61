// SPDX-License-Identifier: MIT
// An oracle that knows nothing of locks but the table of modes: it reads the log that all processes of a test append to, in the order in which the
// kernel put their lines, and says where two leases stood that cannot stand together. A lease counts from its `ENTER` (written after the grant)
// to its `LEAVE` (written before the release), or to the `KILL` of its process (written before the signal was sent). What a process still wrote
// between that and its end does not count. A line begins and ends with a newline, as a process that is killed may leave a torn one behind.
import { readFileSync } from 'node:fs'
import { exclude } from '../../src/core/inspection.ts'
import { readingPartOf } from '../../src/core/mode.ts'
import type { Claim } from '../../src/index.ts'

interface Line {
  readonly word: string
  readonly pid: number
  readonly id: number
  readonly token?: string
  readonly claims?: readonly Claim[]
}

export interface Verdict {
  readonly grants: number
  readonly killed: number
  readonly violations: string[]
}

export function judge(log: string): Verdict {
  const held = new Map<string, { claims: readonly Claim[]; token: bigint }>()
  const highest = new Map<string, { read: bigint; write: bigint }>()
  const violations: string[] = []
  const dead = new Set<number>()
  let grants = 0
  let killed = 0
  for (const text of readFileSync(log, 'utf8').split('\n')) {
    if (text === '') continue
    const line = parsed(text)
    if (line === null || dead.has(line.pid)) continue
    const key = `${line.pid}.${line.id}`
    if (line.word === 'KILL') {
      killed++
      dead.add(line.pid)
      for (const other of [...held.keys()]) if (other.startsWith(`${line.pid}.`)) held.delete(other)
    } else if (line.word === 'LEAVE') held.delete(key)
    else if (line.word === 'WEAKEN') weaken(held.get(key)!)
    else if (line.word === 'ENTER') {
      grants++
      const lease = { claims: line.claims!, token: BigInt(line.token!) }
      for (const [other, theirs] of held)
        if (exclude(lease.claims, theirs.claims)) violations.push(`${key} entered beside ${other}: ${text}`)
      violations.push(...tokenFaults(key, lease, highest))
      held.set(key, lease)
    } else violations.push(text)
  }
  return { grants, killed, violations }
}

/** A line of the log. */
export function logLine(what: Record<string, unknown>): string {
  return `\n${JSON.stringify(what)}\n`
}

/** From before a downgrade on, a lease counts for reading only. */
function weaken(lease: { claims: readonly Claim[] }): void {
  lease.claims = lease.claims.map(({ key, mode }) => ({ key, mode: readingPartOf(mode) }))
}

/** Every node remembers the highest tokens of those that wrote, and of those that read, it or something below it. */
function tokenFaults(
  key: string,
  { claims, token }: { claims: readonly Claim[]; token: bigint },
  highest: Map<string, { read: bigint; write: bigint }>,
): string[] {
  const faults: string[] = []
  for (const { key: node, mode } of claims) {
    const seen = highest.get(node) ?? { read: 0n, write: 0n }
    const before = mode === 'X' ? (seen.read > seen.write ? seen.read : seen.write) : mode === 'S' || mode === 'SIX' ? seen.write : 0n
    if (token <= before) faults.push(`the token of ${key} is ${token}, and at ${node} ${before} had been seen`)
    if (mode === 'X' || mode === 'IX' || mode === 'SIX') seen.write = token > seen.write ? token : seen.write
    if (mode !== 'IX' && mode !== 'IS') seen.read = token > seen.read ? token : seen.read
    highest.set(node, seen)
  }
  return faults
}

/** Null for a torn line. */
function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line
  } catch {
    return null
  }
}
