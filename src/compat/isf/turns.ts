// SPDX-License-Identifier: MIT
// Tasks that share one lock object have it one after the other, in the order in which they ask.
import { LockError } from '../../core/errors.ts'
import { LongTimer } from '../../long-timer.ts'
import type { Patience } from './lock.ts'

export class Turns {
  private last: Promise<void> = Promise.resolve()

  /**
   * Resolves when it is the caller's turn, with what ends it.
   *
   * @throws LockError `LOCK_TIMEOUT`; the signal's reason.
   */
  async next(patience: Patience, name: string): Promise<() => void> {
    const before = this.last
    let end = (): void => {}
    this.last = new Promise((resolve) => {
      end = resolve
    })
    try {
      await orGivenUp(before, patience, name)
      return end
    } catch (error) {
      // Its place in the line is passed on.
      void before.then(end)
      throw error
    }
  }
}

async function orGivenUp(turn: Promise<void>, { timeout, signal }: Patience, name: string): Promise<void> {
  signal?.throwIfAborted()
  const timer = new LongTimer()
  let giveUp = (): void => {}
  const over = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal?.reason)
    signal?.addEventListener('abort', giveUp)
    const busy = `The lock ${name} is held by another task through the same object.`
    if (timeout !== undefined) timer.start(timeout, () => reject(new LockError('LOCK_TIMEOUT', busy)))
  })
  try {
    await Promise.race([turn, over])
  } finally {
    timer.stop()
    signal?.removeEventListener('abort', giveUp)
  }
}
