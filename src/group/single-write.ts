// SPDX-License-Identifier: MIT
// A round from its beginning to its end, on one rank: entering, writing or waiting, and the outcome, which is the same on every rank.
import { LockError } from '../core/errors.ts'
import type { LockOptions } from '../options.ts'
import { Fence, FenceSignal } from './fence.ts'
import type { Kind, Round } from './round.ts'
import type { Rounds } from './rounds.ts'
import type { Scope } from './scope.ts'
import { decodeError, decodeValue, encodeValue } from './value.ts'
import { holding, type WindowLease } from './window-lease.ts'
import { deadlineOf, within } from './within.ts'

export interface Writing {
  readonly rounds: Rounds
  readonly writer: number
  readonly options: LockOptions
  /** Why this rank cannot take part: it holds the window itself. */
  readonly refusal: LockError | null
  readonly lock: (options: LockOptions) => Promise<WindowLease>
  /** Runs so that what is asked for inside is nested. */
  readonly run: <Result>(scope: Scope, work: () => Promise<Result>) => Promise<Result>
}

/** The writer's block alone: its result goes to every rank. */
export async function writeForAll<Result>(writing: Writing, work: () => Result | Promise<Result>): Promise<Result> {
  const { round, lease } = await enter(writing, 'writer')
  if (lease === null) return (await outcomeOf(round, writing)) as Result
  return await conclude(round, lease, false, writing, work)
}

/** The same block on every rank. */
export async function writeTogether<Handle, Result>(
  writing: Writing,
  handle: Handle | null,
  work: (fence: Fence<Handle>) => Result | Promise<Result>,
): Promise<Result> {
  const { round, lease } = await enter(writing, 'every')
  const fence = new Fence<Handle>(round, lease, lease === null ? null : handle, true, async () => {})
  if (lease !== null) {
    return await conclude(round, lease, true, writing, async () => {
      const result = await work(fence)
      return fence.sharedHere === null ? result : (fence.sharedHere.value as Result)
    })
  }
  let failure: { readonly error: unknown } | null = null
  try {
    await work(fence)
  } catch (error) {
    if (!(error instanceof FenceSignal && error.fence === fence)) failure = { error }
  }
  round.leave(failure?.error)
  if (failure !== null) {
    await round.settled
    throw failure.error
  }
  return (await outcomeOf(round, writing)) as Result
}

/** The form for `await using`: the end of the block is the end of the round. */
export async function openFence<Handle>(writing: Writing, handle: Handle | null): Promise<Fence<Handle>> {
  const { round, lease } = await enter(writing, 'every')
  return new Fence<Handle>(round, lease, lease === null ? null : handle, false, async () => {
    if (lease === null) {
      round.leave(undefined)
      await outcomeOf(round, writing)
    } else await conclude(round, lease, true, writing, () => undefined)
  })
}

async function enter(
  { rounds, writer, options, refusal, lock }: Writing,
  kind: Kind,
): Promise<{ round: Round; lease: WindowLease | null }> {
  const until = deadlineOf(options)
  const round = rounds.begin(writer, kind, refusal)
  if (!round.writes) {
    if (refusal !== null) throw refusal
    return { round, lease: null }
  }
  try {
    const late = (): LockError =>
      new LockError('LOCK_TIMEOUT', `Not within ${options.timeout} ms: ${ranks(round.awaited)} did not call singleWrite.`)
    await within(round.allEntered, options, until, late, () => `${ranks(round.awaited)} to call singleWrite`)
    const timeout = until === Number.POSITIVE_INFINITY ? undefined : Math.max(0, until - performance.now())
    return { round, lease: await lock({ ...options, timeout }) }
  } catch (error) {
    round.abandon(error)
    throw error
  }
}

/** The writer's end: the window is free before the others are heard, and everybody hears the same. */
async function conclude<Result>(
  round: Round,
  lease: WindowLease,
  together: boolean,
  { run }: Writing,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    const result = await holding(lease, work, run)
    if (together) await round.allLeft
    round.finish({ kind: 'value', bytes: encodeValue(result), rank: -1 })
    return result
  } catch (error) {
    round.abandon(error)
    throw error
  }
}

async function outcomeOf(round: Round, { writer, options }: Writing): Promise<unknown> {
  const late = (): LockError => new LockError('LOCK_TIMEOUT', `Not within ${options.timeout} ms: rank ${writer} has not ended its write.`)
  const { kind, bytes, rank } = await within(round.ended, options, deadlineOf(options), late, () => `rank ${writer} to end its write`)
  if (kind === 'error') throw decodeError(bytes, rank)
  return await decodeValue(bytes)
}

function ranks(some: readonly number[]): string {
  return `rank${some.length === 1 ? '' : 's'} ${some.join(', ')}`
}
