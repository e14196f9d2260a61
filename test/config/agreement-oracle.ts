// SPDX-License-Identifier: MIT
// What must not be, whatever the protocol says: it looks at leases alone.
import type { Process } from './agreement-parts.ts'

/** Two leases that are valid, on two engines; null if there are none. */
export function splitAmong(processes: readonly Process[], now: number): string | null {
  let first: { readonly name: string; readonly identity: string } | null = null
  for (const { name, leases } of processes) {
    for (const { identity, deadline } of leases) {
      if (deadline <= now) continue
      first ??= { name, identity }
      if (identity !== first.identity) return `${first.name} on ${first.identity}, and ${name} on ${identity}`
    }
  }
  return null
}

/** A lease that is granted elsewhere, while the holder of one that was lost, whether or not it has had a turn since, may still be on the way out. */
export function tooEarly(processes: readonly Process[], to: Process, granted: string, lostBefore: number): string | null {
  for (const one of processes) {
    if (one === to || one.child) continue
    one.lingering = one.lingering.filter(({ deadline }) => deadline > lostBefore)
    const lost = [...one.lingering, ...one.leases].find(({ identity }) => identity !== granted)
    if (lost !== undefined) return `${to.name} on ${granted}, while ${one.name} has just lost a lease on ${lost.identity}`
  }
  return null
}
