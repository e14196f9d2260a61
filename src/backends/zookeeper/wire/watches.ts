// SPDX-License-Identifier: MIT
// Who wants to hear of the next change of which node. A watch fires once; it outlives connections, as it is set anew on the next one.
import type { Watch, WatchEvent, Watcher } from './operations.ts'

export class Watches {
  private readonly data = new Map<string, Set<Watcher>>()
  private readonly children = new Map<string, Set<Watcher>>()

  get size(): number {
    return this.data.size + this.children.size
  }

  add(path: string, { kind, watcher }: Watch): void {
    const watched = this[kind]
    const watchers = watched.get(path)
    if (watchers === undefined) watched.set(path, new Set([watcher]))
    else watchers.add(watcher)
  }

  /** The watcher does not want to hear of it any more. The server is not told: its one event will find nobody. */
  remove(path: string, { kind, watcher }: Watch): void {
    const watchers = this[kind].get(path)
    if (watchers?.delete(watcher) && watchers.size === 0) this[kind].delete(path)
  }

  fire(event: WatchEvent): void {
    const { type, path } = event
    const heard: Watcher[] = []
    if (type !== 'children') heard.push(...take(this.data, path))
    if (type === 'children' || type === 'deleted') heard.push(...take(this.children, path))
    for (const watcher of heard) watcher(event)
  }

  clear(): void {
    this.data.clear()
    this.children.clear()
  }

  /** The paths watched, in portions small enough for one packet each. */
  *portions(largestBytes: number): Generator<{ readonly data: readonly string[]; readonly children: readonly string[] }> {
    for (const kind of ['data', 'children'] as const) {
      let paths: string[] = []
      let bytes = 0
      for (const path of this[kind].keys()) {
        const more = 4 + path.length * 3
        if (bytes + more > largestBytes && paths.length > 0) {
          yield { data: [], children: [], [kind]: paths }
          paths = []
          bytes = 0
        }
        paths.push(path)
        bytes += more
      }
      if (paths.length > 0) yield { data: [], children: [], [kind]: paths }
    }
  }
}

function take(watched: Map<string, Set<Watcher>>, path: string): Iterable<Watcher> {
  const watchers = watched.get(path)
  watched.delete(path)
  return watchers ?? []
}
