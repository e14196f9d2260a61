// SPDX-License-Identifier: MIT
// Runs the scripts of one lock space over a connection.
import type { Connection } from './connection.ts'
import { repliedWith, silent } from './failures.ts'
import { SCRIPTS, type ScriptName } from './scripts.ts'

const NUMBER_OF_KEYS = '5'

/** How long an answer may take on which everything waits. */
const LEAST_ANSWER_MS = 1_000
const LONGEST_ANSWER_MS = 5_000
const DOZE_AFTER_MS = 20

export class Link {
  readonly connection: Connection
  /** The first key of the space, by which a cluster finds the node. */
  readonly hash: string
  /** The lease of the space in µs, as the scripts want it. */
  readonly leaseUs: string
  private readonly answerMs: number
  private holding = 0
  private awake = true
  private dozing: NodeJS.Timeout | null = null
  private readonly heads: Readonly<Record<ScriptName, readonly string[]>>

  constructor(connection: Connection, hash: string, leaseMs: number) {
    this.connection = connection
    this.hash = hash
    this.leaseUs = String(leaseMs * 1_000)
    this.answerMs = Math.min(LONGEST_ANSWER_MS, Math.max(LEAST_ANSWER_MS, leaseMs / 3))
    const keys = [hash, `${hash}:owned`, `${hash}:queue`, `${hash}:sessions`, `${hash}:todo`]
    const heads = Object.values(SCRIPTS).map(({ name, sha }) => [name, ['EVALSHA', sha, NUMBER_OF_KEYS, ...keys]])
    this.heads = Object.fromEntries(heads) as Record<ScriptName, string[]>
  }

  /** The channel on which a session hears of its grants. */
  channel(session: string): string {
    return `${this.connection.keyPrefix}${this.hash}:${session}`
  }

  /** Resolves with the script's answer. Rejects as {@link Connection.send} does. */
  run(name: ScriptName, ...args: readonly string[]): Promise<unknown> {
    const command = this.heads[name].concat(args)
    this.hold()
    return this.connection.send(command, this.hash).then(this.answered, (error: unknown) => {
      this.drop()
      // The server was started anew, or told to forget its scripts.
      if (!repliedWith(error, 'NOSCRIPT')) throw error
      command[0] = 'EVAL'
      command[1] = SCRIPTS[name].source
      return this.connection.send(command, this.hash)
    })
  }

  /** As {@link run}, but does not wait for ever. */
  ask(name: ScriptName, ...args: readonly string[]): Promise<unknown> {
    return this.timely(this.run(name, ...args))
  }

  /** Somebody waits for the server: the program stays alive until {@link drop}. */
  hold(): void {
    this.holding++
    if (this.awake) return
    this.awake = true
    this.connection.keepAlive(true)
  }

  drop(): void {
    this.holding--
    // Not at once: the next command is often close behind.
    if (this.holding === 0) this.dozing ??= setTimeout(this.doze, DOZE_AFTER_MS).unref()
  }

  async timely<Result>(promise: Promise<Result>): Promise<Result> {
    return await within(promise, this.answerMs, () => silent(this.connection.place, this.answerMs))
  }

  private readonly answered = (answer: unknown): unknown => {
    this.drop()
    return answer
  }

  private readonly doze = (): void => {
    this.dozing = null
    if (this.holding > 0) return
    this.awake = false
    this.connection.keepAlive(false)
  }
}

/** The promise, or the error when it takes longer. What becomes of it then is of no interest. */
export async function within<Result>(promise: Promise<Result>, ms: number, late: () => unknown): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  promise.catch(() => {})
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
