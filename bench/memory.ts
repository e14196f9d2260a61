// SPDX-License-Identifier: MIT
// Locks between the tasks of one thread, against the cost of `await` itself and against other locks.
import { type Lease, LockSpace } from 'holdfast'
import { type Case, type Effort, machine, type Suite, Timings, time } from './harness.ts'
import { memoryPeers } from './peers.ts'

const PATH = '/studies/mouse-7/session-3/raw/frames'
/** Others are held around this path: they share its ancestors. */
const AMONG_OTHERS = '/group-1/part-1/series-1/raw/own'
const OTHERS = 100_000
const SPREAD = 1_000
const WAITERS = 1_000

export const memory: Suite = {
  name: 'memory',
  targets: {
    depth5_vs_await: { atLeast: 0.33 },
    try_depth5_vs_await: { atLeast: 0.5 },
    depth5_vs_async_mutex: { atLeast: 4 },
    held_1e5_vs_0: { atMost: 1.1 },
    queue_1000_vs_promise: { atMost: 4 },
  },
  async run(smoke) {
    const effort: Effort = { rounds: 31, sliceMs: 8, smoke }
    const peers = memoryPeers()
    const timings = new Timings()
    await time(
      [...uncontended(), ...peers.map((peer) => ({ name: peer.name, run: (times: number) => peer.uncontended(times) }))],
      effort,
      timings,
    )
    const others = [spaceWith(0), spaceWith(smoke ? 1_000 : OTHERS)] as const
    // A small difference between two cases: many short rounds.
    await time(amongOthers(...others), { rounds: 151, sliceMs: 4, smoke }, timings)
    await time(manyAmongOthers(...others), effort, timings)
    const queues = peers.flatMap((peer) => (peer.queue ? [queueCase(`queue: ${peer.name}`, () => peer.queue!(WAITERS))] : []))
    await time([promiseQueue(), queue(), ...queues], effort, timings)

    const sync = timings.ratio('await undefined', 'tryWriteSync')
    const awaited = timings.ratio('await undefined', 'await tryWrite')
    return {
      figures: {
        depth5_vs_await: timings.ratio('await undefined', 'await write'),
        depth5_await_release_vs_await: timings.ratio('await undefined', 'await write, await release'),
        try_depth5_vs_await: Math.max(sync, awaited),
        try_depth5_sync_vs_await: sync,
        try_depth5_awaited_vs_await: awaited,
        ...Object.fromEntries(peers.map(({ name }) => [`depth5_vs_${identifier(name)}`, timings.ratio(name, 'await write')])),
        held_1e5_vs_0: timings.ratio('one path, others held', 'one path, none held'),
        held_1e5_spread_vs_0: timings.ratio('many paths, others held', 'many paths, none held'),
        queue_1000_vs_promise: timings.ratio('queue: write', 'queue: promises'),
        ...Object.fromEntries(
          peers.flatMap(({ name, queue }) =>
            queue ? [[`queue_1000_vs_${identifier(name)}`, timings.ratio(`queue: ${name}`, 'queue: write')]] : [],
          ),
        ),
      },
      notes: {
        machine: machine(),
        node: process.version,
        peers: Object.fromEntries(peers.map(({ name, version }) => [name, version])),
        median_ns: timings.medians(),
        spread: timings.spreads(),
        remarks: [
          `try_depth5_vs_await is that of ${sync >= awaited ? 'tryWriteSync' : 'tryWrite'}.`,
          ...(peers.some(({ name }) => name === 'navigator.locks') ? [] : ['This Node has no navigator.locks.']),
        ],
      },
    }
  },
}

function uncontended(): Case[] {
  const awaited = new LockSpace()
  const released = new LockSpace()
  const tried = new LockSpace()
  const sync = new LockSpace()
  return [
    {
      name: 'await undefined',
      async run(times) {
        for (let i = 0; i < times; i++) await undefined
      },
    },
    {
      name: 'await write',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await awaited.write(PATH)
          void lease.release()
        }
      },
    },
    {
      name: 'await write, await release',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await released.write(PATH)
          await lease.release()
        }
      },
    },
    {
      name: 'await tryWrite',
      async run(times) {
        for (let i = 0; i < times; i++) {
          const lease = await tried.tryWrite(PATH)
          void lease!.release()
        }
      },
    },
    {
      name: 'tryWriteSync',
      run(times) {
        for (let i = 0; i < times; i++) void sync.tryWriteSync(PATH)!.release()
      },
    },
  ]
}

function amongOthers(empty: LockSpace, full: LockSpace): Case[] {
  return ([empty, full] as const).map((space) => ({
    name: space === empty ? 'one path, none held' : 'one path, others held',
    async run(times) {
      for (let i = 0; i < times; i++) {
        const lease = await space.write(AMONG_OTHERS)
        void lease.release()
      }
    },
  }))
}

function manyAmongOthers(empty: LockSpace, full: LockSpace): Case[] {
  const paths = Array.from({ length: SPREAD }, (_, i) => `/group-${i % 16}/part-${(i * 7) % 64}/series-${(i * 13) % 64}/raw/own-${i}`)
  // In no order, and the same each time: 389 is prime to 1,000.
  const order = paths.map((_, i) => paths[(i * 389) % SPREAD]!)
  return ([empty, full] as const).map((space) => ({
    name: space === empty ? 'many paths, none held' : 'many paths, others held',
    async run(times) {
      for (let i = 0; i < times; i++) {
        const lease = await space.write(order[i % SPREAD]!)
        void lease.release()
      }
    },
  }))
}

function spaceWith(held: number): LockSpace {
  const space = new LockSpace()
  for (let i = 0; i < held; i++) {
    const path = `/group-${i % 16}/part-${(i >> 4) % 64}/series-${(i >> 10) % 64}/raw/${i}`
    const lease: Lease | null = i % 2 === 0 ? space.tryReadSync(path) : space.tryWriteSync(path)
    if (lease === null) throw new Error(`${path} was busy.`)
  }
  return space
}

function queue(): Case {
  const space = new LockSpace()
  let turn = 0
  const waiter = async (_: unknown, place: number): Promise<void> => {
    const lease = await space.write(PATH)
    inOrder(place, turn++)
    void lease.release()
  }
  return queueCase('queue: write', async () => {
    turn = 0
    const first = await space.write(PATH)
    const all = Array.from({ length: WAITERS }, waiter)
    void first.release()
    await Promise.all(all)
  })
}

/** The floor: as many promises, each awaited by an async function that resolves the next. */
function promiseQueue(): Case {
  return queueCase('queue: promises', async () => {
    let turn = 0
    const resolvers: (() => void)[] = []
    const waiter = async (_: unknown, place: number): Promise<void> => {
      await new Promise<void>((resolve) => resolvers.push(resolve))
      inOrder(place, turn++)
      resolvers[place + 1]?.()
    }
    const all = Array.from({ length: WAITERS }, waiter)
    resolvers[0]!()
    await Promise.all(all)
  })
}

function queueCase(name: string, once: () => Promise<void>): Case {
  return {
    name,
    size: WAITERS,
    async run(times) {
      for (let i = 0; i < times; i++) await once()
    },
  }
}

function inOrder(place: number, turn: number): void {
  if (place !== turn) throw new Error(`Waiter ${place} was granted as number ${turn}.`)
}

function identifier(name: string): string {
  return name.replace(/\W/g, '_')
}
