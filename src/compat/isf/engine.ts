// SPDX-License-Identifier: MIT
// From settings to a lock space, on the only server that may serve, or on the one on which its users agree; and which one that is.
import { agreedBackend, agreementOf } from '../../config/agreed.ts'
import { candidateOf, type EngineDefaults, openEngine, shownAs } from '../../config/engine.ts'
import type { Backend } from '../../core/backend.ts'
import { isLockError, LockError } from '../../core/errors.ts'
import { LockSpace } from '../../lock-space.ts'
import type { Entry } from './configuration.ts'
import { SCOPE_VARIABLE, type Settings } from './settings.ts'

/** @throws LockError `LOCK_UNAVAILABLE`, `LOCK_SPLIT`, and what an engine says that refuses. */
export async function openSpace(settings: Settings): Promise<LockSpace> {
  const { entries, scope, space, agreement } = settings
  if (entries.length === 1 || scope === 'network') return new LockSpace(await openFirst(settings))
  const candidates = entries.map((entry) => candidateOf(placeOf(entry, space), { ...defaultsOf(settings), timeoutMs: entry.timeoutMs }))
  return new LockSpace(await agreedBackend({ folder: agreement, space, candidates }))
}

/** The entry that serves at this moment: as long as a lease is held, it stays. */
export async function servingEntry(locks: LockSpace, settings: Settings): Promise<Entry> {
  const { entries, space } = settings
  let agreement = agreementOf(locks.backend)
  if (agreement === null) return entries[0]!
  if (agreement.engine === null) {
    // Nobody here uses any: asking who holds what elects one.
    await locks.inspect()
    agreement = agreementOf(locks.backend)
  }
  const serves = entries.find((entry) => shownAs(placeOf(entry, space), defaultsOf(settings)) === agreement?.engine)
  if (serves === undefined) throw new LockError('LOCK_UNAVAILABLE', 'The server was left a moment ago, and no other serves yet: ask again.')
  return serves
}

/** Users on other hosts cannot be asked whom they reach. */
async function openFirst(settings: Settings): Promise<Backend> {
  const { entries, space } = settings
  const [first, ...others] = entries
  try {
    return await openEngine(placeOf(first!, space), { ...defaultsOf(settings), timeoutMs: first!.timeoutMs })
  } catch (error) {
    if (!isLockError(error, 'LOCK_UNAVAILABLE') || others.length === 0) throw error
    const unused = others.map((entry) => shownAs(placeOf(entry, space), defaultsOf(settings))).join(', ')
    const why = `No other server (${unused}) is used instead, as users on other hosts may go on here. If all users are on this host, say so: ${SCOPE_VARIABLE}=host.`
    throw new LockError(error.code, `${error.message} ${why}`, { cause: error })
  }
}

/** In an ensemble, the space lies below what all paths of its users lie below. */
function placeOf({ url }: Entry, space: string): Entry['url'] {
  return url.scheme === 'zookeeper' && url.root !== undefined ? { ...url, root: `${url.root}/holdfast/${space}` } : url
}

function defaultsOf({ space, base }: Settings): EngineDefaults {
  return { space, base }
}
