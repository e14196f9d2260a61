// SPDX-License-Identifier: MIT
// One request for a lock on its way: it makes its node, waits for the nearest one before it that excludes it, and has its turn, is given up, or goes
// on in the next session when this one is lost.
import { LockError } from '../../../core/errors.ts'
import { bootNow } from '../../../native/clock.ts'
import { asLockError } from '../failures.ts'
import { type SessionKeeper, unavailable } from '../keeper.ts'
import { ConnectionLost, SessionEnded } from '../wire/errors.ts'
import { Directory, type Making, type Place } from './directory.ts'
import type { Recipe } from './recipe.ts'

/** What a contender needs to know of where it is. */
export interface Office {
  readonly keeper: SessionKeeper
  readonly connectTimeoutMs: number
  readonly making: Making
}

/** The turn that a contender has, in a directory. */
export interface Turn {
  readonly directory: Directory
  readonly place: Place
}

const USED_UP =
  'ZooKeeper has given two thousand million numbers in this directory, and has no more. Remove it when nobody uses it: the next one begins anew.'

/** So long a request that is given up waits for the servers to say that nothing is left of it. */
const WITHDRAW_WITHIN_MS = 200

export class Contender {
  private readonly office: Office
  private readonly recipe: Recipe
  private readonly path: string
  private readonly waits: boolean
  /** Why it is given up. */
  private over: { readonly reason: unknown } | null = null
  private granted = false
  /** It has stood in a line: from then on it waits for servers as long as its patience lasts. */
  private hadPlace = false
  private wake: () => void = () => {}
  private reject: (reason: unknown) => void = () => {}
  private readonly timers = new Set<NodeJS.Timeout>()

  /** @param waits whether it waits for its turn, or gives up at once where somebody is in the way. */
  constructor(office: Office, recipe: Recipe, path: string, waits: boolean) {
    this.office = office
    this.recipe = recipe
    this.path = path
    this.waits = waits
  }

  /** Null when somebody is in the way of one that does not wait. Rejects with a LockError, or with the reason for which it is given up. */
  run(): Promise<Turn | null> {
    return new Promise((resolve, reject) => {
      this.reject = reject
      this.after(this.office.connectTimeoutMs, () => this.loseHope())
      this.office.keeper.hold()
      void this.contend()
        .then(resolve, reject)
        .finally(() => {
          this.granted = true
          for (const timer of this.timers) clearTimeout(timer)
          this.office.keeper.drop()
        })
    })
  }

  /** It rejects when nothing is left of it at the servers, or a little later if that is not to be had. */
  giveUp(reason: unknown): void {
    if (this.granted || this.over !== null) return
    this.over = { reason }
    this.wake()
    this.after(WITHDRAW_WITHIN_MS, () => this.reject(reason))
  }

  /** The session is over. */
  interrupt(): void {
    this.wake()
  }

  private async contend(): Promise<Turn | null> {
    const { keeper } = this.office
    for (;;) {
      this.check()
      try {
        const session = await keeper.session()
        return await this.inside(new Directory(session, keeper, this.path))
      } catch (error) {
        this.check()
        if (error instanceof SessionEnded || error instanceof Removed) continue
        if (!(error instanceof ConnectionLost)) throw asLockError(error, keeper.place)
        if (!this.hadPlace) throw this.noServer(error)
      }
    }
  }

  /** In one session. */
  private async inside(directory: Directory): Promise<Turn | null> {
    const { recipe, office } = this
    const { session } = directory
    if (!this.waits && recipe.isTaken(await directory.list())) return null
    const { place, names: first } = await directory.enter(recipe.newName(), office.making, () => this.check())
    try {
      for (let names = first; ; names = await directory.list()) {
        this.check()
        if (!names.includes(place.name)) throw new Removed()
        if (recipe.isLast(place.name)) throw new LockError('LOCK_UNAVAILABLE', `${this.path}: ${USED_UP}`)
        const before = recipe.predecessor(names, place.name)
        if (before === null) break
        if (!this.waits) {
          await directory.leave(place)
          return null
        }
        this.hadPlace = true
        await directory.change(before, (wake) => {
          this.wake = wake
        })
      }
      // Too late to be of use: the session counts as lost.
      if (session.ended || bootNow() >= session.deadline) throw new SessionEnded('it ran out while a lock was granted')
      this.granted = true
      return { directory, place }
    } catch (error) {
      await directory.leave(place)
      throw error
    }
  }

  /** @throws the reason for which it was given up. */
  private check(): void {
    if (this.over !== null) throw this.over.reason
  }

  /** The servers have had their time to answer. */
  private loseHope(): void {
    const { keeper, connectTimeoutMs } = this.office
    if (this.hadPlace) return
    // They answer, if slowly; look again.
    if (keeper.current?.connected) this.after(connectTimeoutMs, () => this.loseHope())
    else this.giveUp(this.noServer(new ConnectionLost('no server is in reach')))
  }

  private noServer(error: ConnectionLost): unknown {
    return unavailable(error, this.office.keeper.place, this.office.connectTimeoutMs)
  }

  private after(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      then()
    }, ms)
    this.timers.add(timer)
  }
}

/** Somebody removed its node while it waited. */
class Removed extends Error {}
