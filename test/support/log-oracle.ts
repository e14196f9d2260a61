// SPDX-License-Identifier: MIT
// Shows the log that all processes of a test append to, in the order in which the kernel put their lines, to the oracle: the number of a line is its time. A lease
// counts from its `ENTER` (written after the grant) to its `LEAVE` (written before the release), or to the `KILL` of its process (written before the signal
// was sent). What a process still wrote between that and its end does not count. A line begins and ends with a newline, as a process that is killed may
// leave a torn one behind.
import { readFileSync } from 'node:fs'
import { Oracle } from '../../src/evidence/oracle.ts'
import type { Claim } from '../../src/index.ts'
import { rootsOf } from './roots.ts'

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

const FOR_EVER = 2n ** 63n - 1n
const WORDS: Readonly<Record<string, 'released' | 'weakened'>> = { LEAVE: 'released', WEAKEN: 'weakened' }

export function judge(log: string): Verdict {
  const oracle = new Oracle()
  const violations: string[] = []
  const dead = new Set<number>()
  for (const [number, text] of readFileSync(log, 'utf8').split('\n').entries()) {
    if (text === '') continue
    const line = parsed(text)
    if (line === null || dead.has(line.pid)) continue
    const { word, pid, id, token, claims } = line
    const [who, at] = [String(pid), BigInt(number)]
    const known = WORDS[word]
    if (word === 'KILL') {
      dead.add(pid)
      oracle.put({ word: 'gone', who, at })
    } else if (word === 'ENTER')
      oracle.put({ word: 'granted', who, lease: id, at, token: BigInt(token!), deadline: FOR_EVER, ...rootsOf(claims!) })
    else if (known !== undefined) oracle.put({ word: known, who, lease: id, at })
    else violations.push(text)
  }
  const { grants, overlaps, tokenFaults } = oracle.conclude()
  return { grants, killed: dead.size, violations: [...violations, ...overlaps, ...tokenFaults] }
}

/** A line of the log. */
export function logLine(what: Record<string, unknown>): string {
  return `\n${JSON.stringify(what)}\n`
}

/** Null for a torn line. */
function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line
  } catch {
    return null
  }
}
