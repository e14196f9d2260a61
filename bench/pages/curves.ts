// SPDX-License-Identifier: MIT
// What the suite "curves" says.
import type { SuiteResult } from '../results.ts'
import type { Page, Plot } from './page.ts'

export type Curve = 'depth' | 'held' | 'waiters'

export const BESIDE_LINE = 'a sibling that is free'
export const IN_LINE = 'a turn in the line'

export const curvesPage: Page = {
  about: [
    'What a lock costs, drawn against what it may depend on and against what it must not: taken and given back, one after the other, by one task that nobody stands in the way of. Redis and ZooKeeper are servers of its own on this machine, as in their suites; kernel files lie in the folder for temporary files.',
  ],
  figures: {
    memory_depth_20_vs_1: 'How many times dearer a path of twenty segments is than one of a single segment.',
    file_depth_20_vs_1: 'The same on kernel files: 21 nodes over two.',
    redis_depth_20_vs_1: 'The same on Redis, through node-redis.',
    zookeeper_depth_20_vs_1: 'The same on ZooKeeper.',
    memory_held_1e5_vs_1:
      'How many times dearer it is beside 100,000 locks that are held than beside one. 64 free paths are taken in turn.',
    file_held_1e4_vs_1: 'The same on kernel files, beside 10,000 that another process holds.',
    memory_waiters_1e4_vs_1: 'How many times dearer a free path is while 10,000 wait for its sibling than while one does.',
    memory_turn_1e4_vs_1:
      'A turn (one lets go, the next in line gets the lock, the first gets in line again): how many times dearer it is among 10,000 that wait than with one.',
  },
  plots({ notes }) {
    const lines = curvesIn(notes.median_ns)
    const plot = (curve: Curve, plot: Pick<Plot & { kind: 'curves' }, 'title' | 'says' | 'against'>): Plot[] =>
      lines[curve] === undefined
        ? []
        : [{ kind: 'curves', id: `curves-${curve}`, cost: 'one lock, taken and given back', series: lines[curve], ...plot }]
    return [
      ...plot('depth', {
        title: 'Cost against depth, on each engine',
        says: 'In memory and on files each node costs; on servers most of it is the way there and back.',
        against: 'segments of the path',
      }),
      ...plot('held', {
        title: 'Cost against locks held by others',
        says: 'Half of those in memory are readers. On files another process holds them.',
        against: 'locks held by others, on other paths of the space',
      }),
      ...plot('waiters', {
        title: 'Cost against requests that wait, in memory',
        says: 'All wait for one path: a sibling of it costs the same, and so does a grant among them.',
        against: 'requests that wait for one path',
      }),
    ]
  },
}

/** The name of the case that is one point of a line of a curve. */
export function pointOf(curve: Curve, line: string, number: number): string {
  return `${curve}, ${line}: ${number}`
}

/** By curve, line and number: nanoseconds. */
export function curvesIn(medians: SuiteResult['notes']['median_ns']): Partial<Record<Curve, Record<string, Record<string, number>>>> {
  const all: Partial<Record<Curve, Record<string, Record<string, number>>>> = {}
  for (const [name, ns] of Object.entries(medians)) {
    const found = /^(depth|held|waiters), (.*): (\d+)$/.exec(name)
    if (found === null) continue
    const [, curve, line, number] = found as unknown as [string, Curve, string, string]
    all[curve] ??= {}
    all[curve][line] ??= {}
    all[curve][line][number] = ns
  }
  return all
}
