// SPDX-License-Identifier: MIT
// What the one who started the ranks does with them: hears how each ends, tells the others, and answers with the first failure.
import { LockError } from '../core/errors.ts'
import { bytesText, type Ended, type Link, textBytes, WORD } from './link.ts'

/** How a rank ended. */
export interface Outcome {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What it failed with, where that is known. */
  readonly cause?: unknown
}

/** A rank has failed: `LOCK_UNAVAILABLE`, as its group goes on without it, or is over. */
export class RankError extends LockError {
  readonly rank: number
  /** Null when a signal ended it, or when it never started. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null

  constructor(rank: number, size: number, { exitCode, signal, cause }: Outcome) {
    super('LOCK_UNAVAILABLE', `Rank ${rank} of ${size} ${ending({ exitCode, signal, cause })}.`, cause === undefined ? {} : { cause })
    this.rank = rank
    this.exitCode = exitCode
    this.signal = signal
  }
}

function ending({ exitCode, signal, cause }: Outcome): string {
  if (signal !== null) return `was ended by ${signal}`
  if (cause !== undefined) return `failed: ${cause instanceof Error ? cause.message : String(cause)}`
  return `ended with exit code ${exitCode}`
}

export class Launch {
  /** Resolves when every rank has ended well, rejects with the first failure, also when all have ended. */
  readonly done: Promise<void>
  private readonly size: number
  private readonly lines: readonly Link[]
  private readonly failed: (failure: LockError) => void
  private readonly running: Set<number>
  private failure: LockError | null = null
  private isOver = false
  private settle: () => void = () => {}

  /**
   * @param lines to each rank.
   * @param failed told of every failure, at once.
   */
  constructor(lines: readonly Link[], failed: (failure: LockError) => void = () => {}) {
    this.size = lines.length
    this.lines = lines
    this.failed = failed
    this.running = new Set(lines.keys())
    this.done = new Promise((resolve, reject) => {
      this.settle = () => (this.failure === null ? resolve() : reject(this.failure))
    })
    for (const line of lines) {
      line.listen({
        received: (word, bytes) => {
          if (word === WORD.over) this.over(bytesText(bytes))
        },
        ended: () => {},
      })
    }
  }

  /** A rank has ended. */
  ended(rank: number, outcome: Outcome): void {
    if (!this.running.delete(rank)) return
    const died = outcome.exitCode !== 0
    const error = new RankError(rank, this.size, outcome)
    const word: Ended = { rank, died, why: error.message }
    if (died) this.fail(error)
    for (const other of this.running) this.lines[other]!.send(WORD.ended, textBytes(JSON.stringify(word)))
    if (this.running.size > 0) return
    for (const line of this.lines) {
      line.finish()
      line.ignore()
    }
    this.settle()
  }

  /** Each rank passes it on. */
  private over(why: string): void {
    if (this.isOver) return
    this.isOver = true
    this.fail(new LockError('LOCK_UNAVAILABLE', why))
  }

  private fail(failure: LockError): void {
    this.failure ??= failure
    this.failed(failure)
  }
}

/** @throws LockError `LOCK_INVALID` */
export function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1) throw new LockError('LOCK_INVALID', `A group has 1 rank or more, not ${String(size)}.`)
}
