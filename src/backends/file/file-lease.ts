// SPDX-License-Identifier: MIT
// A lease whose lock the kernel keeps.
import type { Claims } from '../../core/claims.ts'
import { declareNoPromise, Lease } from '../../core/lease.ts'
import type { FileBackend } from './backend.ts'
import type { Plan } from './taking.ts'
import type { Minted, TokenClock } from './tokens.ts'

export class FileLease extends Lease {
  /** @internal */
  plan: Plan
  private readonly backend: FileBackend
  private readonly clock: TokenClock
  private readonly minted: Minted

  constructor(backend: FileBackend, claims: Claims, plan: Plan, name: string | undefined, minted: Minted) {
    super(claims, name)
    this.backend = backend
    this.plan = plan
    this.clock = backend.tokens
    this.minted = minted
  }

  /**
   * The descriptors that carry the kernel's locks. A child process that inherits them keeps the locks when this process dies. They also carry
   * every other lease of this backend in the same lock files: for a child, take the lease through a backend of its own.
   */
  get descriptors(): readonly number[] {
    return [...new Set(this.plan.places.map(({ region }) => region.shard.fd))]
  }

  get since(): number {
    const { seconds, nanoseconds } = this.minted
    const [nowSeconds, nowNanoseconds] = process.hrtime()
    return Date.now() - (nowSeconds - seconds) * 1000 - (nowNanoseconds - nanoseconds) / 1e6
  }

  protected free(): undefined {
    this.backend.left(this, this.plan)
  }

  protected weaken(_from: Claims, to: Claims): undefined {
    this.plan = this.backend.weakened(this.plan, to)
  }

  protected mintedToken(): bigint {
    return this.clock.tokenOf(this.minted)
  }

  protected stillValid(): boolean {
    return this.backend.standsOn(this.plan.places)
  }
}

declareNoPromise(FileLease)
