// SPDX-License-Identifier: MIT
// Every pair of modes at one node, through real requests: what goes together is granted beside the other, what does not is refused to a try,
// and waits until the other has left.
import { isLockError } from '../core/errors.ts'
import { compatible, MODES, type Mode } from '../core/mode.ts'
import { Late, soon, spoken, within } from './bounded.ts'
import type { Roots } from './oracle.ts'
import { type Finding, failed, ok } from './report.ts'
import { aLease, type Pair } from './stage.ts'

/** What a request has to ask for to have this mode at the node. Two that write below it write at places of their own. */
function rootsFor(mode: Mode, node: string, side: 'one' | 'other'): Roots {
  const below = `${node}/${side}`
  return {
    IS: { read: [below], write: [] },
    IX: { read: [], write: [below] },
    S: { read: [node], write: [] },
    SIX: { read: [node], write: [below] },
    X: { read: [], write: [node] },
  }[mode]
}

/** How long a request may take to be in line, a try to succeed where others come and go, and whoever waits to be let in. */
const IN_LINE_MS = 1_000
const FREE_MS = 1_500
const LET_IN_MS = 5_000

/** @param key a node that nobody else uses. */
export async function modes(pair: Pair, key: string): Promise<Finding> {
  const wrong: string[] = []
  let [together, apart] = [0, 0]
  const lane = async (held: Mode): Promise<void> => {
    for (const asked of MODES) {
      const fault = await meet(pair, held, asked, `${key}-${held}`)
      if (fault === null) compatible(held, asked) ? together++ : apart++
      else wrong.push(fault.what)
      // Waiting in vain takes long, and to do it again says nothing new.
      if (fault?.inVain) return
    }
  }
  // Side by side, each at a node of its own: a server far away makes each of them slow.
  await Promise.all(MODES.map(lane))
  const figures = { together, apart, wrong: wrong.length }
  if (wrong.length > 0)
    return failed(`${wrong[0]}${wrong.length > 1 ? `; ${wrong.length - 1} more of 25 pairs are wrong` : ''}`, undefined, figures)
  return ok(`${together} pairs go together, ${apart} exclude each other, as they should`, figures)
}

interface Fault {
  readonly what: string
  readonly inVain?: true
}

/** Null when all is as it should be. */
async function meet({ a, b }: Pair, held: Mode, asked: Mode, node: string): Promise<Fault | null> {
  const [mine, theirs] = [aLease(), aLease()]
  const wanted = rootsFor(asked, node, 'other')
  await a.call('take', mine, rootsFor(held, node, 'one'), LET_IN_MS)
  if (compatible(held, asked)) {
    const granted = await soon(FREE_MS, () => b.call('tryTake', theirs, wanted))
    if (granted !== null) await b.call('release', theirs)
    await a.call('release', mine)
    return granted === null ? { what: `${asked} was refused beside ${held}, with which it goes together` } : null
  }
  const early = await b.call('tryTake', theirs, wanted)
  if (early !== null) {
    await Promise.all([b.call('release', theirs), a.call('release', mine)])
    return { what: `${asked} was let in beside ${held}, which excludes it` }
  }
  const waiting = b.call('take', theirs, wanted, LET_IN_MS)
  waiting.catch(() => {})
  // An engine that does not say that a request waits is not what this is about.
  await within(IN_LINE_MS, 'getting in line', b.call('queued', theirs)).catch(() => {})
  const left = await a.call('release', mine)
  try {
    const granted = await waiting
    await b.call('release', theirs)
    return granted.at < left ? { what: `${asked} was let in beside ${held}, for which it should have waited` } : null
  } catch (error) {
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error
    return { what: `${asked} was not let in within ${spoken(LET_IN_MS)} after ${held} had left`, inVain: true }
  }
}

const TRIES = 8
/** A try does not wait: it takes as long as the engine needs to answer. */
const ANSWER_WITHIN_MS = 2_000

/** Where somebody holds, a try answers null, and soon. */
export async function busyTries({ a, b }: Pair, key: string): Promise<Finding> {
  const mine = aLease()
  await a.call('take', mine, { read: [], write: [key] }, LET_IN_MS)
  const took: number[] = []
  try {
    for (let i = 0; i < TRIES; i++) {
      const theirs = aLease()
      const wanted: Roots = i % 2 === 0 ? { read: [`${key}/below`], write: [] } : { read: [], write: [key] }
      const began = performance.now()
      const granted = await within(ANSWER_WITHIN_MS, 'a try, which has to answer busy and not to wait,', b.call('tryTake', theirs, wanted))
      took.push(performance.now() - began)
      if (granted === null) continue
      await b.call('release', theirs)
      return failed('a try was granted what somebody else held to write')
    }
  } finally {
    await a.call('release', mine)
  }
  const slowest = Math.max(...took)
  return ok(`busy, answered within ${spoken(slowest)}`, { slowestMs: slowest })
}

const GIVE_UP_MS = 150

/** A request for three places of which one is taken gives up, and has none of them. */
export async function timeOut({ a, b }: Pair, key: string): Promise<Finding> {
  const [mine, theirs, again] = [aLease(), aLease(), aLease()]
  const places = ['1', '2', '3'].map((name) => `${key}/${name}`)
  await a.call('take', mine, { read: [], write: [places[1]!] }, LET_IN_MS)
  const began = performance.now()
  try {
    await b.call('take', theirs, { read: [], write: places }, GIVE_UP_MS)
    await Promise.all([b.call('release', theirs), a.call('release', mine)])
    return failed('a request was granted although somebody else held one of its paths')
  } catch (error) {
    if (error instanceof Late)
      return failed(`a request with a time-out of ${GIVE_UP_MS} ms had not given up ${spoken(performance.now() - began)} later`)
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error
  }
  const took = performance.now() - began
  const rest = { read: [places[0]!], write: [places[2]!] }
  const free = await soon(FREE_MS, () => a.call('tryTake', again, rest))
  if (free !== null) await a.call('release', again)
  await a.call('release', mine)
  const { waiting } = await b.call('left')
  if (free === null || waiting > 0)
    return failed('a request that gave up after its time-out has left something behind, which still keeps others out')
  return ok(`gave up after ${spoken(took)}, all or nothing`, { gaveUpAfterMs: took })
}
