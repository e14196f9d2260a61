// SPDX-License-Identifier: MIT
// Fencing tokens that rise from grant to grant, across processes and restarts of the machine, without a write for each.
//
// A token is an offset plus CLOCK_MONOTONIC in nanoseconds, read while the lock is held: of two leases that conflict, the later one read the
// clock later. That clock begins anew with each boot and may differ between time namespaces, so tokens.json keeps the offset, for which boot and
// namespace it holds, and a ceiling. No token is minted above the ceiling: it is raised ahead of time, on disk, before it is reached. The first
// process after a boot begins above the ceiling that it finds, and not below the wall clock.
//
// Invariant: every token ever given is at most the ceiling on disk; and all processes that give tokens at one time use one offset.
import * as fs from 'node:fs'
import { LockError } from '../../core/errors.ts'
import type { LockDirectory } from './directory.ts'
import type { SpaceLock } from './space-lock.ts'

const NANOSECONDS = 1_000_000_000n
/** The ceiling is raised this far ahead of the clock … */
const AHEAD_SECONDS = 30 * 60
/** … when it is nearer than this. */
const NEAR_SECONDS = 15 * 60

interface Epoch {
  /** The boot and the time namespace. */
  readonly clock: string
  /** Token at the clock's zero, in decimal. */
  readonly offset: bigint
  /** In tokens. */
  readonly ceiling: bigint
}

/** The reading of the clock from which a token is made, when somebody asks for it: two numbers, as a BigInt for each lease would cost more than the rest. */
export interface Minted {
  readonly seconds: number
  readonly nanoseconds: number
}

export class TokenClock {
  private readonly directory: LockDirectory
  private readonly lock: SpaceLock
  private readonly clock: string = thisClock()
  private offset = 0n
  /** In seconds of the clock: up to here nothing need be looked up, and up to there nothing may be minted. */
  private near = 0
  private ceiling = 0
  private seconds = 0
  private nanoseconds = 0

  constructor(directory: LockDirectory, lock: SpaceLock) {
    this.directory = directory
    this.lock = lock
    this.join()
  }

  /**
   * Reads the clock for a lease that has just been granted.
   *
   * @throws when the ceiling is reached and cannot be raised.
   */
  mint(): Minted {
    let [seconds, nanoseconds] = process.hrtime()
    if (seconds >= this.near) this.raise(seconds)
    // Two grants of one process within the clock's resolution.
    if (seconds === this.seconds && nanoseconds <= this.nanoseconds) nanoseconds = this.nanoseconds + 1
    if (seconds < this.seconds) seconds = this.seconds
    this.seconds = seconds
    this.nanoseconds = nanoseconds
    return { seconds, nanoseconds }
  }

  tokenOf({ seconds, nanoseconds }: Minted): bigint {
    return this.offset + BigInt(seconds) * NANOSECONDS + BigInt(nanoseconds)
  }

  private join(): void {
    this.lock.changing(() => {
      const found = this.read()
      if (found?.clock !== this.clock) this.begin(found)
      this.lock.use()
      this.adopt(this.read()!)
    })
  }

  /** A boot or a namespace that the record does not know: begin above everything that was given before. */
  private begin(found: Epoch | null): void {
    const alone = this.lock.alone(() => {
      const now = process.hrtime.bigint()
      const wall = BigInt(Date.now()) * 1_000_000n
      const start = found !== null && found.ceiling > wall ? found.ceiling : wall
      const offset = start + 1n - now
      this.write({ clock: this.clock, offset, ceiling: offset + now + BigInt(AHEAD_SECONDS) * NANOSECONDS })
    })
    if (alone) return
    if (found === null)
      throw new LockError('LOCK_UNAVAILABLE', `${this.directory.file('tokens.json')} was removed while the directory is in use.`)
    throw new LockError(
      'LOCK_UNSUPPORTED',
      `The lock directory ${this.directory.path} is in use by processes whose clock is not ours: another host, or a container with a time namespace ` +
        'of its own. Tokens would not rise. Use a directory of your own, or a server.',
    )
  }

  /** The ceiling is near: another process has raised it already, or we do. Only a ceiling that is really reached makes a failure fatal. */
  private raise(seconds: number): void {
    try {
      this.lock.changing(() => {
        const found = this.read()
        if (found === null || found.clock !== this.clock || found.offset !== this.offset) {
          throw new LockError('LOCK_UNAVAILABLE', `${this.directory.file('tokens.json')} was changed or removed by somebody else.`)
        }
        this.adopt(found)
        if (seconds < this.near) return
        const ceiling = this.offset + BigInt(seconds + AHEAD_SECONDS) * NANOSECONDS
        this.write({ ...found, ceiling })
        this.adopt({ ...found, ceiling })
      })
    } catch (error) {
      if (seconds + 1 >= this.ceiling) throw error
      this.near = Math.min(this.ceiling - 1, seconds + 1)
    }
  }

  private adopt({ offset, ceiling }: Epoch): void {
    this.offset = offset
    this.ceiling = Number((ceiling - offset) / NANOSECONDS)
    this.near = this.ceiling - NEAR_SECONDS
  }

  private read(): Epoch | null {
    const text = this.directory.read('tokens.json')
    if (text === null) return null
    try {
      const { clock, offset, ceiling } = JSON.parse(text) as Record<string, string>
      return { clock: clock!, offset: BigInt(offset!), ceiling: BigInt(ceiling!) }
    } catch (cause) {
      // Renamed into place as a whole, so this is nobody's crash. Beginning anew could give a token twice.
      throw new LockError(
        'LOCK_UNAVAILABLE',
        `${this.directory.file('tokens.json')} is damaged. If nobody uses the directory, remove it.`,
        { cause },
      )
    }
  }

  private write({ clock, offset, ceiling }: Epoch): void {
    this.directory.replace('tokens.json', `${JSON.stringify({ clock, offset: offset.toString(), ceiling: ceiling.toString() })}\n`)
  }
}

/** Processes with the same answer read the same CLOCK_MONOTONIC. */
function thisClock(): string {
  const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  let namespace = 'initial'
  try {
    namespace = fs.readlinkSync('/proc/self/ns/time')
  } catch {
    // A kernel before 5.6 has no time namespaces.
  }
  return `${boot} ${namespace}`
}
