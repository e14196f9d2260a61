// SPDX-License-Identifier: MIT
// What the suite "memory" says.

import type { SuiteResult } from '../results.ts'
import { type Comparison, type Entry, type Page, timed } from './page.ts'

export const memoryPage: Page = {
  about: ['Locks between the tasks of one thread, against the cost of `await` itself and against other locks.'],
  figures: {
    depth5_vs_await:
      'Awaited write leases on a depth-5 path, taken and released per second, over `await undefined` per second, both in a loop in an async function. `release()` is called and gives the lock back at once.',
    depth5_await_release_vs_await: 'The same, and the promise of `release()`, already resolved, is awaited too.',
    try_depth5_vs_await: '`tryWriteSync` and release, or `await tryWrite` and release, whichever is faster.',
    try_depth5_sync_vs_await: '`tryWriteSync` and release.',
    try_depth5_awaited_vs_await: '`await tryWrite` and release.',
    depth5_vs_async_mutex: "How many times as many as with async-mutex's `Mutex`.",
    'depth5_vs_*': 'The same for this peer.',
    held_1e5_vs_0:
      'How many times dearer a write lease is beside 100,000 others, half of them readers, which share its ancestors, than beside none.',
    held_1e5_spread_vs_0: 'The same when a thousand paths are taken in turn instead of one.',
    queue_1000_vs_promise:
      'A thousand async functions wait for one depth-5 path, and each lets the next in: how many times dearer a grant is than when they wait for a thousand bare promises, each resolved by the one before. Both check the order.',
    'queue_1000_vs_*': 'How many times as fast as that queue with this peer.',
  },
  beside(suite) {
    return [uncontended(suite), queue(suite)]
  },
  after: [
    'The peers guard one thing: they know no sub-trees, and most of them no readers. Those that take a key get the path as one. `navigator.locks` is measured where Node has it.',
  ],
}

function uncontended(suite: SuiteResult): Comparison {
  return {
    id: 'memory-peers',
    title: 'One lock, taken and given back, in memory',
    says: 'Nobody else wants it. The path has five segments, so Holdfast locks six nodes; a peer locks one thing.',
    unit: 'duration',
    entries: [
      timed(suite, 'floor', 'await undefined', 'await undefined', { times: suite.figures.depth5_vs_await! }),
      timed(suite, 'ours', 'Holdfast, await write', 'await write'),
      timed(suite, 'ours', 'Holdfast, tryWriteSync', 'tryWriteSync'),
      ...peers(suite, '', 'depth5_vs_'),
    ],
  }
}

function queue(suite: SuiteResult): Comparison {
  return {
    id: 'memory-queue',
    title: 'A grant in a line of a thousand, in memory',
    says: 'A thousand tasks wait; each that gets the lock gives it back at once.',
    unit: 'duration',
    entries: [
      timed(suite, 'floor', 'bare promises', 'queue: promises', { times: 1 / suite.figures.queue_1000_vs_promise! }),
      timed(suite, 'ours', 'Holdfast, write', 'queue: write'),
      ...peers(suite, 'queue: ', 'queue_1000_vs_'),
    ],
  }
}

function peers(suite: SuiteResult, cases: string, figures: string): Entry[] {
  const known = Object.entries(suite.notes.peers).filter(([name]) => suite.notes.median_ns[cases + name] !== undefined)
  return known.map(([name, version]) =>
    timed(suite, 'peer', name, cases + name, { version, times: suite.figures[figures + name.replace(/\W/g, '_')]! }),
  )
}
