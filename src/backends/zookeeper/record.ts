// SPDX-License-Identifier: MIT
// What is written into ZooKeeper's nodes for others to read: who asks for what. JSON, as it may be read by people.
import { type Claim, Claims } from '../../core/claims.ts'
import type { Owner } from '../../core/inspection.ts'
import { MODES, type Mode } from '../../core/mode.ts'

/** A request, as its first ticket tells it. */
export interface RequestRecord {
  readonly id: string
  readonly name: string | null
  /** Milliseconds of the asking process's wall clock. */
  readonly since: number
  readonly claims: Claims
  /** It has come down from writing to reading. */
  readonly weakened: boolean
}

/** How an ancestor is written: a mode, and either its key, or of which root's key it is the beginning, and how long. */
type ClaimJson = readonly [Mode, string] | readonly [Mode, number, number]

interface RecordJson {
  readonly id: string
  readonly name?: string
  readonly since: number
  readonly read: readonly string[]
  readonly write: readonly string[]
  readonly above: readonly ClaimJson[]
  /** The mode of this ticket, once it is weaker than its name says. */
  readonly mode?: Mode
}

/** @param mode of the ticket that it is written on, when that has become weaker. */
export function writeRecord({ id, name, since, claims }: Omit<RequestRecord, 'weakened'>, mode?: Mode): Buffer {
  const { read, write } = claims
  const roots = [...read, ...write]
  const known = new Set(roots)
  const above = claims.list.flatMap(({ key, mode: of }): ClaimJson[] => {
    if (known.has(key) && (of === 'S' || of === 'X')) return []
    const root = roots.findIndex((one) => one.startsWith(key))
    return [root < 0 ? [of, key] : [of, root, key.length]]
  })
  const json: RecordJson = { id, ...(name !== null && { name }), since, read, write, above, ...(mode !== undefined && { mode }) }
  return Buffer.from(JSON.stringify(json))
}

/** That a Date can tell. */
const LAST_MOMENT_MS = 8.64e15

/** Null for what is none. */
export function readRecord(data: Buffer): RequestRecord | null {
  try {
    const { id, name = null, since, read, write, above, mode } = JSON.parse(data.toString()) as RecordJson
    const roots = [...texts(read), ...texts(write)]
    const claims = [
      ...above.map(([of, place, length]): Claim => ({ key: typeof place === 'number' ? roots[place]!.slice(0, length) : place, mode: of })),
    ]
    const covered = new Set(claims.map(({ key }) => key))
    for (const key of read) if (!covered.has(key)) claims.push({ key, mode: 'S' })
    for (const key of write) if (!covered.has(key)) claims.push({ key, mode: 'X' })
    const said = typeof id === 'string' && (name === null || typeof name === 'string') && Math.abs(Number(since)) <= LAST_MOMENT_MS
    if (!said || !claims.every(({ key, mode: of }) => typeof key === 'string' && MODES.includes(of))) return null
    claims.sort((a, b) => (a.key < b.key ? -1 : 1))
    const asked = new Claims(claims, read, write)
    const weakened = mode !== undefined
    return { id, name, since: Number(since), claims: weakened ? asked.withoutWriting() : asked, weakened }
  } catch {
    return null
  }
}

/** What a ticket's data say of its mode: nothing, as long as it is what its name says. */
export function modeOf(data: Buffer, named: Mode): Mode {
  if (data.length === 0) return named
  try {
    const { mode } = JSON.parse(data.toString()) as { readonly mode?: Mode }
    return mode !== undefined && MODES.includes(mode) ? mode : named
  } catch {
    return named
  }
}

/** What a ticket without a record says once it is weaker. */
export function writeMode(mode: Mode): Buffer {
  return Buffer.from(JSON.stringify({ mode }))
}

export function writeOwner(owner: Owner): Buffer {
  return Buffer.from(JSON.stringify(owner))
}

export function readOwner(data: Buffer | null): Owner {
  const nobody: Owner = { pid: 0, thread: 0, host: 'unknown', command: 'unknown' }
  try {
    return data === null ? nobody : { ...nobody, ...(JSON.parse(data.toString()) as Partial<Owner>) }
  } catch {
    return nobody
  }
}

function texts(value: readonly string[]): readonly string[] {
  if (!value.every((one) => typeof one === 'string')) throw new TypeError('not a list of texts')
  return value
}
