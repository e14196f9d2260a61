// SPDX-License-Identifier: MIT
// What people are told of an agreement: which engine serves, and which entries were passed over for what reason.
import type { Backend } from '../core/backend.ts'
import type { PassedOver } from './agreement-record.ts'

export type { PassedOver }

/** Which engine serves a configuration with several. */
export interface Agreement {
  /** The entry that serves, without passwords; null as long as nobody here uses it. */
  readonly engine: string | null
  /** Rises with each election. */
  readonly epoch: number | null
  /** When it was elected, as an ISO 8601 time, and by whom. */
  readonly since: string | null
  readonly by: string | null
  /** The entries before it, each with the reason why it does not serve. */
  readonly passedOver: readonly PassedOver[]
  /** The file in which the users agree; null where only one engine can serve. */
  readonly file: string | null
}

/** A backend that has something to tell. */
export interface Agreeing {
  readonly agreement: Agreement
}

/** What the users of a lock space have agreed on; null where there is nothing to agree on, as the configuration names one engine. */
export function agreementOf(backend: Pick<Backend, 'name'>): Agreement | null {
  return (backend as Partial<Agreeing>).agreement ?? null
}

const told = new Set<string>()

/** A process warning, once in a process for each engine that serves in place of others. */
export function warnOfFallback(space: string, engine: string, passedOver: readonly PassedOver[]): void {
  if (passedOver.length === 0) return
  const what = `The lock space "${space}" uses ${engine}: ${passedOver.map(({ entry }) => entry).join(', ')} did not answer.`
  if (told.has(what)) return
  told.add(what)
  process.emitWarning(`${what} ${passedOver.map(({ entry, why }) => `${entry}: ${why}`).join(' ')}`, {
    type: 'HoldfastWarning',
    code: 'HOLDFAST_FALLBACK',
  })
}
