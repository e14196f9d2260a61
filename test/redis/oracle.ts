// SPDX-License-Identifier: MIT
// An oracle that knows nothing of Redis and of locks but the table of modes: from what the processes of a test have written down, it finds out during
// which times each could count on its leases, and says where two stood that cannot stand together, or where tokens did not rise.
//
// A lease counts from the stamp of its grant to the stamp of its release; for one that was lost, and for those of a process that died or was
// stopped, to the deadline that its process knew last, since a process that sees nobody's signal may go on until then. Where a loss came
// before that deadline, it counts to the last look at which it was valid.
import { readFileSync } from 'node:fs'
import { exclude } from '../../src/core/inspection.ts'
import { compatible, type Mode, readingPartOf } from '../../src/core/mode.ts'
import type { Claim } from '../../src/index.ts'

interface Line {
  readonly word: 'FAULT' | 'GRANTED' | 'VALID' | 'WEAKENED' | 'RELEASED' | 'LOST' | 'FAILED' | 'ERROR'
  readonly pid: number
  readonly at: string
  readonly id?: number
  readonly token?: string
  readonly deadline?: string
  readonly claims?: readonly Claim[]
  readonly what?: string
}

/** During which somebody counted on these claims. */
interface Span {
  readonly whose: string
  readonly token: bigint
  readonly claims: readonly Claim[]
  readonly from: bigint
  to: bigint
  readonly isGrant: boolean
}

interface Belief {
  span: Span
  /** When it was last seen to be valid. */
  seen: bigint
  deadline: bigint
  over: boolean
}

export interface Verdict {
  readonly grants: number
  readonly lost: number
  readonly weakened: number
  /** What workers were refused, each with its number. */
  readonly errors: ReadonlyMap<string, number>
  /** Leases that were still counted on when their process had nothing to say any more. */
  readonly orphans: number
  readonly violations: readonly string[]
}

export function judge(log: string): Verdict {
  return judgeText(readFileSync(log, 'utf8'))
}

export function judgeText(text: string): Verdict {
  const spans: Span[] = []
  const beliefs = new Map<string, Belief>()
  const violations: string[] = []
  const errors = new Map<string, number>()
  let [lost, weakened, orphans] = [0, 0, 0]
  for (const line of text.split('\n').map(parsed)) {
    // What the test did is there for those who read the log.
    if (line === null || line.word === 'FAULT') continue
    const at = BigInt(line.at)
    const whose = `${line.pid}.${line.id}`
    const belief = beliefs.get(whose)
    if (line.word === 'FAILED') violations.push(`${line.pid}: ${line.what}`)
    else if (line.word === 'ERROR') errors.set(line.what!, (errors.get(line.what!) ?? 0) + 1)
    else if (line.word === 'GRANTED') {
      const span = { whose, token: BigInt(line.token!), claims: line.claims!, from: at, to: at, isGrant: true }
      spans.push(span)
      beliefs.set(whose, { span, seen: at, deadline: BigInt(line.deadline!), over: false })
    } else if (belief === undefined || belief.over) {
      if (line.word === 'VALID') violations.push(`${whose} was valid after its end`)
    } else if (line.word === 'VALID') {
      belief.seen = at
      belief.deadline = BigInt(line.deadline!)
    } else if (line.word === 'WEAKENED') {
      weakened++
      const { token, claims } = belief.span
      belief.span.to = earlier(at, belief.deadline)
      const reading = claims.map(({ key, mode }) => ({ key, mode: readingPartOf(mode) }))
      belief.span = { whose, token, claims: reading, from: at, to: at, isGrant: false }
      spans.push(belief.span)
    } else {
      belief.over = true
      if (line.word === 'LOST') lost++
      const end = line.word === 'LOST' && at < belief.deadline ? belief.seen : at
      belief.span.to = earlier(end, belief.deadline)
    }
  }
  for (const belief of beliefs.values()) {
    if (belief.over) continue
    orphans++
    belief.span.to = belief.deadline
  }
  spans.sort((a, b) => (a.from < b.from ? -1 : 1))
  violations.push(...overlaps(spans), ...tokenFaults(spans))
  const grants = spans.filter(({ isGrant }) => isGrant).length
  return { grants, lost, weakened, errors, orphans, violations }
}

/** In the order in which they began, each against those that had not ended. */
function overlaps(spans: readonly Span[]): string[] {
  const faults: string[] = []
  let open: Span[] = []
  for (const span of spans) {
    open = open.filter((other) => other.to > span.from)
    for (const other of open) {
      if (other.whose === span.whose || !exclude(span.claims, other.claims)) continue
      faults.push(`${say(span)} began ${other.to - span.from} ns before the end of ${say(other)}`)
    }
    if (span.to > span.from) open.push(span)
  }
  return faults
}

/** Every node remembers the highest token in each mode; one that is granted later has a larger one than all that exclude it. */
function tokenFaults(spans: readonly Span[]): string[] {
  const faults: string[] = []
  const highest = new Map<string, Map<Mode, bigint>>()
  for (const span of spans) {
    if (!span.isGrant || span.to <= span.from) continue
    const { token } = span
    for (const { key, mode } of span.claims) {
      const seen = highest.get(key) ?? new Map<Mode, bigint>()
      highest.set(key, seen)
      for (const [other, before] of seen)
        if (!compatible(mode, other) && token <= before)
          faults.push(`${say(span)} has not a larger token than ${before}, ${other} at ${key}`)
      if (token > (seen.get(mode) ?? 0n)) seen.set(mode, token)
    }
  }
  return faults
}

function say({ whose, token, claims, from, to }: Span): string {
  return `${whose} (token ${token}, ${from} to ${to}, ${claims.map(({ key, mode }) => `${mode} ${key}`).join(', ')})`
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** Null for a torn line: a process that is killed may leave one behind. */
function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line
  } catch {
    return null
  }
}
