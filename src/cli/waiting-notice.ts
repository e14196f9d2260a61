// SPDX-License-Identifier: MIT
// The line about a wait that takes long: for whom, and since when.
import { hostname } from 'node:os'
import type { Holder, Owner } from '../core/inspection.ts'
import type { LockSpace } from '../lock-space.ts'
import { describeRequest } from '../refusals.ts'
import { ageOf, clockTime, say } from './output.ts'

export interface Wanted {
  readonly read: readonly string[]
  readonly write: readonly string[]
}

/** When to look, in milliseconds after the start, and after the last of them again and again. Asking costs those who are asked. */
const LOOKS_MS: readonly number[] = [1_000, 5_000, 15_000, 60_000]

/** Says for whom a request waits when it has waited a second, and again, ever more seldom, when that has changed. */
export class WaitingNotice {
  private readonly locks: Pick<LockSpace, 'inspect' | 'blockers'>
  private readonly wanted: Wanted
  private readonly tell: (line: string) => void
  private timer: NodeJS.Timeout | undefined
  private ended = false
  private said: string | null = null

  constructor(locks: Pick<LockSpace, 'inspect' | 'blockers'>, wanted: Wanted, tell: (line: string) => void = say) {
    this.locks = locks
    this.wanted = wanted
    this.tell = tell
    this.lookLater(0)
  }

  /** The wait is over. */
  end(): void {
    this.ended = true
    clearTimeout(this.timer)
  }

  private lookLater(looks: number): void {
    const last = LOOKS_MS.length - 1
    const pause = looks <= last ? LOOKS_MS[looks]! - (LOOKS_MS[looks - 1] ?? 0) : LOOKS_MS[last]!
    this.timer = setTimeout(() => {
      void this.look().finally(() => {
        if (!this.ended) this.lookLater(looks + 1)
      })
    }, pause)
  }

  private async look(): Promise<void> {
    const blockers = await this.blockers().catch(() => null)
    if (this.ended) return
    const line = describeBlockers(blockers, Date.now())
    const who = blockers === null ? line : [...blockers.known.map((one) => one.id), ...blockers.silent.map((one) => one.pid)].join(' ')
    if (who === this.said) return
    this.said = who
    this.tell(`waiting to ${describeRequest(this.wanted)}: ${line}`)
  }

  /** Those before us: where the engine shows our own request, those that it waits for; otherwise everybody whom we conflict with. */
  private async blockers(): Promise<Blockers> {
    const seen = await this.locks.inspect()
    const own = seen.waiters.find(isOurs)
    const known =
      own === undefined
        ? (await this.locks.blockers(this.wanted)).filter((one) => !isOurs(one))
        : [...seen.holders, ...seen.waiters].filter((one) => own.waitsFor.includes(one.id))
    return { known, silent: known.length === 0 ? seen.silent : [] }
  }
}

interface Blockers {
  readonly known: readonly Holder[]
  /** Where nobody is known: those who may be it. */
  readonly silent: readonly Owner[]
}

function isOurs({ owner }: Holder): boolean {
  return owner.pid === process.pid && owner.host === hostname()
}

/** @param blockers null when nobody could be asked. */
export function describeBlockers(blockers: Blockers | null, now: number): string {
  if (blockers === null) return 'it cannot be told for whom'
  const [first, ...others] = blockers.known
  if (first === undefined) return describeSilent(blockers.silent)
  const { owner, name, state, since } = first
  const what = state === 'waiting' ? 'has been waiting to' : 'has had the lock to'
  const when = `since ${clockTime(since, now)} (${ageOf(since, now)})`
  return `${name === null ? '' : `"${name}", `}${describeOwner(owner)} ${what} ${describeRequest(first)} ${when}${andMore(others.length)}`
}

function describeSilent([first, ...others]: readonly Owner[]): string {
  if (first === undefined) return 'for somebody who does not say so'
  return `perhaps for ${describeOwner(first)}, which does not say what it holds${andMore(others.length)}`
}

function describeOwner({ pid, host, command }: Owner): string {
  return `pid ${pid} on ${host} (${command})`
}

function andMore(others: number): string {
  return others === 0 ? '' : `; and for ${others} more`
}
