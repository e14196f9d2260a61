// SPDX-License-Identifier: MIT
// A process that holds a lock is killed: when is the next one let in?
import { isLockError } from '../core/errors.ts'
import { bootNow } from '../native/clock.ts'
import { spoken, within } from './bounded.ts'
import type { Opening } from './hands.ts'
import type { Marks } from './marks.ts'
import { type Finding, failed, notTried, ok, warning } from './report.ts'
import { aLease } from './stage.ts'
import type { Worker } from './worker.ts'

export interface KillPlan {
  /** The process to be killed. */
  readonly victim: Worker
  readonly witness: Worker
  /** The space in which it happens. */
  readonly opening: Opening
  /** A node that nobody else uses. */
  readonly key: string
  /** Where the death of the victim is put down. */
  readonly marks: Marks
  /** Says of the space what people should know, such as that it has another lease than theirs. */
  readonly remark: string
}

/** The deadline of a lease that does not run out by itself, whatever other engines of the same configuration do. */
const FOR_EVER = 2n ** 63n - 1n
const TAKE_MS = 5_000
const IN_LINE_MS = 1_000
/** Where the kernel frees what the dead held. */
const AT_ONCE_MS = 1_000
/** Where a lease has to run out: beside it, what a server takes to notice. */
const NOTICE_MS = 3_000
/** Longer leases are not waited for. */
const LONGEST_LEASE_MS = 12_000

export async function kill({ victim, witness, opening, key, marks, remark }: KillPlan): Promise<Finding> {
  const [dying, waiting] = await Promise.all([victim.open(opening), witness.open(opening)])
  try {
    const [mine, theirs] = [aLease(), aLease()]
    const { supports } = await dying.call('facts')
    const held = await dying.call('take', mine, { read: [], write: [key] }, TAKE_MS)
    const leaseMs = supports.deadHolder === 'at-once' || held.deadline === FOR_EVER ? 0 : Number(held.deadline - held.at) / 1e6
    if (leaseMs > LONGEST_LEASE_MS) {
      await dying.call('release', mine)
      return notTried(`its leases last ${spoken(leaseMs)} or more, which is longer than this examination`)
    }
    const boundMs = leaseMs === 0 ? 2 * AT_ONCE_MS : 2 * leaseMs + NOTICE_MS
    const granted = waiting.call('take', theirs, { read: [], write: [key] }, boundMs)
    granted.catch(() => {})
    await within(IN_LINE_MS, 'getting in line', waiting.call('queued', theirs)).catch(() => {})
    const at = bootNow()
    marks.put({ word: 'gone', who: victim.who, at })
    const dead = victim.kill()
    const grant = await granted
    await dead
    await waiting.call('release', theirs)
    const early = leaseMs > 0 && grant.at < held.deadline
    return judgeRelease({ ms: Number(grant.at - at) / 1e6, leaseMs, early, remark })
  } catch (error) {
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error
    return failed(`the lock of a process that was killed was not free in time: ${error.message}`)
  } finally {
    await waiting.call('close').catch(() => {})
  }
}

export interface Release {
  /** From the kill to the grant. */
  readonly ms: number
  /** 0 where the kernel frees. */
  readonly leaseMs: number
  /** The next one was let in before the deadline that the dead one knew. */
  readonly early: boolean
  readonly remark: string
}

export function judgeRelease({ ms, leaseMs, early, remark }: Release): Finding {
  const figures = { freeAfterMs: ms, leaseMs }
  if (ms < 0) return failed('somebody was let in before the holder was killed', undefined, figures)
  if (early) return failed(`somebody was let in ${spoken(ms)} after the kill, before the lease of the dead had run out`, undefined, figures)
  const found = `free ${spoken(ms)} after the kill${remark}`
  if (leaseMs === 0 && ms > AT_ONCE_MS) return warning(found, 'it should be free at once: is the machine overloaded?', figures)
  return ok(found, figures)
}
