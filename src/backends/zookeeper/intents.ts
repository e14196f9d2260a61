// SPDX-License-Identifier: MIT
// Tickets that several requests of one session share: intents (IS, IX) on the nodes above what they lock. So a hot ancestor has one ticket for
// each process, however many locks it holds below.
//
// Joining a ticket that was taken before means to stand earlier in that queue than in the others, and two who each stand earlier than the other
// somewhere wait for ever. So a ticket may be joined only if nobody who excludes it stands behind it once the joining request has taken its own
// tickets: then the place in front is worth no more than one taken together with the others.
import type { Mode } from '../../core/mode.ts'

export type IntentMode = 'IS' | 'IX'

export class Intent {
  readonly queue: string
  /** As its name says. */
  readonly mode: IntentMode
  /** Null until the server has said it. */
  ticket: { readonly name: string; readonly sequence: number } | null = null
  /** Somebody who excludes it stands behind it: nobody joins any more. */
  closed = false
  /** Settles once it is known whether it exists; null from then on. */
  settling: Promise<void> | null
  /** How many requests need it in this mode. One that reads after it wrote needs less than the name says. */
  private readonly users = { IS: 0, IX: 0 }
  private settled: () => void = () => {}
  private weak = false

  constructor(queue: string, mode: IntentMode) {
    this.queue = queue
    this.mode = mode
    this.settling = new Promise((resolve) => {
      this.settled = resolve
    })
  }

  get path(): string {
    return `${this.queue}/${this.ticket?.name}`
  }

  get unused(): boolean {
    return this.users.IS + this.users.IX === 0
  }

  join(mode: IntentMode): void {
    this.users[mode]++
  }

  leave(mode: IntentMode): void {
    this.users[mode]--
  }

  settle(): void {
    this.settling = null
    this.settled()
  }

  /** True once, when nobody needs all that its name says any more. */
  becameWeaker(): boolean {
    if (this.weak || this.mode !== 'IX' || this.users.IX > 0 || this.users.IS === 0) return false
    this.weak = true
    this.closed = true
    return true
  }
}

/** The intents of one session that can be joined, one for each queue and mode. */
export class Intents {
  private readonly open = new Map<string, Intent>()

  find(queue: string, mode: Mode): Intent | null {
    const intent = this.open.get(`${mode}${queue}`)
    return intent === undefined || intent.closed ? null : intent
  }

  /** From now on it is this one that others join. */
  add(intent: Intent): void {
    this.open.set(`${intent.mode}${intent.queue}`, intent)
  }

  remove(intent: Intent): void {
    const key = `${intent.mode}${intent.queue}`
    if (this.open.get(key) === intent) this.open.delete(key)
  }
}

export function isIntent(mode: Mode): mode is IntentMode {
  return mode === 'IS' || mode === 'IX'
}
