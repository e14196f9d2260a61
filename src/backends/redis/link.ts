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
  private clearing = false
  /** Scripts that are on their way to a server that did not know them. */
  private readonly loading = new Set<ScriptName>()
  private holding = 0
  private awake = true
  private dozing: NodeJS.Timeout | null = null
  private ended = false
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
    return this.connection.send(command, this.hash).then(this.answered, (error: unknown) => this.failed(name, command, error))
  }

  /**
   * Goes before a release for which somebody is known to wait. A server writes to the client first that was the last to get something to be
   * written in a round of its event loop: the next holder, if the releaser has got the answer to this question before. Whoever is written to
   * first is woken first, and where processes outnumber cores, the other waits for its turn.
   */
  clearTheWay(): void {
    // One is enough for all that goes out with it.
    if (this.clearing) return
    this.clearing = true
    const done = (): void => {
      this.clearing = false
    }
    this.connection.send(['ZCARD', `${this.hash}:todo`], this.hash).then(done, done)
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
    if (this.holding === 0 && !this.ended) this.dozing ??= setTimeout(this.doze, DOZE_AFTER_MS).unref()
  }

  /** Whether the program stays alive is no more its business: another may use the connection. */
  end(): void {
    this.ended = true
    if (this.dozing !== null) clearTimeout(this.dozing)
  }

  async timely<Result>(promise: Promise<Result>): Promise<Result> {
    return await within(promise, this.answerMs, () => silent(this.connection.place, this.answerMs))
  }

  private readonly answered = (answer: unknown): unknown => {
    this.drop()
    return answer
  }

  /** The server may have been started anew, or told to forget its scripts. */
  private async failed(name: ScriptName, command: readonly string[], error: unknown): Promise<unknown> {
    try {
      if (!repliedWith(error, 'NOSCRIPT')) throw error
      // Of many that come back, the first takes the source along. The others go behind it, in their order, and find it there.
      if (!this.loading.has(name)) return await this.load(name, command)
      return await this.connection.send(command, this.hash).catch((again: unknown) => {
        if (!repliedWith(again, 'NOSCRIPT')) throw again
        return this.load(name, command)
      })
    } finally {
      this.drop()
    }
  }

  private async load(name: ScriptName, command: readonly string[]): Promise<unknown> {
    this.loading.add(name)
    try {
      return await this.connection.send(['EVAL', SCRIPTS[name].source, ...command.slice(2)], this.hash)
    } finally {
      this.loading.delete(name)
    }
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
