// SPDX-License-Identifier: MIT
// When the requests that wait try again: when somebody rings, when a descriptor of the lock file is closed, as it is when a process dies, and,
// should an event be lost, after a while.
import type { Region } from './region.ts'
import type { Shard } from './shard.ts'
import type { Watcher } from './watcher.ts'

/** The kernel tells of a dead process's descriptor before it frees its locks: look at once, and again after so many milliseconds. */
const AFTER_DEATH_MS: readonly number[] = [0, 1, 2, 5, 10, 50]
/** When to look although nothing was heard, each time up to twice as late, lest all look at once; the last holds from then on. */
const LOOKS_MS: readonly number[] = [1000, 1000, 2000, 4000, 8000]
/** Where a death is not heard of, looking often is all that is left. */
const DEAF_LOOK_MS = 25

class WatchedShard {
  readonly regions = new Set<Region>()
  timers: NodeJS.Timeout[] = []
  unwatch: () => void = () => undefined
}

export class Wakeups {
  private readonly watcher: Watcher | null
  private readonly shards = new Map<Shard, WatchedShard>()
  private looking: NodeJS.Timeout | null = null
  private looks = 0

  constructor(watcher: Watcher | null) {
    this.watcher = watcher
  }

  /** From now on the region is told to try again whenever that may help. Idempotent. */
  add(region: Region): void {
    const { shard } = region
    let watched = this.shards.get(shard)
    if (watched === undefined) {
      watched = new WatchedShard()
      this.shards.set(shard, watched)
      watched.unwatch = this.watch(shard)
      if (this.shards.size === 1) this.watcher?.ref(true)
    }
    watched.regions.add(region)
    this.lookSoon()
  }

  /** Nobody waits at the region any more. */
  remove(region: Region): void {
    const watched = this.shards.get(region.shard)
    if (!watched?.regions.delete(region) || watched.regions.size > 0) return
    this.shards.delete(region.shard)
    watched.unwatch()
    for (const timer of watched.timers) clearTimeout(timer)
    if (this.shards.size > 0) return
    this.watcher?.ref(false)
    if (this.looking !== null) clearTimeout(this.looking)
    this.looking = null
  }

  private watch(shard: Shard): () => void {
    try {
      return this.watcher?.watchFile(shard.path, (event) => this.heard(shard, event === 'closed')) ?? (() => undefined)
    } catch {
      // The file is gone, or the user has no watch left: the look after a while has to do.
      return () => undefined
    }
  }

  private heard(shard: Shard, death: boolean): void {
    const watched = this.shards.get(shard)
    if (watched === undefined) return
    this.lookSoon()
    const again = (): void => {
      for (const region of [...watched.regions]) region.tryAgain(false)
    }
    again()
    if (!death || this.shards.get(shard) !== watched) return
    for (const timer of watched.timers) clearTimeout(timer)
    watched.timers = AFTER_DEATH_MS.map((ms) => setTimeout(again, ms))
  }

  /** Something has happened, so more may: the next look is near again. */
  private lookSoon(): void {
    if (this.looking !== null && this.looks === 0) return
    if (this.looking !== null) clearTimeout(this.looking)
    this.looks = 0
    this.lookLater()
  }

  private lookLater(): void {
    const pauseMs = LOOKS_MS[Math.min(this.looks, LOOKS_MS.length - 1)]!
    const ms = this.watcher?.hearsDeath ? pauseMs * (1 + Math.random()) : DEAF_LOOK_MS
    this.looking = setTimeout(() => {
      this.looking = null
      this.looks++
      for (const { regions } of [...this.shards.values()]) for (const region of [...regions]) region.tryAgain(true)
      if (this.shards.size > 0 && this.looking === null) this.lookLater()
    }, ms)
  }
}
