// SPDX-License-Identifier: MIT
// A lease on one file, which the kernel keeps.
import type { Claims } from '../core/claims.ts'
import { LockError } from '../core/errors.ts'
import { declareNoPromise, Lease } from '../core/lease.ts'
import { wallNow } from '../native/clock.ts'
import { type Watch, watchFile } from './file-watch.ts'
import type { OpenFile } from './open-file.ts'

/** What a lease tells the one who made it. */
export interface LeaseEnd {
  weakened(from: Claims, to: Claims): void
  left(lease: LockFileLease, claims: Claims): void
}

let lastToken = 0n

/** The wall clock, and past what this thread has given already, should somebody have set it back. To be read while the lock is held. */
function mint(): bigint {
  const now = wallNow()
  lastToken = now > lastToken ? now : lastToken + 1n
  return lastToken
}

export class LockFileLease extends Lease {
  readonly since: number = Date.now()
  private readonly end: LeaseEnd
  private readonly file: OpenFile
  private readonly watch: Watch
  private readonly minted: bigint = mint()
  private inherited = false

  constructor(end: LeaseEnd, claims: Claims, name: string | undefined, file: OpenFile) {
    super(claims, name)
    this.end = end
    this.file = file
    file.sign()
    this.watch = watchFile(file.path, (event) => {
      if (event === 'changed' && !file.intact) void this.revoke(removed(file.path))
    })
  }

  /** The locked file. */
  get path(): string {
    return this.file.path
  }

  /** The descriptor that carries the locks. A child process that inherits it keeps them when this process dies. */
  get descriptors(): readonly number[] {
    this.inherited = true
    return [this.file.fd]
  }

  protected free(claims: Claims): undefined {
    this.watch.end()
    this.file.release(this.inherited)
    this.end.left(this, claims)
  }

  protected async weaken(from: Claims, to: Claims): Promise<void> {
    if (this.file.weaken()) return this.end.weakened(from, to)
    const reason = new LockError('LOCK_LOST', `Another program took the lock on ${this.file.path} while it was being weakened.`)
    await this.revoke(reason)
    throw reason
  }

  protected mintedToken(): bigint {
    return this.minted
  }

  protected stillValid(): boolean {
    return this.file.intact
  }
}

declareNoPromise(LockFileLease)

function removed(path: string): LockError {
  return new LockError(
    'LOCK_LOST',
    `The lock file ${path} was removed or replaced while the lock was held: others lock what stands there now.`,
  )
}
