// SPDX-License-Identifier: MIT
// The way of an access into a file: our lock, then the file itself, past programs that hold it without our lock and past what a dead writer left.

import type { Lease } from '../../core/lease.ts'
import { lost } from '../../refusals.ts'
import type { Durability } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import { type Answer, askForFile, errorFrom } from './engine-client.ts'
import type { FileLock, Granted, Mode } from './locking.ts'
import type { Patience } from './patience.ts'
import type { EngineThread } from './pool.ts'
import { RivalWait } from './rival-wait.ts'

/** So often in a row a reader restores a file. Once does, unless writers die one after the other. */
const MOST_RECOVERIES = 5

/** One who wants to get in. */
export interface Visitor {
  readonly lock: FileLock
  readonly mode: Mode
  readonly durability: Durability
  /** Asks a thread for the file, under this lock. */
  knock(granted: Granted): Promise<Answer>
  /** Where the file lies; by default it has to be there. */
  locate?(path: string): string
}

/** In: the lock is held, and this thread has done what it was asked. */
export interface Entered {
  readonly granted: Granted
  readonly thread: EngineThread
  readonly answers: readonly unknown[]
}

/**
 * Gets in, or leaves nothing behind.
 *
 * @param begun how far somebody came who had the lock at once.
 */
export async function enter(
  visitor: Visitor,
  patience: Patience,
  begun?: { granted: Granted; outcome: 'busy' | 'torn' },
): Promise<Entered> {
  const { lock, mode, locate } = visitor
  let granted = begun?.granted ?? (await lock.take(mode, patience, locate))
  let rivals: RivalWait | undefined
  let recoveries = 0
  let outcome = begun?.outcome
  try {
    for (;;) {
      if (outcome === 'busy') {
        rivals ??= new RivalWait(granted.file, mode, patience)
        await rivals.free()
      } else if (outcome === 'torn') {
        if (++recoveries > MOST_RECOVERIES) throw stillTorn(granted.file)
        await granted.lease.release()
        await recover(visitor, patience)
        granted = await lock.take(mode, patience, locate)
      }
      const { reply, thread } = await visitor.knock(granted)
      if (reply.outcome === 'done') return { granted, thread, answers: reply.answers }
      if (reply.outcome === 'failed') throw errorFrom(reply.error)
      outcome = reply.outcome
    }
  } catch (error) {
    const loss = lossOf(granted.lease, error)
    await granted.lease.release()
    throw loss ?? error
  } finally {
    rivals?.end()
  }
}

/**
 * Rolls back what a dead writer left in the file, if it did, under the write lock. Answers whether it did.
 *
 * @throws Hdf5Error `HDF5_NEEDS_RECOVERY` when this user may not write the file
 */
export async function recover(
  { lock, durability }: Pick<Visitor, 'lock' | 'durability'>,
  patience: Patience,
  journal?: string,
): Promise<boolean> {
  const { granted, answers } = await enter(
    {
      lock,
      mode: 'write',
      durability,
      knock: ({ file, lease }) => askForFile({ do: 'recover', file, journal, replace: false, durability, lease: mirrored(lease) }),
    },
    patience,
  )
  await leave(granted.lease)
  return answers[0] === true
}

/** What a thread looks at before it touches the file. */
export function mirrored(lease: Lease): SharedArrayBuffer {
  const cell = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
  lease.mirror(new BigInt64Array(cell))
  return cell
}

/** Gives the lock back. @throws LockError `LOCK_LOST` if it was lost meanwhile */
export async function leave(lease: Lease): Promise<void> {
  const loss = lossOf(lease, undefined)
  await lease.release()
  if (loss !== undefined) throw loss
}

/** What the holder of a lease must hear if it was lost; to be asked before it is released. */
export function lossOf(lease: Lease, error: unknown): Error | undefined {
  if (lease.state === 'released' || lease.valid) return undefined
  return lost('The lock on the file was lost while it was used: somebody else may have been in.', error ?? lease.signal.reason)
}

function stillTorn(file: string): Hdf5Error {
  return new Hdf5Error('HDF5_TORN', `${file} was left in the middle of a write again and again: its writers die one after the other.`, {
    file,
  })
}
