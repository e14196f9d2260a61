// SPDX-License-Identifier: MIT
// The door to several engines that serve as one. What is behind it is loaded when it is opened.
import type { Backend, Preference } from '../core/backend.ts'
import { invalid } from '../core/errors.ts'
import type { Entry } from './agreement.ts'

export { type Agreement, agreementOf, type PassedOver } from './agreement-shown.ts'

/** An engine that may serve. */
export interface Candidate extends Entry {
  /** Tells the place, engine and space, from every other: the same for all who mean it. No password. */
  readonly digest: string
  /** As it is shown to people: no password. */
  readonly shown: string
  /** Milliseconds that it may take to answer. */
  readonly timeoutMs: number
  /** Loads what connecting needs, before its time begins. Never rejects. */
  prepare?(): Promise<void>
  /** Connects. Rejects with a LockError: `LOCK_UNAVAILABLE` means that nobody answers, anything else that it answers and refuses. */
  open(): Promise<Backend>
}

export interface AgreedOptions {
  /** The folder in which the users agree: the same for all, on a local disk. Default: `/var/tmp/holdfast-agreement-UID`. */
  readonly folder?: string | undefined
  /** Users who name the same space agree on one engine for it. */
  readonly space: string
  /** The engines that may serve, the best first. */
  readonly candidates: readonly Candidate[]
  /** Who goes first among requests that conflict, on whatever engine. Default `first-come`. */
  readonly prefer?: Preference | undefined
}

/**
 * A backend that serves a lock space on one of several engines: on the first that answers, and on the one that other users of the space use,
 * if there are any. Elects or joins at once.
 *
 * @throws LockError `LOCK_SPLIT` where others use an engine that is none of ours; `LOCK_UNAVAILABLE` where none answers, or not the one that others
 * use; what an engine says that answers and refuses; what the folder's file system says.
 */
export async function agreedBackend(options: AgreedOptions): Promise<Backend> {
  const { candidates, prefer } = options
  if (candidates.length === 0) throw invalid('There is no engine to choose from.')
  if (prefer !== undefined && prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  const { AgreedBackend } = await import('./agreed-backend.ts')
  const backend = new AgreedBackend(options)
  try {
    await backend.enter()
    return backend
  } catch (error) {
    await backend.close()
    throw error
  }
}
