// SPDX-License-Identifier: MIT
// Notices that the lock directory, or a file in it, is removed or replaced while it is in use.
import type { LockDirectory } from './directory.ts'
import type { Watcher } from './watcher.ts'

/** Without inotify. */
const BLIND_LOOK_MS = 1000
/** Many files removed at once are one look. */
const SETTLE_MS = 1
/** A folder above ours may be renamed, and no event says so. */
const SLOW_LOOK_MS = 5000

export class DirectoryWatch {
  private readonly verify: () => void
  private unwatch: (() => void)[] = []
  private settling: NodeJS.Timeout | null = null
  private looking: NodeJS.Timeout | null = null

  constructor(directory: LockDirectory, watcher: Watcher | null, verify: () => void) {
    this.verify = verify
    const listener = (name: string): void => {
      // Temporary files of our own come and go beside the lock files.
      if (!name.endsWith('.new')) this.settle()
    }
    try {
      if (watcher === null) throw new Error('nothing to watch with')
      for (const path of [directory.path, directory.file('shards')]) this.unwatch.push(watcher.watchFolder(path, listener))
      this.looking = setInterval(() => {
        if (!directory.whole) verify()
      }, SLOW_LOOK_MS)
    } catch {
      this.looking = setInterval(verify, BLIND_LOOK_MS)
    }
    this.looking.unref()
  }

  close(): void {
    for (const unwatch of this.unwatch.splice(0)) unwatch()
    if (this.settling !== null) clearTimeout(this.settling)
    if (this.looking !== null) clearInterval(this.looking)
  }

  private settle(): void {
    this.settling ??= setTimeout(() => {
      this.settling = null
      this.verify()
    }, SETTLE_MS)
  }
}
