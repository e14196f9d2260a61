// SPDX-License-Identifier: MIT
// Who holds something and does not say what.
import { hostname } from 'node:os'
import type { Inspection, Owner } from '../core/inspection.ts'
import { strangersTo } from './processes.ts'

/**
 * The silent ones that nobody speaks for. A command that inherited the descriptors of a supervisor that answers holds what that one holds, and
 * so does everything that the command started.
 */
export function unexplained({ holders, silent }: Inspection): readonly Owner[] {
  if (silent.length === 0) return silent
  const here = hostname()
  const answering = new Set(holders.filter(({ owner }) => owner.host === here).map(({ owner }) => owner.pid))
  const strangers = new Set(
    strangersTo(
      answering,
      silent.map(({ pid }) => pid),
    ),
  )
  return silent.filter(({ pid, host }) => host !== here || strangers.has(pid))
}
