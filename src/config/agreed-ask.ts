// SPDX-License-Identifier: MIT
// One request on its way through engines: its caller's patience, lent to one engine after another. Only the backend that lends it ends it.
import type { Wait } from '../core/backend.ts'

/** The reason with which a request is taken from an engine that is left. */
export const MOVED: Error = new Error('The request goes to the next engine.')

export class Ask implements Wait {
  /** Has had its place in the line of an engine that was lost: it waits for the next one as long as its own patience lasts. */
  hadPlace = false
  private readonly wait: Wait
  private begun = false
  private moving = false
  private gaveUp: { readonly reason: unknown } | null = null
  /** How it is withdrawn from where it stands. */
  private withdraw: ((reason: unknown) => void) | null = null

  constructor(wait: Wait) {
    this.wait = wait
  }

  get id(): string {
    return this.wait.id
  }

  get name(): string | undefined {
    return this.wait.name
  }

  get since(): number {
    return this.wait.since
  }

  /** The caller's reason, once it has given up. */
  get over(): { readonly reason: unknown } | null {
    return this.gaveUp
  }

  begin(withdraw: (reason: unknown) => void): void {
    this.withdraw = withdraw
    // What was wanted before it could be done.
    if (this.gaveUp !== null) queueMicrotask(() => this.leave(this.gaveUp?.reason))
    else if (this.moving) queueMicrotask(() => this.move())
    if (this.begun) return
    this.begun = true
    this.wait.begin((reason) => {
      this.gaveUp = { reason }
      this.leave(reason)
    })
  }

  /** The engine has done with it; whether it is done with is for the backend to say. */
  end(): void {
    this.withdraw = null
  }

  /** Takes it from the engine where it stands, as soon as that can be done. */
  move(): void {
    this.moving = true
    if (this.withdraw !== null) this.leave(MOVED)
  }

  /** It is between two engines. */
  between(hadPlace: boolean): void {
    this.moving = false
    this.withdraw = null
    if (hadPlace) this.hadPlace = true
  }

  /** What was promised, or the caller's reason if that comes first. */
  async orGivenUp<Result>(promise: Promise<Result>): Promise<Result> {
    promise.catch(() => {})
    if (this.gaveUp !== null) throw this.gaveUp.reason
    const givenUp = new Promise<never>((_, reject) => this.begin(reject))
    try {
      return await Promise.race([promise, givenUp])
    } finally {
      this.withdraw = null
    }
  }

  /** Granted or failed for good. */
  done(): void {
    if (this.gaveUp === null) this.wait.end()
  }

  private leave(reason: unknown): void {
    const { withdraw } = this
    this.withdraw = null
    withdraw?.(reason)
  }
}
