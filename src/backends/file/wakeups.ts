// SPDX-License-Identifier: MIT
// When the requests that wait try again: when somebody rings (closes the shard file, opened for reading), when a descriptor of it is closed by
// a process that ends, and, should an event be lost, after a while.
import { IN_ATTRIB, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_DELETE_SELF, IN_MOVE_SELF, Inotify, type Listener } from '../../native/inotify.ts'
import type { Region } from './region.ts'
import type { Shard } from './shard.ts'

const SHARD_EVENTS = IN_CLOSE_WRITE | IN_CLOSE_NOWRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
/** The kernel tells of a dead process's descriptor before it frees its locks: look at once, and again after so many milliseconds. */
const AFTER_DEATH_MS: readonly number[] = [0, 1, 2, 5, 10, 50]
const LOOK_MS = 500
/** Without inotify (its instances are few), looking often is all that is left. */
const BLIND_LOOK_MS = 25

let shared: Inotify | null = null
let keepers = 0

/** The one inotify instance of this thread, or null when the user has none left. Let go with {@link releaseInotify}. */
export function acquireInotify(): Inotify | null {
  try {
    shared ??= new Inotify()
  } catch (error) {
    // None left for this user, or no descriptor: looking often has to do. Anything else is a defect, and shows.
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE' && (error as NodeJS.ErrnoException).code !== 'ENFILE') throw error
    return null
  }
  keepers++
  return shared
}

export function releaseInotify(inotify: Inotify | null): void {
  if (inotify === null || --keepers > 0) return
  shared?.close()
  shared = null
}

class WatchedShard {
  readonly regions = new Set<Region>()
  timers: NodeJS.Timeout[] = []
  unwatch: () => void = () => undefined
}

export class Wakeups {
  private readonly inotify: Inotify | null
  private readonly shards = new Map<Shard, WatchedShard>()
  private looking: NodeJS.Timeout | null = null

  constructor(inotify: Inotify | null) {
    this.inotify = inotify
  }

  /** From now on the region is told to try again whenever that may help. Idempotent. */
  add(region: Region): void {
    const { shard } = region
    let watched = this.shards.get(shard)
    if (watched === undefined) {
      watched = new WatchedShard()
      this.shards.set(shard, watched)
      watched.unwatch = this.watch(shard, ({ mask }) => this.heard(shard, (mask & IN_CLOSE_NOWRITE) === 0))
      if (this.shards.size === 1) this.inotify?.ref(true)
    }
    watched.regions.add(region)
    if (this.looking === null) this.lookLater()
  }

  /** Nobody waits at the region any more. */
  remove(region: Region): void {
    const watched = this.shards.get(region.shard)
    if (!watched?.regions.delete(region) || watched.regions.size > 0) return
    this.shards.delete(region.shard)
    watched.unwatch()
    for (const timer of watched.timers) clearTimeout(timer)
    if (this.shards.size > 0) return
    this.inotify?.ref(false)
    if (this.looking !== null) clearTimeout(this.looking)
    this.looking = null
  }

  private watch(shard: Shard, listener: Listener): () => void {
    try {
      return this.inotify?.watch(shard.path, SHARD_EVENTS, listener) ?? (() => undefined)
    } catch {
      // The file is gone, or the user has no watch left: the look after a while has to do.
      return () => undefined
    }
  }

  private heard(shard: Shard, death: boolean): void {
    const watched = this.shards.get(shard)
    if (watched === undefined) return
    const again = (): void => {
      for (const region of [...watched.regions]) region.tryAgain(false)
    }
    again()
    if (!death || this.shards.get(shard) !== watched) return
    for (const timer of watched.timers) clearTimeout(timer)
    watched.timers = AFTER_DEATH_MS.map((ms) => setTimeout(again, ms))
  }

  private lookLater(): void {
    const ms = this.inotify === null ? BLIND_LOOK_MS : LOOK_MS * (1 + Math.random())
    this.looking = setTimeout(() => {
      this.looking = null
      for (const { regions } of [...this.shards.values()]) for (const region of [...regions]) region.tryAgain(true)
      if (this.shards.size > 0) this.lookLater()
    }, ms)
  }
}
