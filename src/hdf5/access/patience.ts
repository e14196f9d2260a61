// SPDX-License-Identifier: MIT
// How much longer an access may wait, over all that it has to wait for: the lock, other programs, a lock again.
import type { LockOptions } from '../../options.ts'
import type { AccessOptions } from '../options.ts'

export class Patience {
  readonly options: AccessOptions
  private readonly began: number = performance.now()

  constructor(options: AccessOptions) {
    this.options = options
  }

  /** Milliseconds; undefined without end. */
  get left(): number | undefined {
    const { timeout } = this.options
    return timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - this.began))
  }

  /** For a request to the lock space. */
  forLock(): LockOptions {
    const { signal, name } = this.options
    return { signal, name, timeout: this.left }
  }
}
