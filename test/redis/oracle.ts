// SPDX-License-Identifier: MIT
// Shows what the processes of a test have written down to the oracle: during which times each could count on its leases, by its own stamps and by the deadlines
// that it knew.
import { readFileSync } from 'node:fs'
import { judge as judgeMarks, type Mark } from '../../src/evidence/oracle.ts'
import type { Claim } from '../../src/index.ts'
import { rootsOf } from '../support/roots.ts'

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
  const marks: Mark[] = []
  const violations: string[] = []
  const errors = new Map<string, number>()
  /** Leases that are not over. */
  const held = new Set<string>()
  let weakened = 0
  for (const line of text.split('\n').map(parsed)) {
    // What the test did is there for those who read the log.
    if (line === null || line.word === 'FAULT') continue
    const { word, pid, what = '', id = 0, token, deadline, claims } = line
    const lease = { who: String(pid), lease: id, at: BigInt(line.at) }
    const whose = `${pid}.${id}`
    if (word === 'FAILED') violations.push(`${pid}: ${what}`)
    else if (word === 'ERROR') errors.set(what, (errors.get(what) ?? 0) + 1)
    else if (word === 'GRANTED') {
      held.add(whose)
      marks.push({ word: 'granted', ...lease, token: BigInt(token!), deadline: BigInt(deadline!), ...rootsOf(claims!) })
    } else if (!held.has(whose)) {
      if (word === 'VALID') violations.push(`${whose} was valid after its end`)
    } else if (word === 'VALID') marks.push({ word: 'good', ...lease, deadline: BigInt(deadline!) })
    else if (word === 'WEAKENED') {
      weakened++
      marks.push({ word: 'weakened', ...lease })
    } else {
      held.delete(whose)
      marks.push({ word: word === 'LOST' ? 'lost' : 'released', ...lease })
    }
  }
  const { grants, lost, overlaps, tokenFaults } = judgeMarks(marks)
  return { grants, lost, weakened, errors, orphans: held.size, violations: [...violations, ...overlaps, ...tokenFaults] }
}

/** Null for a torn line: a process that is killed may leave one behind. */
function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line
  } catch {
    return null
  }
}
