// SPDX-License-Identifier: MIT
// What an engine has to say about itself: the facts that decide whether locks hold there, apart from the locks.
import type { Opening } from './hands.ts'
import type { Findings } from './report.ts'
import type { Worker } from './worker.ts'

export interface Survey {
  /** Looks before a lock space is opened. False where there is no use in opening one; then a check has failed that says why. */
  before(findings: Findings): Promise<boolean>
  /** Looks when the space is open. */
  after(findings: Findings, worker: Worker): Promise<void>
  /** Looks a last time, when everything else is over. */
  last(findings: Findings): Promise<void>
  /** Where a process is to be killed, and what is to be said of that; without it, in the space itself. */
  readonly killPlace?: { readonly opening: Opening; readonly remark: string }
  /** What such a run cannot show of this engine. */
  readonly notProved: readonly string[]
  /** Gives back what it has opened, and removes what it has made. Never rejects, and may be called at any time. */
  close(): Promise<void>
}

/** A URL with a parameter set, or set anew. */
export function withParameter(url: string, name: string, value: string): string {
  const [place = '', query] = url.split('?', 2)
  const others = (query ?? '').split('&').filter((part) => part !== '' && !part.startsWith(`${name}=`))
  return `${place}?${[...others, `${name}=${value}`].join('&')}`
}
