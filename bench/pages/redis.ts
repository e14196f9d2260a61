// SPDX-License-Identifier: MIT
// What the suite "redis" says.
import type { SuiteResult } from '../results.ts'
import { type Comparison, distributed, type Entry, type Page } from './page.ts'

/** What the suite tells of each lock that processes contended for. */
interface Contended {
  readonly handoff_p50_ms: number | null
  readonly handoff_p99_ms: number | null
  readonly longest_run: number
  readonly longest_wait_ms: number
}

const BARE_PUSH = 'bare push'

export const redisPage: Page = {
  about: [
    'It starts a redis-server of its own, without persistence, on a free port of this machine, and stops it at the end. "Plain" is the plainest lock that there is on one: `SET NX PX`, and a script that deletes the key if it is still ours; two round trips, as ours has. It cannot wait. Ratios are between locks on the same client library: node-redis, which a URL takes first, or ioredis for figures that begin with its name. redlock and redis-semaphore know ioredis alone, simple-redis-mutex node-redis alone. All is at depth 3 but `flat`.',
  ],
  figures: {
    flat_vs_setnx_seq: 'Write leases on `/x`, taken and released one after the other, a second, over those of the plain lock.',
    depth3_vs_setnx_seq: 'The same for a path of three segments: four nodes.',
    depth3_vs_setnx_100: 'The same with a hundred under way at once, in one process, on paths of their own.',
    held_1e5_vs_0:
      'How many times dearer one is while another process holds 100,000 paths of the same space. 256 free paths are taken in turn.',
    queue_1e4_vs_0: 'How many times dearer one is while 10,000 requests wait in line for a sibling of the path.',
    queue_1e4_turn_vs_2:
      'A turn (one lets go, the next in line gets the lock, the first gets in line again): how many times dearer it is in a line of 10,000 than in one of two.',
    handoff_p50_ms:
      'Eight processes want one path, hold it for a millisecond, and ask again at once. From just before the release in one to just after the grant in another; the median of each round, and of these the median.',
    handoff_p99_ms: 'The same, all but the slowest hundredth of each round.',
    handoff_vs_bare_push:
      'How many times as long that is as for a bare message: the same processes in a ring, each of which keeps it for a millisecond and sends it on with PUBLISH. What is left at 1 is the machine, its sockets and its clients: no lock that tells the next can be quicker by much.',
    longest_run: 'How many times in a row one of them had it, in any round.',
    'ioredis_*': 'As above, through ioredis.',
    'redlock_*': 'The same for redlock, through ioredis.',
    'redis_semaphore_*': 'The same for redis-semaphore, through ioredis.',
    'simple_redis_mutex_*': 'The same for simple-redis-mutex, through node-redis.',
  },
  beside(suite) {
    const kinds = (ending: string): Entry[] => among(suite, (name) => suite.notes.median_ns[name + ending])
    return [
      {
        id: 'redis-peers',
        title: 'One lock after the other, on Redis',
        says: 'Nobody else wants it. Each is beside Holdfast at depth 3 on the same client library.',
        unit: 'duration',
        entries: [...among(suite, (name) => suite.notes.median_ns[`${name}, depth 3`]), ...kinds('')],
      },
      {
        id: 'redis-in-flight',
        title: 'A lock with a hundred under way at once, on Redis',
        says: 'A hundred tasks of one process, each on a path of its own: the time for one lock is the time for a hundred, divided by a hundred.',
        unit: 'duration',
        entries: kinds(', 100 in flight'),
      },
      contended(suite),
    ]
  },
  plots(suite) {
    return [
      {
        kind: 'distributions',
        id: 'redis-handoff',
        title: 'From one of eight processes to the next, on Redis',
        says: 'From just before a release to just after the next grant in another process, over all rounds.',
        series: distributed(suite, Object.fromEntries(Object.keys(suite.notes.distributions ?? {}).map((name) => [name, name]))),
      },
    ]
  },
  after: [
    'Peers without a line look quick where locks are handed on, since who has just released often gets it again: look at the longest run and the longest wait beside it.',
    "`notes.server_us_per_pair` is the server's processor time for taking and giving back once, by its own account: sockets included (`all`), and inside the commands (`commands`). The server needs a core of its own for these figures.",
  ],
}

/** Every lock of which there is a time, beside ours on the same library. */
function among({ notes }: SuiteResult, timing: (name: string) => number | undefined): Entry[] {
  const names = ['Holdfast', 'SET NX', 'redlock', 'redis-semaphore', 'simple-redis-mutex']
  return names.flatMap((name) =>
    ['node-redis', 'ioredis'].flatMap((library) => {
      const value = timing(`${name}, ${library}`)
      return value === undefined ? [] : [entry({ notes }, `${name}, ${library}`, value)]
    }),
  )
}

function contended(suite: SuiteResult): Comparison {
  const known = Object.entries(suite.notes.contention as Record<string, Contended>)
  return {
    id: 'redis-contended',
    title: 'A lock handed on among eight processes, on Redis',
    says: 'The median from a release to the next grant in another process.',
    unit: 'duration',
    columns: ['p99', 'longest run', 'longest wait'],
    entries: known.flatMap(([name, { handoff_p50_ms: p50, handoff_p99_ms: p99, longest_run, longest_wait_ms }]) =>
      p50 === null
        ? []
        : [
            {
              ...entry(suite, name, p50 * 1e6),
              cells: [`${p99} ms`, String(longest_run), name === BARE_PUSH ? '' : `${longest_wait_ms} ms`],
            },
          ],
    ),
  }
}

function entry({ notes }: Pick<SuiteResult, 'notes'>, label: string, value: number): Entry {
  const [name, among] = label.split(', ') as [string, string?]
  const kind = name === 'Holdfast' ? 'ours' : name === BARE_PUSH ? 'floor' : 'peer'
  const version = notes.peers[name]
  return { name: label, kind, value, among: among ?? 'node-redis', ...(version === undefined ? {} : { version }) }
}
