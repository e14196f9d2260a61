// SPDX-License-Identifier: MIT
// What many workers do at once: pass a lock around, and storm a small tree. And what the oracle says of all marks that were put down.
import { randomBytes } from 'node:crypto'
import { percentile, soon, spoken } from './bounded.ts'
import { handOffTimes } from './hand-off.ts'
import type { Verdict } from './oracle.ts'
import { type Finding, failed, ok, warning } from './report.ts'
import { aLease } from './stage.ts'
import type { Line } from './worker.ts'

const HAND_OFF_MS = 600
const ROUNDS = 150
const PATIENCE_MS = 4_000
/** Slower than that, somebody polls or the way is long. */
const SLOW_MS = 100

/** @param answerMs what the engine takes to answer: a holder waits until the others are surely in line. */
export async function handOffs(lines: readonly Line[], key: string, answerMs: number): Promise<Finding> {
  const holdMs = Math.min(100, Math.max(2, 2 * answerMs))
  const plan = { key, holdMs, forMs: HAND_OFF_MS, rounds: ROUNDS, patienceMs: PATIENCE_MS }
  const turns = await Promise.all(lines.map((line) => line.call('handOff', plan)))
  const times = handOffTimes(turns, holdMs / 2)
  if (times.length === 0) return failed('no release ever met somebody who waited')
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)]
  const figures = { p50Ms: p50, p99Ms: p99, handOffs: times.length }
  const found = `p50 ${spoken(p50)}, p99 ${spoken(p99)} from a release to the next grant`
  if (p50 > SLOW_MS) return warning(found, 'is the machine, or the server, overloaded or far away?', figures)
  return ok(found, figures)
}

const STORM_MS = 600
const TASKS = 2
const STORM_ROUNDS = 400

/** Rejects when somebody was not let in in time. */
export async function underLoad(lines: readonly Line[], root: string): Promise<void> {
  const plan = { root, tasks: TASKS, forMs: STORM_MS, rounds: STORM_ROUNDS, patienceMs: PATIENCE_MS }
  await Promise.all(lines.map((line) => line.call('storm', { ...plan, seed: randomBytes(4).readInt32LE() })))
}

const FREE_MS = 1_500

/** True when nothing is left of anything that was held here. */
export async function allFree(line: Line, key: string): Promise<boolean> {
  const lease = aLease()
  const granted = await soon(FREE_MS, () => line.call('tryTake', lease, { read: [], write: [key] }))
  if (granted !== null) await line.call('release', lease)
  return granted !== null
}

const ELSEWHERE = 'do not use it: choose another place or engine, and tell the authors of Holdfast'

export function judgeLoad({ grants, lost, overlaps }: Verdict, workers: string, free: boolean): Finding {
  const figures = { grants, lost, overlaps: overlaps.length }
  if (overlaps.length > 0)
    return failed(`${overlaps.length} times two held at once what excludes the other; ${overlaps[0]}`, ELSEWHERE, figures)
  if (!free) return failed('when all had given everything back, something was still held', ELSEWHERE, figures)
  const found = `${grants} grants to ${workers}, and no two at once that exclude each other`
  if (lost > 0)
    return warning(
      `${found}; ${lost} leases were lost meanwhile`,
      'give leases a longer time: a pause of this machine or the server was longer than one',
      figures,
    )
  return ok(found, figures)
}

export function judgeTokens({ grants, tokenFaults }: Verdict): Finding {
  const figures = { grants, faults: tokenFaults.length }
  if (tokenFaults.length > 0)
    return failed(`${tokenFaults.length} times a token was not above an earlier one; ${tokenFaults[0]}`, ELSEWHERE, figures)
  return ok('each token was above all earlier ones in its way', figures)
}
